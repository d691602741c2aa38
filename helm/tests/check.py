#!/usr/bin/env python3
"""Renders the chart with the values of values/ and refused/ and checks what comes of it; see .build/chart-test.sh.

usage: check.py HELM. Needs PyYAML, kubernetes-validate and promql-parser.
"""

import base64
import concurrent.futures
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import kubernetes_validate
import yaml

import monitoring
import policies
import restricted

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
CHART = HERE.parent / "flotilla"
# The oldest that the chart is for, and the newest whose schemas there are; the first only for value sets that show everything.
SCHEMAS = ("1.28", "1.37")
SHOW_ALL = ("03-production", "05-edge-of-three", "16-feed-ingress", "21-extras")
RELEASE, NAMESPACE = "r", "ns"
# Their schemas are their operators'.
FOREIGN = {"ServiceMonitor", "PrometheusRule", "Certificate", "Issuer"}
NAME_MAX = 63
# What the StatefulSet controller adds to a pod's name in the label of its revision.
REVISION = 11
MIB = 1 << 20


def render(helm, file, *more, chart=CHART):
    command = [helm, "template", RELEASE, str(chart), "-n", NAMESPACE, "-f", str(file), *more]
    return subprocess.run(command, capture_output=True, text=True)


def objects(text):
    return [found for found in yaml.safe_load_all(text) if found]


def pods(rendered):
    """(what it is, pod spec, labels) of everything that makes pods."""
    for found in rendered:
        if found["kind"] in ("StatefulSet", "Job"):
            template = found["spec"]["template"]
            yield f"{found['kind']} {found['metadata']['name']}", template["spec"], template["metadata"]["labels"]
        elif found["kind"] == "Pod":
            yield f"Pod {found['metadata']['name']}", found["spec"], found["metadata"]["labels"]


def of_kind(rendered, kind):
    return {found["metadata"]["name"]: found for found in rendered if found["kind"] == kind}


def values_of(file):
    return yaml.safe_load(file.read_text()) or {}


def dig(values, path, default=None):
    for key in path.split("."):
        values = values.get(key, {}) if isinstance(values, dict) else {}
    return default if values == {} else values


def strings(value):
    """All strings in a value, however deep."""
    if isinstance(value, dict):
        value = list(value.keys()) + list(value.values())
    if isinstance(value, list):
        return [text for one in value for text in strings(one)]
    return [value] if isinstance(value, str) else []


