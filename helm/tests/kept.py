#!/usr/bin/env python3
"""Installs and upgrades with the real helm against a small API server, and looks at what is kept, what changes and which jobs run.

usage: kept.py HELM      (Helm 4: earlier ones ask the API server for more)
"""

import base64
import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import yaml

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE / "rehearsal"))
import api  # noqa: E402

CHART = HERE.parent / "flotilla"


class Trial:
    def __init__(self, helm, home):
        self.helm_program, self.home, self.store, self.jobs, self.wrong = helm, home, api.Store(), [], []
        url, self.close = api.serve(self.store)
        config = {"apiVersion": "v1", "kind": "Config", "current-context": "c",
                  "clusters": [{"name": "c", "cluster": {"server": url}}], "users": [{"name": "u", "user": {}}],
                  "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}]}
        Path(f"{home}/kubeconfig").write_text(yaml.safe_dump(config))
        threading.Thread(target=self.finish_jobs, daemon=True).start()

    def finish_jobs(self):
        while True:
            for job in self.store.list("jobs"):
                if not job.get("status"):
                    self.jobs.append(job["metadata"]["name"])
                    done = {"succeeded": 1, "conditions": [{"type": "Complete", "status": "True"}]}
                    self.store.status("jobs", job["metadata"]["namespace"], job["metadata"]["name"], done)
            time.sleep(0.05)

    def try_helm(self, *words):
        environment = {**os.environ, "KUBECONFIG": f"{self.home}/kubeconfig", **{
            f"HELM_{kind}_HOME": f"{self.home}/{kind}" for kind in ("CACHE", "CONFIG", "DATA")}}
        self.jobs.clear()
        return subprocess.run([self.helm_program, *words, "-n", "ns"], env=environment, capture_output=True, text=True, timeout=120)

    def helm(self, *words):
        done = self.try_helm(*words)
        if done.returncode:
            sys.exit(f"helm {' '.join(words)}: {done.stderr}")

    def upgrade(self, *values):
        self.helm("upgrade", "f", str(CHART), "--set", "fullnameOverride=f", *[word for value in values for word in ("--set", value)])

    def secret(self, name):
        found = self.store.get("secrets", "ns", name) or {"data": {}}
        return {key: base64.b64decode(value).decode() for key, value in found["data"].items()}

    def expect(self, holds, text):
        if not holds:
            self.wrong.append(text)

    def verifies(self, certificate, authority, name):
        for file, text in (("leaf", certificate), ("ca", authority)):
            Path(f"{self.home}/{file}.pem").write_text(text)
        command = ["openssl", "verify", "-CAfile", f"{self.home}/ca.pem", "-verify_hostname", name, f"{self.home}/leaf.pem"]
        return subprocess.run(command, capture_output=True).returncode == 0

    def run(self):
        self.helm("install", "f", str(CHART), "--set", "fullnameOverride=f")
        password, authority, leaf = self.secret("f-auth"), self.secret("f-peer-ca"), self.secret("f-peer-tls")
        self.expect(len(password["password"]) == 32, "no password was made")
        for name in ("f-0", "f-6", "f-2.f-headless.ns.svc.cluster.local"):
            self.expect(self.verifies(leaf["tls.crt"], authority["ca.crt"], name), f"the certificate is not valid for {name}")
        self.expect(not self.verifies(leaf["tls.crt"], authority["ca.crt"], "edge-fra"), "a core's certificate is an edge's")
        self.upgrade("replicaCount=5")
        self.expect((password, authority, leaf) == (self.secret("f-auth"), self.secret("f-peer-ca"), self.secret("f-peer-tls")),
                    "an upgrade changed a secret")
        self.expect(self.jobs == [], f"jobs ran: {self.jobs}")
        self.upgrade("replicaCount=3", "auth.users=user a on")
        self.expect(self.jobs == ["f-scale-down", "f-users"], f"jobs ran: {self.jobs}")
        self.upgrade("peerTLS.extraNames={core.example.com}", "peerTLS.edges[0].site=fra", "auth.password=second")
        renewed, edge = self.secret("f-peer-tls"), self.secret("f-edge-fra")
        self.expect(self.secret("f-peer-ca") == authority and renewed != leaf, "another name needs another certificate of the same CA")
        self.expect(self.verifies(renewed["tls.crt"], authority["ca.crt"], "core.example.com"), "it does not have the new name")
        self.expect(self.verifies(edge["tls.crt"], authority["ca.crt"], "edge-fra.n2"), "the edge's certificate is not valid for its nodes")
        self.expect(not self.verifies(edge["tls.crt"], authority["ca.crt"], "f-0"), "an edge's certificate is a core's")
        both = {"password": "second", "passwords": f"second\n{password['password']}"}
        self.expect(self.secret("f-auth") == both, "the former password is not kept beside the new one")
        self.upgrade("auth.password=second")
        self.expect(self.secret("f-auth") == both, "the former password does not last until the next change")
        self.upgrade("auth.password=third")
        self.expect(self.secret("f-auth")["passwords"] == "third\nsecond", "the password before the former one is still valid")
        self.helm("uninstall", "f")
        self.expect(self.secret("f-peer-tls") == {}, "a certificate outlives the release")
        self.helm("install", "f", str(CHART), "--set", "fullnameOverride=f")
        self.expect(self.secret("f-auth")["password"] == "third" and self.secret("f-peer-ca") == authority,
                    "a release that is installed again on its volumes has lost its password or its CA")
        self.restores()
        self.close()

    def restores(self):
        """A restore runs at install, never again, and takes no volume that is there."""
        values = ["--set", "fullnameOverride=g", "--set", "restore.from=s3://b/p"]
        claim = lambda: (self.store.get("persistentvolumeclaims", "ns", "data-g-0") or {"metadata": {}})["metadata"].get("uid")
        self.helm("install", "g", str(CHART), *values)
        made = claim()
        self.expect(self.jobs == ["g-restore"] and made, f"at install ran {self.jobs}, and the claim is {made}")
        self.helm("upgrade", "g", str(CHART), *values, "--set", "replicaCount=5")
        self.expect(self.jobs == [] and claim() == made, f"at an upgrade ran {self.jobs}")
        self.helm("uninstall", "g")
        self.expect(claim() == made, "the volume was uninstalled with the release")
        refused = self.try_helm("install", "g", str(CHART), *values)
        self.expect(refused.returncode and "data-g-0" in refused.stderr, f"installed over a volume that was there: {refused.stderr}")
        self.expect(claim() == made and self.jobs == [], f"a volume that was there was taken: {made} {claim()} {self.jobs}")


def main():
    with tempfile.TemporaryDirectory() as home:
        trial = Trial(sys.argv[1], home)
        trial.run()
    for text in trial.wrong:
        print(text, file=sys.stderr)
    print(f"installed, upgraded five times, uninstalled and installed again; restored at install: {len(trial.wrong)} complaints")
    sys.exit(bool(trial.wrong))


if __name__ == "__main__":
    main()
