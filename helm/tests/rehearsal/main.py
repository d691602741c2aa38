#!/usr/bin/env python3
"""Installs the chart with the real helm into a stand-in for a cluster and does to it what operators and machines do, while clients
write and read. Prints, for each step, what the clients saw; ends with 1 if an operation was lost or something was not as it should be.

usage: main.py HELM PROGRAM      (needs root, ip, unshare, nsenter, setpriv; PyYAML)
"""

import base64
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

import yaml

import api
from controllers import Cluster
from load import Connection, Load, Refused

ROOT = Path(__file__).resolve().parent.parent.parent.parent
CHART = ROOT / "helm/flotilla"
NAMESPACE, CORE, EDGE = "data", "flotilla", "fra"
SETTLE_SECONDS = 180
# A pod that comes up elsewhere; a real cluster takes minutes.
LOST_SECONDS = 6
# The longest time in which no client got anything done. An election takes a second; machines may be busy.
GAP_MS_MAX = 5000
# Where a client may have to try more than once: its node has died, or has left the core a moment before it left the service.
ROUGH = ("node lost", "5 to 3", "to 5 pods and to 3")
# Small: several servers share this machine.
VALUES = {
    "resources": {"requests": {"memory": "1Gi"}, "limits": {"memory": "1Gi"}},
    "config": {"log-retain-bytes": "4mb", "disk-low-bytes": "1mb"},
    "metrics": {"prometheusRule": {"enabled": False}},
}


