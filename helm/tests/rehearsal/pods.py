"""Runs one container of a pod as a kubelet and a container runtime would: network namespace, read-only root file system, volumes,
user, environment, probes, preStop, SIGTERM, SIGKILL.
"""

import base64
import os
import re
import shlex
import shutil
import signal
import subprocess
import threading
import time
import urllib.error
import urllib.request

PATH = "/usr/bin"
# What a container runtime mounts: the root file system, then /proc and devices, then volumes. Then it becomes the user.
SETUP = """set -e
mount --bind {root} {root}
mount -o remount,bind,ro {root}
mount -t proc proc {root}/proc
mount -t tmpfs -o mode=755 tmpfs {root}/dev
for device in null zero random urandom; do : >{root}/dev/$device; mount --bind /dev/$device {root}/dev/$device; done
mount --bind {hosts} {root}/etc/hosts
{volumes}
exec setpriv --no-new-privs chroot --userspec={user}:{group} --groups={fs_group} {root} {command}
"""


def written(directory, files, group):
    """Puts files into a volume as the kubelet does: a new directory, then one link changes."""
    os.makedirs(directory, exist_ok=True)
    target = f"..{time.time_ns()}"
    os.makedirs(f"{directory}/{target}")
    for name, (content, mode) in files.items():
        path = f"{directory}/{target}/{name}"
        with open(path, "wb") as file:
            file.write(content)
        # With an fsGroup, the group may read.
        os.chmod(path, mode | 0o440)
        os.chown(path, 0, group)
        if not os.path.islink(f"{directory}/{name}"):
            os.symlink(f"..data/{name}", f"{directory}/{name}")
    former = os.readlink(f"{directory}/..data") if os.path.islink(f"{directory}/..data") else None
    os.symlink(target, f"{directory}/..new")
    os.rename(f"{directory}/..new", f"{directory}/..data")
    if former:
        shutil.rmtree(f"{directory}/{former}")


