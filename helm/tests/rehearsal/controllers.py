"""Plays the StatefulSet and Job controllers over the objects that Helm made, and the services' endpoints."""

import hashlib
import json
import os
import random
import shutil
import threading
import time

from network import Network
from pods import Pod, in_thread, owned

# Between a change of a pod and the moment when clients no longer reach it, or reach it: endpoints, kube-proxy.
PROPAGATION_SECONDS = 1.0
JOB_SECONDS_MAX = 400
TICK = 0.2


class Cluster:
    def __init__(self, store, home, image, say):
        self.store, self.home, self.image, self.say = store, home, image, say
        self.network, self.lock = Network(), threading.RLock()
        self.pods, self.claims, self.going, self.done_jobs = {}, {}, {}, set()
        self.endpoints, self.changes, self.stopped = {}, [], False
        self.paused = set()
        self.threads = [in_thread(self.control), in_thread(self.propagate)]

    # Names and services.

    def selected(self, service):
        wanted = service["spec"]["selector"].items()
        every = service["spec"].get("publishNotReadyAddresses", False)
        namespace = service["metadata"]["namespace"]
        return [pod for (at, _), pod in self.pods.items()
                if at == namespace and wanted <= pod.labels.items() and not pod.lost and (every or pod.ready and not pod.leaving)]

    def hosts(self):
        """Names of pods and services; a real cluster balances connections, here the order changes."""
        lines = []
        with self.lock:
            for service in self.store.list("services"):
                at = f"{service['metadata']['namespace']}.svc"
                pods = self.selected(service)
                random.shuffle(pods)
                for pod in pods:
                    names = [f"{service['metadata']['name']}.{at}"]
                    if service["spec"].get("clusterIP") == "None":
                        names.append(f"{pod.name}.{names[0]}")
                    lines += [f"{pod.address} {name}.cluster.local {name}" for name in names]
        return "".join(f"{line}\n" for line in lines)

    def service_links(self, namespace):
        links = {}
        for service in self.store.list("services", namespace):
            name, ports = service["metadata"]["name"].upper().replace("-", "_"), service["spec"]["ports"]
            if service["spec"].get("clusterIP") != "None":
                links |= {f"{name}_SERVICE_HOST": "10.0.0.2", f"{name}_PORT": f"tcp://10.0.0.2:{ports[0]['port']}"}
        return links

    def endpoints_changed(self):
        with self.lock:
            self.changes.append(time.time())

    def propagate(self):
        while not self.stopped:
            time.sleep(0.05)
            with self.lock:
                due = [at for at in self.changes if at + PROPAGATION_SECONDS <= time.time()]
                self.changes = [at for at in self.changes if at not in due]
                if due:
                    self.publish()

    def publish(self):
        self.endpoints = {(s["metadata"]["namespace"], s["metadata"]["name"]): [pod.address for pod in self.selected(s)]
                          for s in self.store.list("services")}
        text = self.hosts()
        for pod in self.pods.values():
            pod.write_hosts(text)

    # Controllers.

    def control(self):
        while not self.stopped:
            time.sleep(TICK)
            try:
                self.look()
            except (LookupError, RuntimeError, OSError) as error:
                # As a kubelet that waits for a Secret: it looks again.
                self.say(f"controllers: {error}")
                time.sleep(1)

    def look(self):
        for job in self.store.list("jobs"):
            uid = job["metadata"]["uid"]
            if uid not in self.done_jobs:
                self.done_jobs.add(uid)
                in_thread(lambda job=job: self.run_job(job))
        for pod in self.store.list("pods"):
            if pod["metadata"]["uid"] not in self.done_jobs:
                self.done_jobs.add(pod["metadata"]["uid"])
                in_thread(lambda pod=pod: self.run_pod(pod))
        for found in self.store.list("statefulsets"):
            self.reconcile(found)
        for pod in list(self.pods.values()):
            # What is uninstalled has no objects any more; its pods go next.
            if not pod.leaving and self.store.list("statefulsets", pod.namespace):
                pod.project()

    def run_once(self, name, namespace, labels, spec):
        """Runs a pod to its end: its exit code."""
        pod = Pod(self, name, namespace, labels, spec)
        with self.lock:
            # It is told of changes of names like any other.
            self.pods[namespace, name] = pod
        code = pod.run_to_end(JOB_SECONDS_MAX)
        with self.lock:
            del self.pods[namespace, name]
        self.say(f"{name}: exit code {code}: {' '.join(pod.log().split())[-300:]}")
        return code

    def run_pod(self, found):
        meta = found["metadata"]
        code = self.run_once(meta["name"], meta["namespace"], meta.get("labels", {}), found["spec"])
        self.store.status("pods", meta["namespace"], meta["name"], {"phase": "Failed" if code else "Succeeded"})

    def run_job(self, job):
        meta, template = job["metadata"], job["spec"]["template"]
        for attempt in range(job["spec"].get("backoffLimit", 6) + 1):
            labels = template["metadata"].get("labels", {})
            code = self.run_once(f"{meta['name']}-{attempt}", meta["namespace"], labels, template["spec"])
            if code == 0:
                break
        state = "Complete" if code == 0 else "Failed"
        status = {"succeeded": int(code == 0), "failed": int(code != 0), "conditions": [{"type": state, "status": "True"}]}
        self.store.status("jobs", meta["namespace"], meta["name"], status)

    def claim_of(self, namespace, name):
        with self.lock:
            key = namespace, name
            if key not in self.claims:
                self.claims[key] = f"{self.home}/claims/{namespace}-{name}-{time.time_ns()}"
                os.makedirs(f"{self.home}/claims", exist_ok=True)
                owned(self.claims[key], 10001)
            return self.claims[key]

    def delete_claim(self, namespace, name):
        with self.lock:
            shutil.rmtree(self.claims.pop((namespace, name)), ignore_errors=True)

    def revision(self, found):
        return hashlib.sha256(json.dumps(found["spec"]["template"], sort_keys=True).encode()).hexdigest()[:10]

    def reconcile(self, found):
        """One step towards the wanted pods. With podManagementPolicy Parallel pods come and go at once; updates are one at a time."""
        namespace, name = found["metadata"]["namespace"], found["metadata"]["name"]
        if (namespace, name) in self.paused:
            return
        spec, revision = found["spec"], self.revision(found)
        with self.lock:
            present = {number: pod for number, pod in self.numbered(namespace, name)}
        parallel = spec["podManagementPolicy"] == "Parallel"
        for number in range(spec["replicas"]):
            if number not in present:
                self.create(found, number, revision)
                if not parallel:
                    return
        for number, pod in sorted(present.items(), reverse=True):
            if number >= spec["replicas"] and not pod.leaving:
                self.delete(pod)
                if not parallel:
                    return
        if any(pod.leaving for pod in present.values()) or len(present) < spec["replicas"]:
            return
        for number, pod in sorted(present.items(), reverse=True):
            if number >= spec["replicas"]:
                continue
            if pod.labels["controller-revision-hash"] != revision:
                return self.delete(pod)
            if not pod.ready:
                return None
        return None

    def numbered(self, namespace, name):
        for (at, pod_name), pod in self.pods.items():
            prefix, _, number = pod_name.rpartition("-")
            if at == namespace and prefix == name and number.isdigit() and "controller-revision-hash" in pod.labels:
                yield int(number), pod

    def create(self, found, number, revision):
        namespace, name = found["metadata"]["namespace"], found["metadata"]["name"]
        template, pod_name = found["spec"]["template"], f"{name}-{number}"
        labels = {**template["metadata"]["labels"], "apps.kubernetes.io/pod-index": str(number), "controller-revision-hash": revision,
                  "statefulset.kubernetes.io/pod-name": pod_name}
        claim = self.claim_of(namespace, f"data-{pod_name}") if found["spec"].get("volumeClaimTemplates") else None
        pod = Pod(self, pod_name, namespace, labels, template["spec"], claim)
        with self.lock:
            self.pods[namespace, pod_name] = pod
        self.endpoints_changed()
        in_thread(pod.supervise)

    def delete(self, pod):
        pod.leaving = True

        def end():
            pod.stop()
            with self.lock:
                self.pods.pop((pod.namespace, pod.name), None)
            self.endpoints_changed()

        self.going[pod.name] = in_thread(end)

    def lose_node(self, namespace, name, keep_claim, seconds):
        """The node of a pod dies; after a while the pod comes up elsewhere, with its volume or without."""
        pod = self.pods[namespace, name]
        of = name.rpartition("-")[0]
        self.paused.add((namespace, of))
        pod.vanish()
        with self.lock:
            del self.pods[namespace, name]
        time.sleep(seconds)
        if not keep_claim:
            self.delete_claim(namespace, f"data-{name}")
        self.paused.discard((namespace, of))

    def settled(self, namespace, name):
        """Whether all wanted pods are there in their wanted form and ready, and no other."""
        found = self.store.get("statefulsets", namespace, name)
        with self.lock:
            present = dict(self.numbered(namespace, name))
        revision = self.revision(found)
        return set(present) == set(range(found["spec"]["replicas"])) and all(
            pod.ready and not pod.leaving and pod.labels["controller-revision-hash"] == revision for pod in present.values())

    def close(self):
        self.stopped = True
        for thread in self.threads:
            thread.join(5)
        for pod in list(self.pods.values()):
            pod.leaving = True
            if pod.process and pod.process.poll() is None:
                pod.process.kill()
                pod.process.wait()
            pod.remove()
        self.network.close()