class Rehearsal:
    def __init__(self, helm, program):
        self.home = tempfile.mkdtemp(prefix="rehearsal-")
        os.chmod(self.home, 0o755)
        self.helm_program, self.began, self.rows, self.wrong = helm, time.time(), [], []
        image = f"{self.home}/image"
        subprocess.run([str(ROOT / "helm/image/rootfs.sh"), program, image], check=True)
        self.store = api.Store()
        url, self.stop_api = api.serve(self.store)
        config = {"apiVersion": "v1", "kind": "Config", "current-context": "c",
                  "clusters": [{"name": "c", "cluster": {"server": url}}], "users": [{"name": "u", "user": {}}],
                  "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]}
        Path(f"{self.home}/kubeconfig").write_text(yaml.safe_dump(config))
        self.cluster = Cluster(self.store, self.home, image, self.say)
        self.load, self.values = None, {CORE: dict(VALUES), EDGE: dict(VALUES)}

    def say(self, text):
        print(f"    {time.time() - self.began:6.1f} s  {text}", flush=True)

    def expect(self, holds, text):
        if not holds:
            self.wrong.append(text)
            self.say(f"WRONG: {text}")

    def helm(self, *words):
        environment = {**os.environ, "KUBECONFIG": f"{self.home}/kubeconfig", **{
            f"HELM_{kind}_HOME": f"{self.home}/helm-{kind.lower()}" for kind in ("CACHE", "CONFIG", "DATA")}}
        done = subprocess.run([self.helm_program, *words, "-n", NAMESPACE], env=environment, capture_output=True, text=True, timeout=500)
        if done.returncode:
            raise RuntimeError(f"helm {' '.join(words)}: {done.stderr[-2000:]}")
        return done.stdout

    def release(self, verb, name, **changes):
        values = self.values[name]
        for key, value in changes.items():
            values[key] = {**values.get(key, {}), **value} if isinstance(value, dict) else value
        file = f"{self.home}/{name}.yaml"
        Path(file).write_text(yaml.safe_dump(values))
        return self.helm(verb, name, str(CHART), "-f", file)

    def wait(self, what, holds, seconds=SETTLE_SECONDS):
        deadline = time.time() + seconds
        while not holds():
            if time.time() > deadline:
                raise RuntimeError(f"after {seconds} s: not {what}")
            time.sleep(0.1)

    def full(self, release):
        return CORE if release == CORE else f"{release}-flotilla"

    def settle(self, release=CORE):
        self.wait(f"all pods of {release} ready", lambda: self.cluster.settled(NAMESPACE, self.full(release)))

    def pods(self, release=CORE):
        with self.cluster.lock:
            return [pod for _, pod in sorted(self.cluster.numbered(NAMESPACE, self.full(release)))]

    def password(self, release=CORE):
        return base64.b64decode(self.store.get("secrets", NAMESPACE, f"{self.full(release)}-auth")["data"]["password"]).decode()

    def service(self, release=CORE):
        return self.cluster.endpoints.get((NAMESPACE, self.full(release)), [])

    def connect(self, pod, login=None):
        return Connection(pod.address, 6379, login or (self.password(),))

    def admin(self, pod, *words):
        done = pod.exec(["flotilla", "admin", *words, "--password-file=/etc/flotilla/auth/password"], 60)
        return done.stdout if done.returncode == 0 else f"exit code {done.returncode}: {done.stdout}{done.stderr}"

    def leader(self):
        for pod in self.pods():
            told = pod.exec(["flotilla", "admin", "status", "--json", "--password-file=/etc/flotilla/auth/password"], 20)
            if told.returncode == 0:
                return yaml.safe_load(told.stdout)["leader"]
        raise RuntimeError("nobody leads")

    def members(self):
        told = self.pods()[0].exec(["flotilla", "admin", "status", "--json", "--password-file=/etc/flotilla/auth/password"], 20)
        return {node["name"]: node["role"] for node in yaml.safe_load(told.stdout)["nodes"]}

    def step(self, name, work):
        print(name, flush=True)
        if self.load:
            self.load.begin()
        began = time.time()
        try:
            work()
            self.rest()
        except Exception as error:  # noqa: BLE001
            traceback.print_exc()
            self.expect(False, f"{name}: {error}")
        told = self.load.told() if self.load else {}
        self.rows.append({"step": name, "seconds": round(time.time() - began), **told})
        self.say(str(told))
        if told:
            self.expect(told["lost"] == 0, f"{name}: {told['lost']} operations were lost")
            self.expect(told["gap_ms"] <= GAP_MS_MAX, f"{name}: nothing was done for {told['gap_ms']} ms")
            self.expect(told["more than once"] == 0 or name.startswith(ROUGH), f"{name}: a retry was not enough: {told['why']}")

    def rest(self):
        """What comes late belongs to the step as well."""
        if self.load:
            time.sleep(3)

    # Steps.

    def install(self):
        notes = self.release("install", CORE)
        self.settle()
        self.say("all three pods are ready")
        self.expect("helm -n data test flotilla" in notes, "the notes do not say how to try it")
        self.helm("test", CORE, "--timeout", "60s")
        for pod in self.pods():
            status = Path(f"/proc/{pod.process.pid}/status").read_text()
            for line in ("Uid:\t10001\t10001\t10001\t10001", "NoNewPrivs:\t1", "CapEff:\t0000000000000000", "Groups:\t10001"):
                self.expect(line in status, f"{pod.name}: not '{line}'")
            root = next(line.split() for line in Path(f"/proc/{pod.process.pid}/mountinfo").read_text().splitlines() if line.split()[4] == "/")
            self.expect("ro" in root[5].split(","), f"{pod.name}: the root file system can be written")
            done = pod.exec(["flotilla", "admin", "health", "--ready"], 10)
            self.expect(done.returncode == 0, f"{pod.name}: the image's health check: {done.stdout}{done.stderr}")
        with_none = self.cluster.pods[NAMESPACE, f"{CORE}-1"]
        try:
            Connection(with_none.address, 6379, None).ask("GET", "a")
            self.expect(False, "a client without a password is served")
        except Refused as refused:
            self.expect("NOAUTH" in str(refused), str(refused))
        self.load = Load(self.service, 6379, (self.password(),), writers=4, readers=4)

    def upgrade(self):
        before = {pod.address for pod in self.pods()}
        self.release("upgrade", CORE, config={"maxclients": 9000})
        self.settle()
        self.expect(not before & {pod.address for pod in self.pods()}, "a pod was not restarted")
        self.expect(self.connect(self.pods()[0]).ask("CONFIG", "GET", "maxclients")[1] == b"9000", "the new configuration is not in force")

    def rotate_password(self):
        former, before = self.password(), [pod.process.pid for pod in self.pods()]
        self.release("upgrade", CORE, auth={"password": "a new one"})

        def works(password):
            try:
                return all(self.connect(pod, (password,)).ask("PING") == b"PONG" for pod in self.pods())
            except Refused:
                return False

        self.wait("the new password valid on all nodes", lambda: works("a new one"), 30)
        self.expect(works(former), "the former password is not valid any more")
        self.expect([pod.process.pid for pod in self.pods()] == before, "a new password restarted a pod")
        self.load.login = ("a new one",)

    def set_users(self):
        self.release("upgrade", CORE, auth={"users": "user app on >app-password ~app:* +@all -@admin\n"})
        for pod in self.pods():
            connection = self.connect(pod, ("app", "app-password"))
            self.expect(connection.ask("GET", "app:1") is None, "the user may not read")
            try:
                connection.ask("GET", "other")
                self.expect(False, "the user may read everything")
            except Refused:
                pass

    def grow(self):
        before = [pod.process.pid for pod in self.pods()]
        self.release("upgrade", CORE, replicaCount=5)
        self.settle()
        roles = lambda: self.members()
        self.wait("five voters", lambda: len(roles()) == 5 and set(roles().values()) <= {"leader", "voter"}, 60)
        self.expect([pod.process.pid for pod in self.pods()][:3] == before, "growing restarted a pod")

    def lose(self, keep_claim):
        leader = self.leader()
        name = leader if keep_claim else next(pod.name for pod in self.pods() if pod.name != leader)
        self.say(f"the node of {name}{', which leads,' if keep_claim else ''} dies{'' if keep_claim else ' with its volume'}")
        self.cluster.lose_node(NAMESPACE, name, keep_claim, LOST_SECONDS)
        self.settle()
        self.wait("five voters again", lambda: list(self.members().values()).count("voter") == 4 and len(self.members()) == 5, 60)

    def shrink(self):
        gone = [pod for pod in self.pods() if pod.name.endswith(("-3", "-4"))]
        self.release("upgrade", CORE, replicaCount=3)
        self.settle()
        self.expect(sorted(self.members()) == [f"{CORE}-{number}" for number in range(3)], f"members are {self.members()}")
        self.wait("the surplus pods gone", lambda: all(pod.code is not None for pod in gone), 60)
        self.expect([pod.code for pod in gone] == [0, 0], f"they ended with {[pod.code for pod in gone]}")

    def grow_again(self):
        for number in (3, 4):
            self.cluster.delete_claim(NAMESPACE, f"data-{CORE}-{number}")
        self.release("upgrade", CORE, replicaCount=5)
        self.settle()
        self.wait("five voters", lambda: list(self.members().values()).count("voter") == 4, 60)
        self.release("upgrade", CORE, replicaCount=3)
        self.settle()

    def install_edge(self):
        before = [pod.process.pid for pod in self.pods()]
        names = [f"*.{EDGE}-flotilla-headless.{NAMESPACE}.svc.cluster.local"]
        self.release("upgrade", CORE, peerTLS={"edges": [{"site": EDGE, "names": names}]})
        upstreams = [f"{CORE}-{n}.{CORE}-headless.{NAMESPACE}.svc.cluster.local:7379" for n in range(3)]
        self.release("install", EDGE, mode="edge", replicaCount=3, edge={"site": EDGE, "upstreams": upstreams},
                     peerTLS={"existingSecret": f"{CORE}-edge-{EDGE}"})
        self.settle(EDGE)
        self.helm("test", EDGE, "--timeout", "60s")
        self.expect([pod.process.pid for pod in self.pods()] == before, "a certificate for an edge restarted a pod of the core")
        self.connect(self.pods()[0]).ask("SET", "city", "Lisbon")
        at_edge = Connection(self.pods(EDGE)[0].address, 6379, (self.password(EDGE),))
        self.wait("the core's write at the edge", lambda: at_edge.ask("GET", "city") == b"Lisbon", 10)
        at_edge.ask("SET", "city", "Porto")
        self.expect(at_edge.ask("GET", "city") == b"Porto", "an edge does not see its own write")
        self.expect(EDGE in self.admin(self.pods()[0], "sites"), "the core does not know of the site")

    def upgrade_edge(self):
        own = Load(lambda: self.service(EDGE), 6379, (self.password(EDGE),), writers=0, readers=4)
        time.sleep(1)
        own.begin()
        self.release("upgrade", EDGE, config={"maxclients": 9000})
        self.settle(EDGE)
        time.sleep(3)
        told = own.told()
        own.stop()
        self.rows.append({"step": "(reads at the edge meanwhile)", "seconds": 0, **told})
        self.say(f"reads at the edge: {told}")
        self.expect(told["lost"] == 0, f"{told['lost']} reads at the edge were lost")

    def finish(self):
        acknowledged = self.load.stop()
        connection = self.connect(self.pods()[-1])
        for key, value in acknowledged.items():
            found = int(connection.ask("GET", key) or 0)
            self.expect(found >= value, f"{key} is {found}, and {value} was acknowledged")
        self.say(f"{len(acknowledged)} writers' last acknowledged values are there: {sorted(acknowledged.values())}")
        verdict = self.admin(self.pods()[0], "verify")
        self.expect(verdict.startswith("state at entry"), f"verify: {verdict}")
        self.load = None
        pods = self.pods() + self.pods(EDGE)
        self.helm("uninstall", EDGE)
        self.helm("uninstall", CORE)
        for pod in pods:
            self.cluster.delete(pod)
        self.wait("all pods gone", lambda: all(pod.code is not None for pod in pods), 60)
        self.expect([pod.code for pod in pods] == [0] * len(pods), f"pods ended with {[pod.code for pod in pods]}")

    def table(self):
        columns = ["step", "seconds", "operations", "lost", "retried", "more than once", "gap_ms", "longest_ms"]
        print("\n" + " | ".join(columns))
        for row in self.rows:
            print(" | ".join(str(row.get(column, "-")) for column in columns))
            if row.get("why"):
                print(f"    {row['why']}")

    def close(self):
        self.cluster.close()
        self.stop_api()
        if self.wrong:
            print(f"logs of the pods are in {self.home}")
        else:
            shutil.rmtree(self.home, ignore_errors=True)


def main():
    rehearsal = Rehearsal(*sys.argv[1:3])
    steps = [
        ("install", rehearsal.install), ("upgrade: rolling restart", rehearsal.upgrade), ("new password", rehearsal.rotate_password),
        ("users", rehearsal.set_users), ("3 to 5 pods", rehearsal.grow), ("node lost, volume kept", lambda: rehearsal.lose(True)),
        ("node lost with its volume", lambda: rehearsal.lose(False)), ("5 to 3 pods", rehearsal.shrink),
        ("to 5 pods and to 3 again", rehearsal.grow_again), ("an edge site of three", rehearsal.install_edge),
        ("upgrade of the edge", rehearsal.upgrade_edge), ("the end", rehearsal.finish),
    ]
    try:
        for name, work in steps:
            rehearsal.step(name, work)
            if rehearsal.wrong and name == "install":
                break
    finally:
        rehearsal.table()
        rehearsal.close()
    for text in rehearsal.wrong:
        print(f"WRONG: {text}")
    print(f"{len(rehearsal.rows)} steps, {len(rehearsal.wrong)} complaints, {time.time() - rehearsal.began:.0f} s")
    sys.exit(bool(rehearsal.wrong))


if __name__ == "__main__":
    main()