class Checks:
    def __init__(self, name, values, rendered):
        self.name, self.values, self.rendered = name, values, rendered
        self.found = []
        (self.set,) = of_kind(rendered, "StatefulSet").values()
        self.spec = self.set["spec"]["template"]["spec"]
        self.server = next(c for c in self.spec["containers"] if c["name"] == "flotilla")
        self.config = tomllib.loads(of_kind(rendered, "ConfigMap")[self.set["metadata"]["name"]]["data"]["flotilla.toml"])

    def expect(self, holds, text):
        if not holds:
            self.found.append(f"{self.name}: {text}")

    def schemas(self):
        for found in self.rendered:
            name = f"{found['kind']} {found['metadata']['name']}"
            self.expect(len(found["metadata"]["name"]) <= NAME_MAX - REVISION or found["kind"] == "ConfigMap", f"{name}: too long")
            if found["kind"] in FOREIGN:
                continue
            for version in SCHEMAS if self.name in SHOW_ALL else SCHEMAS[1:]:
                try:
                    kubernetes_validate.validate(found, version, strict=True)
                except kubernetes_validate.ValidationError as error:
                    self.expect(False, f"{name} ({version}): {error.message[:300]}")
        names = [(found["kind"], found["metadata"]["name"]) for found in self.rendered]
        self.expect(len(names) == len(set(names)), "two objects of one kind have one name")

    def secrets(self):
        """A password that is not empty, as a file that only the server reads, in no argument and no environment."""
        secrets = of_kind(self.rendered, "Secret")
        values = []
        for secret in secrets.values():
            for key, value in secret["data"].items():
                text = base64.b64decode(value).decode()
                self.expect(text.strip(), f"Secret {secret['metadata']['name']}: {key} is empty")
                values += [text] if key in ("password", "tls.key", "ca.key") else []
        others = "\n".join(strings([found for found in self.rendered if found["kind"] != "Secret"]))
        for value in values:
            forms = {value.strip(), json.dumps(value.strip(), ensure_ascii=False)[1:-1]}
            self.expect(not any(form in others for form in forms), "a secret's value is in an object that is no Secret")
        if dig(self.values, "auth.enabled", True):
            self.expect(self.config.get("requirepass-file") == "/etc/flotilla/auth/password", "no password")
            self.expect("protected-mode" not in self.config, "protected mode is off")
            given = dig(self.values, "auth.existingSecret")
            own = secrets.get(f"{self.set['metadata']['name']}-auth")
            self.expect((own is None) == bool(given), "existingSecret and a Secret of the chart's")
            if own:
                password = base64.b64decode(own["data"]["password"]).decode()
                wanted = dig(self.values, "auth.password")
                self.expect(password == wanted if wanted else len(password) >= 32, f"a weak or another password: {len(password)}")
        for name, spec, _ in pods(self.rendered):
            for volume in spec.get("volumes", []):
                if "secret" in volume:
                    self.expect(volume["secret"].get("defaultMode") == 0o400, f"{name}: {volume['name']} is not of mode 0400")
            for container in spec["containers"] + spec.get("initContainers", []):
                for variable in container.get("env", []):
                    where = variable.get("valueFrom", {})
                    self.expect("secretKeyRef" not in where, f"{name}: {variable['name']} is a secret in the environment")
                self.expect("envFrom" not in container, f"{name}: an environment from elsewhere")
            mounted = {mount["name"] for c in spec["containers"] for mount in c.get("volumeMounts", [])}
            self.expect(all("subPath" not in m for c in spec["containers"] for m in c.get("volumeMounts", [])),
                        f"{name}: a mount by subPath does not follow changes")
            claims = {"data"} if dig(self.values, "persistence.enabled", True) else set()
            known = {volume["name"] for volume in spec.get("volumes", [])} | claims
            self.expect(mounted <= known, f"{name}: mounts {mounted - known}, which are no volumes")

    def references(self):
        """Whatever an object names is there, or was given."""
        labels = self.set["spec"]["template"]["metadata"]["labels"]
        ports = {port["name"] for port in self.server["ports"]}
        for name, service in of_kind(self.rendered, "Service").items():
            self.expect(service["spec"]["selector"].items() <= labels.items(), f"Service {name} selects no pods")
            for port in service["spec"]["ports"]:
                self.expect(port["targetPort"] in ports, f"Service {name}: no port {port['targetPort']}")
        self.expect(self.set["spec"]["serviceName"] in of_kind(self.rendered, "Service"), "the set's service is not there")
        for name, budget in of_kind(self.rendered, "PodDisruptionBudget").items():
            self.expect(budget["spec"]["selector"]["matchLabels"].items() <= labels.items(), f"budget {name} selects no pods")
            self.expect(budget["spec"]["maxUnavailable"] == 1, "the budget lets a majority go")
        certificates = {c["spec"]["secretName"] for c in of_kind(self.rendered, "Certificate").values()}
        made = set(of_kind(self.rendered, "Secret")) | certificates
        given = {dig(self.values, path) for path in (
            "auth.existingSecret", "auth.existingUsersSecret", "auth.admin.existingSecret", "tls.existingSecret", "peerTLS.existingSecret")}
        given |= {volume.get("secret", {}).get("secretName") for volume in self.values.get("extraVolumes", [])}
        accounts = of_kind(self.rendered, "ServiceAccount")
        for name, spec, pod_labels in pods(self.rendered):
            for volume in spec.get("volumes", []):
                secret = volume.get("secret", {}).get("secretName")
                self.expect(secret is None or secret in made | given, f"{name}: Secret {secret} is not there")
            # What runs before the release has an account takes another.
            if dig(self.values, "serviceAccount.create", True) and not name.endswith("-restore"):
                self.expect(spec["serviceAccountName"] in accounts, f"{name}: its service account is not there")
            is_node = pod_labels["app.kubernetes.io/component"] != "job"
            self.expect(is_node == (name.startswith("StatefulSet")), f"{name}: services would find it")
        issuers = set(of_kind(self.rendered, "Issuer"))
        for name, certificate in of_kind(self.rendered, "Certificate").items():
            issuer = certificate["spec"]["issuerRef"]
            self.expect(issuer.get("kind") == "ClusterIssuer" or issuer["name"] in issuers, f"Certificate {name}: no issuer")

    def server_settings(self):
        replicas = self.set["spec"]["replicas"]
        founders = self.config["cluster"].split(",")
        self.expect(len(founders) == (3 if replicas >= 3 else 1), f"{len(founders)} founders of {replicas} pods")
        edge = dig(self.values, "mode") == "edge"
        for number, founder in enumerate(founders):
            name, address = founder.split("=")
            pod = f"{self.set['metadata']['name']}-{number}"
            site = dig(self.values, "edge.site")
            self.expect(name == (f"edge-{site}.n{number}" if edge else pod), f"the set has no node {name}")
            host = f"{pod}.{self.set['spec']['serviceName']}.{NAMESPACE}.svc.{dig(self.values, 'clusterDomain', 'cluster.local')}"
            self.expect(address == f"{host}:7379", f"{name} is not at {address}")
        stop = int(self.config.get("shutdown-timeout", 10)) + 5
        wait = next(int(word.split("=")[1]) for word in self.server["lifecycle"]["preStop"]["exec"]["command"]
                    if word.startswith("--then-wait="))
        self.expect(self.spec["terminationGracePeriodSeconds"] >= stop + wait, "it is killed before it has stopped")
        self.expect(not self.spec.get("enableServiceLinks", True), "a service named flotilla would set FLOTILLA_PORT")
        if dig(self.values, "peerTLS.enabled", True):
            self.expect("peer-insecure" not in self.config and "peer-tls-ca" in self.config, "nodes talk without TLS")
        limit = dig(self.values, "resources.limits.memory", "1Gi" if "resources" not in self.values else None)
        derived = "hot-cache-bytes" not in dig(self.values, "config", {})
        if limit and derived:
            units = {"Mi": MIB, "Gi": MIB << 10}
            total = int(limit[:-2]) * units[limit[-2:]]
            caches = int(self.config["hot-cache-bytes"]) + int(self.config["block-cache-bytes"])
            # As operating.md counts; clients have a share of the 200 MiB that is counted for them and the program.
            others = 640 * MIB + 8 * int(self.config["memtable-bytes"]) + max(int(self.config["maxmemory-clients"]), 200 * MIB)
            if total >= 1024 * MIB:
                self.expect(caches + others <= total, f"{(caches + others) // MIB} MiB of {total // MIB}")
            self.expect(caches >= total // 12 or total < 1024 * MIB, f"caches of {caches // MIB} MiB waste {total // MIB}")

    def restore(self):
        """Before all else, once, into the first pod's volume, and nothing that is there is lost."""
        name = self.set["metadata"]["name"]
        jobs, claims = of_kind(self.rendered, "Job"), of_kind(self.rendered, "PersistentVolumeClaim")
        job, claim = jobs.get(f"{name}-restore"), claims.get(f"data-{name}-0")
        wanted = bool(dig(self.values, "restore.from"))
        self.expect((job is not None, claim is not None) == (wanted, wanted), "a restore that nobody asked for, or none")
        if not job or not claim:
            return
        weights = []
        for found in (claim, job):
            annotations = found["metadata"]["annotations"]
            self.expect(annotations["helm.sh/hook"] == "pre-install", f"{found['kind']}: restores at other times than install")
            weights.append(int(annotations["helm.sh/hook-weight"]))
        self.expect(weights[0] < weights[1], "the job comes before its volume")
        self.expect(claim["metadata"]["annotations"]["helm.sh/hook-delete-policy"] == "hook-failed", "Helm would delete a claim that has data")
        (template,) = self.set["spec"]["volumeClaimTemplates"]
        self.expect(claim["spec"] == template["spec"], "another claim than the first pod's")
        spec = job["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        volume = next(volume for volume in spec["volumes"] if volume["name"] == "data")
        self.expect(volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"], "it fills another volume")
        mounts = lambda of: {mount["name"]: mount["mountPath"] for mount in of["volumeMounts"]}
        self.expect(mounts(container)["data"] == mounts(self.server)["data"], "it fills another directory")
        words = container["args"]
        founder, address = self.config["cluster"].split(",")[0].split("=")
        for word in (f"--data-dir={self.config['data-dir']}", "--if-empty", f"--node-name={founder}", f"--peer-address={address}",
                     f"--from={dig(self.values, 'restore.from')}"):
            self.expect(word in words, f"it is not told {word}")
        for value, option in (("toTime", "to-time"), ("toRevision", "to-revision"), ("backup", "backup"), ("history", "history")):
            given = dig(self.values, f"restore.{value}")
            self.expect((f"--{option}={given}" in words) == bool(given), f"restore.{value} is not --{option}")
        key = self.config.get("backup-key-file")
        self.expect(key is None or f"--key-file={key}" in words, "it has not the backups' key")

    def http(self):
        """Whoever asks the HTTP port speaks what it speaks."""
        secure = self.config.get("http-tls") == "yes"
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            self.expect((self.server[probe]["httpGet"].get("scheme") == "HTTPS") == secure, f"{probe} does not speak what the port speaks")
        for monitor in of_kind(self.rendered, "ServiceMonitor").values():
            (endpoint,) = monitor["spec"]["endpoints"]
            self.expect((endpoint.get("scheme") == "https") == secure, "Prometheus does not speak what the port speaks")
            self.expect(not secure or "insecureSkipVerify" not in endpoint["tlsConfig"], "Prometheus takes any certificate")

    def run(self):
        self.restore()
        self.http()
        self.schemas()
        self.secrets()
        self.references()
        self.server_settings()
        self.found += [f"{self.name}: {text}" for name, spec, _ in pods(self.rendered) for text in restricted.complaints(name, spec)]
        self.found += [f"{self.name}: {text}" for text in policies.complaints(self.values, self.rendered, NAMESPACE)]
        self.found += [f"{self.name}: {text}" for text in monitoring.complaints(self.rendered)]
        return self.found


def lint(helm, file):
    command = [helm, "lint", "--strict", "--quiet", str(CHART), "-f", str(file)]
    done = subprocess.run(command, capture_output=True, text=True)
    return [f"{file.stem}: helm lint: {done.stdout}{done.stderr}"] if done.returncode else []


def check(helm, file, chart=CHART):
    done = render(helm, file, chart=chart)
    if done.returncode:
        return [f"{file.stem}: {done.stderr}"]
    return Checks(file.stem, values_of(file), objects(done.stdout)).run()


def refused(helm, file):
    # Helm 4's words, and Helm 3's where they differ.
    wanted = file.read_text().splitlines()[0].removeprefix("# ").split(" | ")
    done = render(helm, file)
    if done.returncode == 0:
        return [f"refused/{file.stem}: it was rendered"]
    return [] if any(words in done.stderr for words in wanted) else [f"refused/{file.stem}: {wanted} is not what it says: {done.stderr}"]


def checksum(helm):
    """What restarts pods, and what does not."""
    file = HERE / "values/01-default.yaml"

    def of(*more):
        (found,) = of_kind(objects(render(helm, file, *more).stdout), "StatefulSet").values()
        return found["spec"]["template"]["metadata"]["annotations"]["checksum/config"]

    same = [of(), of("--set", "replicaCount=5"), of("--set", "auth.password=x"), of("--set", "peerTLS.extraNames={a.example.com}")]
    others = [of("--set", "config.maxmemory=1gb"), of("--set", "tls.enabled=true"), of("--set", "resources.limits.memory=2Gi")]
    bad = [] if len(set(same)) == 1 else ["scaling, a new password or new names would restart all pods"]
    return bad + ([] if len(set(others) | {same[0]}) == 4 else ["a changed configuration restarts nobody"])


def image():
    """The chart and the image say the same of user, ports and places."""
    text = (HERE.parent / "Dockerfile").read_text()
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    user = values["podSecurityContext"]
    wanted = {
        f"USER {user['runAsUser']}:{user['runAsGroup']}\n": "another user", "EXPOSE 6379 7379 8379\n": "other ports",
        "VOLUME /var/lib/flotilla\n": "another volume", "STOPSIGNAL SIGTERM\n": "another signal",
        'ENTRYPOINT ["/usr/bin/flotilla"]': "another program", '"admin", "health"]': "no health check", "FROM scratch\n": "another base",
        "PATH=/usr/bin": "jobs do not find the program", f"ARG VERSION={yaml.safe_load((CHART / 'Chart.yaml').read_text())['appVersion']}\n": "another version",
    }
    return [f"helm/Dockerfile: {why}" for line, why in wanted.items() if line not in text]


def main():
    helm = sys.argv[1]
    files, bad = sorted(HERE.glob("values/*.yaml")), sorted(HERE.glob("refused/*.yaml"))
    with concurrent.futures.ProcessPoolExecutor(int(os.environ.get("CHART_JOBS", os.cpu_count()))) as pool:
        running = [pool.submit(check, helm, file) for file in files] + [pool.submit(refused, helm, file) for file in bad]
        running += [pool.submit(lint, helm, file) for file in files if file.stem in SHOW_ALL]
        running.append(pool.submit(checksum, helm))
        found = [text for one in running for text in one.result()] + monitoring.pages_and_dashboards() + image()
    for text in found:
        print(text, file=sys.stderr)
    print(f"{len(files)} value sets rendered and checked, {len(bad)} refused: {len(found)} complaints")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
