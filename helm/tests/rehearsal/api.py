"""As much of the Kubernetes API as Helm needs: discovery, objects by name and label, server-side apply, watches.

Objects are kept as they were applied. It knows no admission, no defaults and no conversion; check.py validates against real schemas.
"""

import copy
import json
import threading
import uuid
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlparse

import yaml

import protobuf

# group/version -> (plural, kind, is it in a namespace)
KINDS = {
    "v1": [
        ("namespaces", "Namespace", False), ("secrets", "Secret", True), ("configmaps", "ConfigMap", True), ("services", "Service", True),
        ("pods", "Pod", True), ("serviceaccounts", "ServiceAccount", True), ("persistentvolumeclaims", "PersistentVolumeClaim", True),
    ],
    "apps/v1": [("statefulsets", "StatefulSet", True)],
    "batch/v1": [("jobs", "Job", True)],
    "policy/v1": [("poddisruptionbudgets", "PodDisruptionBudget", True)],
    "networking.k8s.io/v1": [("networkpolicies", "NetworkPolicy", True), ("ingresses", "Ingress", True)],
}
PLURALS = {plural: (version, kind) for version, kinds in KINDS.items() for plural, kind, _ in kinds}
WATCH_SECONDS = 30


class Store:
    """All objects, by (plural, namespace, name), with everything that happened to them."""

    def __init__(self):
        self.objects, self.events, self.changed = {}, [], threading.Condition()

    def _note(self, kind, plural, found):
        self.events.append((len(self.events) + 1, kind, plural, copy.deepcopy(found)))
        self.changed.notify_all()

    def put(self, plural, namespace, name, new):
        with self.changed:
            old = self.objects.get((plural, namespace, name))
            new = copy.deepcopy(new)
            version, kind = PLURALS[plural]
            new.setdefault("apiVersion", version)
            new.setdefault("kind", kind)
            meta = new.setdefault("metadata", {})
            meta["name"] = name
            if namespace:
                meta["namespace"] = namespace
            meta["uid"] = old["metadata"]["uid"] if old else str(uuid.uuid4())
            meta["creationTimestamp"] = "2026-01-01T00:00:00Z"
            meta["resourceVersion"] = str(len(self.events) + 1)
            spec_changed = not old or old.get("spec") != new.get("spec")
            meta["generation"] = (old["metadata"].get("generation", 0) if old else 0) + int(spec_changed)
            if "stringData" in new or plural == "secrets":
                new.setdefault("data", {})
            if old and "status" in old and "status" not in new:
                new["status"] = old["status"]
            self.objects[plural, namespace, name] = new
            self._note("MODIFIED" if old else "ADDED", plural, new)
            return copy.deepcopy(new)

    def status(self, plural, namespace, name, status):
        with self.changed:
            found = self.objects.get((plural, namespace, name))
            if found and found.get("status") != status:
                found["status"] = status
                found["metadata"]["resourceVersion"] = str(len(self.events) + 1)
                self._note("MODIFIED", plural, found)

    def get(self, plural, namespace, name):
        with self.changed:
            return copy.deepcopy(self.objects.get((plural, namespace, name)))

    def remove(self, plural, namespace, name):
        with self.changed:
            found = self.objects.pop((plural, namespace, name), None)
            if found:
                self._note("DELETED", plural, found)
            return found

    def list(self, plural, namespace=None, chosen=lambda found: True):
        with self.changed:
            return [copy.deepcopy(found) for (kind, at, _), found in sorted(self.objects.items())
                    if kind == plural and namespace in (None, at) and chosen(found)]


def chooser(query):
    """What labelSelector and fieldSelector leave."""
    terms = [term for term in query.get("labelSelector", [""])[0].split(",") if term]
    fields = [term for term in query.get("fieldSelector", [""])[0].split(",") if term]

    def chosen(found):
        labels = found["metadata"].get("labels", {})
        for term in terms:
            key, _, value = term.partition("=")
            if key.endswith("!"):
                if labels.get(key[:-1]) == value:
                    return False
            elif "=" not in term:
                if key not in labels:
                    return False
            elif labels.get(key) != value.lstrip("="):
                return False
        wanted = {term.partition("=")[0]: term.partition("=")[2].lstrip("=") for term in fields}
        return wanted.get("metadata.name", found["metadata"]["name"]) == found["metadata"]["name"]

    return chosen


def merged(old, patch):
    """RFC 7386."""
    if not isinstance(patch, dict):
        return patch
    new = dict(old) if isinstance(old, dict) else {}
    for key, value in patch.items():
        if value is None:
            new.pop(key, None)
        else:
            new[key] = merged(new.get(key), value)
    return new


def openapi(version, where):
    """No schemas: only that this server checks fields itself, so that Helm does not."""
    group, _, name = version.rpartition("/")
    asked = [{"name": word, "in": "query", "schema": {"type": "string"}} for word in ("fieldValidation", "dryRun")]
    patch = lambda kind: {"patch": {
        "x-kubernetes-group-version-kind": {"group": group, "version": name, "kind": kind}, "parameters": asked, "responses": {}}}
    paths = {f"/{where}/namespaces/{{namespace}}/{plural}/{{name}}": patch(kind) for plural, kind, _ in KINDS[version]}
    return {"openapi": "3.0.0", "info": {"title": "Kubernetes", "version": "v1.35.0"}, "paths": paths}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store = None

    def log_message(self, *_):
        pass

    def answer(self, value, code=200):
        body = json.dumps(value).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def fail(self, code, reason):
        self.answer({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "code": code, "message": reason}, code)

    def discovery(self, path):
        groups = sorted({version.partition("/")[0] for version in KINDS if "/" in version})
        if path == "/version":
            return {"major": "1", "minor": "35", "gitVersion": "v1.35.0", "platform": "linux/amd64"}
        if path == "/api":
            return {"kind": "APIVersions", "versions": ["v1"]}
        if path == "/apis":
            of = lambda group: [{"groupVersion": f"{group}/v1", "version": "v1"}]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [
                {"name": group, "versions": of(group), "preferredVersion": of(group)[0]} for group in groups]}
        where = lambda version: f"apis/{version}" if "/" in version else f"api/{version}"
        if path == "/openapi/v3":
            return {"paths": {where(version): {"serverRelativeURL": f"/openapi/v3/{where(version)}"} for version in KINDS}}
        if path.startswith("/openapi/v3/"):
            version = path.removeprefix("/openapi/v3/").removeprefix("apis/").removeprefix("api/")
            return openapi(version, where(version)) if version in KINDS else None
        version = path.removeprefix("/apis/").removeprefix("/api/")
        if version not in KINDS:
            return None
        verbs = ["create", "delete", "get", "list", "patch", "update", "watch"]
        return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": version, "resources": [
            {"name": plural, "singularName": kind.lower(), "kind": kind, "namespaced": inside, "verbs": verbs}
            for plural, kind, inside in KINDS[version]]}

    def target(self):
        """(plural, namespace, name, query) of the request's path."""
        url = urlparse(self.path)
        parts = url.path.strip("/").split("/")
        parts = parts[2:] if parts[0] == "api" else parts[3:]
        namespace = None
        if parts[:1] == ["namespaces"] and len(parts) > 2:
            namespace, parts = parts[1], parts[2:]
        name = parts[1] if len(parts) > 1 else None
        return (parts[0] if parts else ""), namespace, name, parse_qs(url.query)

    def body(self):
        text = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if text.startswith(protobuf.MAGIC):
            return protobuf.secret(text) if self.command in ("POST", "PUT") else {}
        return yaml.safe_load(text) if text else {}

    def do_GET(self):
        found = self.discovery(urlparse(self.path).path)
        if found:
            return self.answer(found)
        plural, namespace, name, query = self.target()
        if plural not in PLURALS:
            return self.fail(404, "NotFound")
        if name:
            if plural == "namespaces":
                return self.answer({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
            found = self.store.get(plural, namespace, name)
            return self.answer(found) if found else self.fail(404, "NotFound")
        if query.get("watch", ["false"])[0] in ("true", "1"):
            return self.watch(plural, namespace, query)
        items = self.store.list(plural, namespace, chooser(query))
        version, kind = PLURALS[plural]
        meta = {"resourceVersion": str(len(self.store.events))}
        return self.answer({"apiVersion": version, "kind": f"{kind}List", "metadata": meta, "items": items})

    def watch(self, plural, namespace, query):
        chosen, at = chooser(query), int(query.get("resourceVersion", ["0"])[0] or 0)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()

        def send(event):
            line = (json.dumps(event) + "\n").encode()
            self.wfile.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
            self.wfile.flush()

        try:
            if query.get("sendInitialEvents", ["false"])[0] == "true":
                for found in self.store.list(plural, namespace, chosen):
                    send({"type": "ADDED", "object": found})
                at = len(self.store.events)
                version, kind = PLURALS[plural]
                mark = {"resourceVersion": str(at), "annotations": {"k8s.io/initial-events-end": "true"}}
                send({"type": "BOOKMARK", "object": {"apiVersion": version, "kind": kind, "metadata": mark}})
            while True:
                with self.store.changed:
                    if not self.store.changed.wait_for(lambda: len(self.store.events) > at, WATCH_SECONDS):
                        break
                    news, at = self.store.events[at:], len(self.store.events)
                for _, kind, of, found in news:
                    if of == plural and namespace in (None, found["metadata"].get("namespace")) and chosen(found):
                        send({"type": kind, "object": found})
            self.wfile.write(b"0\r\n\r\n")
        except OSError:
            self.close_connection = True

    def do_POST(self):
        plural, namespace, _, query = self.target()
        new = self.body()
        if plural not in PLURALS:
            return self.fail(404, "NotFound")
        name = new["metadata"]["name"]
        if self.store.get(plural, namespace, name):
            return self.fail(409, "AlreadyExists")
        if "dryRun" in query:
            return self.answer(new, 201)
        self.answer(self.store.put(plural, namespace, name, new), 201)

    def do_PUT(self):
        plural, namespace, name, query = self.target()
        new = self.body()
        self.answer(new if "dryRun" in query else self.store.put(plural, namespace, name, new))

    def do_PATCH(self):
        plural, namespace, name, query = self.target()
        patch, old = self.body(), self.store.get(plural, namespace, name)
        applies = "apply-patch" in self.headers.get("Content-Type", "")
        if old is None and not applies:
            return self.fail(404, "NotFound")
        # One manager owns everything: what it applies is the object.
        new = patch if applies else merged(old, patch)
        if old and applies and plural == "statefulsets" and immutable(old) != immutable(new):
            return self.fail(422, "Invalid: updates to statefulset spec for fields other than replicas and template are forbidden")
        if "dryRun" in query:
            return self.answer(new)
        self.answer(self.store.put(plural, namespace, name, new), 200 if old else 201)

    def do_DELETE(self):
        self.body()
        plural, namespace, name, _ = self.target()
        found = self.store.remove(plural, namespace, name)
        self.answer(found) if found else self.fail(404, "NotFound")


def immutable(found):
    changeable = ("replicas", "template", "updateStrategy", "minReadySeconds", "persistentVolumeClaimRetentionPolicy", "ordinals")
    return {key: value for key, value in found["spec"].items() if key not in changeable}


def serve(store):
    """Starts it on loopback; returns its address and a way to stop it."""
    handler = type("Bound", (Handler,), {"store": store})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_address[1]}", server.shutdown