class Pod:
    """One pod of one container (the others of a spec are not run). `claim` is the directory of its volume."""

    def __init__(self, cluster, name, namespace, labels, spec, claim=None):
        self.cluster, self.name, self.namespace, self.labels, self.spec, self.claim = cluster, name, namespace, labels, spec, claim
        self.container = next((c for c in spec["containers"] if c["name"] == "flotilla"), spec["containers"][0])
        self.home = f"{cluster.home}/pods/{namespace}-{name}-{time.time_ns()}"
        self.netns, self.address = cluster.network.add()
        self.ready = self.started = self.leaving = self.lost = False
        self.restarts, self.process, self.code = 0, None, None
        security = {**spec.get("securityContext", {}), **self.container.get("securityContext", {})}
        self.user, self.group, self.fs_group = security["runAsUser"], security["runAsGroup"], security["fsGroup"]
        os.makedirs(f"{self.home}/volumes")
        # Hard links: the layers of an image are shared too.
        shutil.copytree(cluster.image, f"{self.home}/root", copy_function=os.link)
        self.volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
        self.seen = {}
        self.project()
        self.write_hosts(cluster.hosts())

    def write_hosts(self, text):
        own = f"127.0.0.1 localhost\n{self.address} {self.name}\n"
        # In place: it is mounted.
        with open(f"{self.home}/hosts", "w") as file:
            file.write(own + text)

    def project(self):
        """Writes config maps and secrets that have changed into their volumes."""
        for name, volume in self.volumes.items():
            source, key = ("configMap", "configmaps") if "configMap" in volume else ("secret", "secrets")
            if source not in volume:
                continue
            wanted = volume[source]
            found = self.cluster.store.get(key, self.namespace, wanted.get("name") or wanted["secretName"])
            if not found:
                raise LookupError(f"{self.name}: {source} {wanted} is not there")
            data = found.get("data", {})
            if self.seen.get(name) == data:
                continue
            self.seen[name] = data
            items = wanted.get("items") or [{"key": key, "path": key} for key in data]
            decode = base64.b64decode if source == "secret" else str.encode
            mode = wanted.get("defaultMode", 0o644)
            written(f"{self.home}/volumes/{name}", {item["path"]: (decode(data[item["key"]]), mode) for item in items}, self.fs_group)

    def source(self, name):
        """The directory of a volume."""
        if name not in self.volumes:
            return self.claim
        place = f"{self.home}/volumes/{name}"
        if "emptyDir" in self.volumes[name]:
            owned(place, self.fs_group)
        return place

    def environment(self):
        known = {"PATH": PATH, "HOSTNAME": self.name, "KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_PORT": "tcp://10.0.0.1:443"}
        if self.spec.get("enableServiceLinks", True):
            known |= self.cluster.service_links(self.namespace)
        fields = {"metadata.name": self.name, "metadata.namespace": self.namespace, "status.podIP": self.address}
        fields |= {f"metadata.labels['{key}']": value for key, value in self.labels.items()}
        for variable in self.container.get("env", []):
            if "valueFrom" in variable:
                value = fields[variable["valueFrom"]["fieldRef"]["fieldPath"]]
            else:
                value = re.sub(r"\$\((\w+)\)", lambda match: known.get(match[1], match[0]), variable["value"])
            known[variable["name"]] = value
        return known

    def start(self):
        """Starts the container's process; its output goes to a file."""
        root = f"{self.home}/root"
        mounts = []
        for mount in self.container.get("volumeMounts", []):
            os.makedirs(f"{root}{mount['mountPath']}", exist_ok=True)
            source = self.source(mount["name"])
            mounts.append(f"mount --bind {source} {root}{mount['mountPath']}")
            if mount.get("readOnly"):
                mounts.append(f"mount -o remount,bind,ro {root}{mount['mountPath']}")
        for file in ("hosts",):
            open(f"{root}/etc/{file}", "a").close()
        command = self.container.get("command", ["/usr/bin/flotilla"]) + self.container.get("args", [])
        script = SETUP.format(
            root=root, hosts=f"{self.home}/hosts", volumes="\n".join(mounts), user=self.user, group=self.group, fs_group=self.fs_group,
            command=shlex.join(command))
        log = open(f"{self.home}/log", "ab")
        entry = ["ip", "netns", "exec", self.netns, "unshare", "--mount", "--propagation", "private", "/bin/sh", "-c", script]
        environment = {**self.environment(), "PATH": f"{PATH}:/usr/sbin:/sbin:/bin"}
        self.process = subprocess.Popen(entry, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, start_new_session=True)
        log.close()

    def log(self):
        with open(f"{self.home}/log", errors="replace") as file:
            return file.read()

    def exec(self, command, timeout):
        """Runs a command inside, as an exec probe or hook does."""
        entry = ["nsenter", "-t", str(self.process.pid), "-m", "-n", "-r", "-w", "-G", str(self.group), "-S", str(self.user), *command]
        return subprocess.run(entry, capture_output=True, text=True, timeout=timeout, env=self.environment())

    def probe(self, name):
        get = self.container[name]["httpGet"]
        port = next(port["containerPort"] for port in self.container["ports"] if port["name"] == get["port"])
        url = f"{get.get('scheme', 'HTTP').lower()}://{self.address}:{port}{get['path']}"
        try:
            with urllib.request.urlopen(url, timeout=self.container[name].get("timeoutSeconds", 1)) as answer:
                return 200 <= answer.status < 400
        except (urllib.error.URLError, OSError):
            return False

    def supervise(self):
        """Restarts and probes until the pod is to go. In a thread of its own."""
        self.start()
        while not self.leaving:
            began, failures = time.time(), 0
            self.started = self.ready = False
            while not self.leaving and self.process.poll() is None:
                name = "readinessProbe" if self.started else "startupProbe"
                passed = self.probe(name)
                rules = self.container[name]
                if not self.started:
                    self.started = passed
                    if time.time() - began > rules["periodSeconds"] * rules["failureThreshold"]:
                        self.process.kill()
                else:
                    failures = 0 if passed else failures + 1
                    if passed or failures >= rules["failureThreshold"]:
                        self.set_ready(passed)
                    if passed is False and failures % 5 == 0 and not self.probe("livenessProbe"):
                        self.cluster.say(f"{self.name}: the liveness probe fails")
                time.sleep(rules["periodSeconds"] if passed else min(1, rules["periodSeconds"]))
            if self.leaving:
                return
            self.set_ready(False)
            self.restarts += 1
            self.cluster.say(f"{self.name} ended with {self.process.returncode}; it is started again")
            time.sleep(1)
            self.start()

    def set_ready(self, ready):
        if ready != self.ready:
            self.ready = ready
            self.cluster.endpoints_changed()

    def stop(self):
        """As the kubelet ends a pod: out of the services, preStop, SIGTERM, and SIGKILL when the time is up."""
        deadline = time.time() + self.spec["terminationGracePeriodSeconds"]
        self.leaving = True
        self.cluster.endpoints_changed()
        hook = self.container.get("lifecycle", {}).get("preStop", {}).get("exec")
        if hook and self.process.poll() is None:
            try:
                done = self.exec(hook["command"], deadline - time.time())
                self.cluster.say(f"{self.name}: preStop: {(done.stdout + done.stderr).strip()}")
            except subprocess.TimeoutExpired:
                self.cluster.say(f"{self.name}: preStop DID NOT END")
        self.process.send_signal(signal.SIGTERM)
        try:
            self.code = self.process.wait(max(0, deadline - time.time()))
        except subprocess.TimeoutExpired:
            self.cluster.say(f"{self.name}: KILLED, it did not stop in time")
            self.process.kill()
            self.code = self.process.wait()
        self.remove()

    def vanish(self):
        """Its node dies: no signal, no hook, and the network is gone at once."""
        self.leaving = self.lost = True
        self.process.kill()
        self.process.wait()
        self.cluster.network.remove(self.netns)
        self.cluster.endpoints_changed()

    def remove(self):
        self.cluster.network.remove(self.netns)

    def run_to_end(self, timeout):
        """A job's pod: its exit code."""
        self.start()
        try:
            self.code = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.code = self.process.wait()
        self.remove()
        return self.code


def owned(place, group):
    """A directory as a volume with an fsGroup is."""
    os.makedirs(place, exist_ok=True)
    os.chown(place, 0, group)
    os.chmod(place, 0o2775)


def in_thread(work):
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread
