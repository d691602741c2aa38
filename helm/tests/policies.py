"""Who reaches whom by the NetworkPolicies, as a cluster would decide."""

import ipaddress


def selects(selector, labels):
    return selector.get("matchLabels", {}).items() <= labels.items() and not selector.get("matchExpressions")


def matches(peer, own_namespace, other):
    """Whether a `from` or `to` entry is this one: a dict with labels and namespace, or an address."""
    if "ipBlock" in peer:
        return "address" in other and ipaddress.ip_address(other["address"]) in ipaddress.ip_network(peer["ipBlock"]["cidr"])
    if "address" in other:
        return False
    if "namespaceSelector" in peer:
        if not selects(peer["namespaceSelector"], {"kubernetes.io/metadata.name": other["namespace"]}):
            return False
    elif other["namespace"] != own_namespace:
        return False
    return selects(peer.get("podSelector", {}), other["labels"])


def allowed(policies, direction, pod, other, port, namespace, names):
    """Whether the pod may be reached by (Ingress) or may reach (Egress) the other one at a port."""
    concerned = [p["spec"] for p in policies if selects(p["spec"]["podSelector"], pod["labels"]) and direction in p["spec"]["policyTypes"]]
    if not concerned or pod["namespace"] != namespace:
        return True
    way, peers = ("ingress", "from") if direction == "Ingress" else ("egress", "to")
    for rule in (rule for spec in concerned for rule in spec.get(way) or []):
        ports = [names.get(entry["port"], entry["port"]) for entry in rule.get("ports", [])]
        if "ports" in rule and port not in ports:
            continue
        if peers not in rule or any(matches(peer, namespace, other) for peer in rule[peers]):
            return True
    return False


def complaints(values, rendered, namespace):
    policies = [found for found in rendered if found["kind"] == "NetworkPolicy"]
    if not values.get("networkPolicy", {}).get("enabled", True):
        return ["a policy although there should be none"] if policies else []
    (pod_set,) = [found for found in rendered if found["kind"] == "StatefulSet"]
    template = pod_set["spec"]["template"]
    (server,) = [c for c in template["spec"]["containers"] if c["name"] == "flotilla"]
    names = {port["name"]: port["containerPort"] for port in server["ports"]}
    own = lambda **more: {"namespace": namespace, "labels": {**template["metadata"]["labels"], **more}}
    node, job = own(), own(**{"app.kubernetes.io/component": "job"})
    client = {"namespace": namespace, "labels": {"app": "shop"}}
    stranger = {"namespace": "elsewhere", "labels": {"app": "shop"}}
    prometheus = {"namespace": "monitoring", "labels": {"app.kubernetes.io/name": "prometheus"}}
    edge, outside = {"address": "198.51.100.7"}, {"address": "203.0.113.5"}
    given = values.get("networkPolicy", {})
    clients = 6379 if "redis" in names else 6380
    is_edge = values.get("mode") == "edge"
    has_feed = bool(values.get("feed", {}).get("enabled")) and not is_edge
    passes = lambda a, b, port: (allowed(policies, "Egress", a, b, port, namespace, names) if "labels" in a else True) and allowed(
        policies, "Ingress", b, a, port, namespace, names)
    reach = lambda a, b, port: allowed(policies, "Egress", a, b, port, namespace, names)
    wanted = {
        "a client reaches the port for clients": (passes(client, node, clients), not given.get("clients")),
        "a client of another namespace": (passes(stranger, node, clients), False),
        "a client named by values": (passes({**stranger, "namespace": "shop"}, node, clients), bool(given.get("clients"))),
        "a client reaches the peer port": (passes(client, node, 7379), has_feed and not given.get("edges")),
        "a client reaches metrics": (passes(client, node, 8379), False),
        "a node reaches a node": (passes(node, node, 7379), True),
        "a node reaches clients' port": (reach(node, node, clients), False),
        "a job reaches clients' port": (passes(job, node, clients), True),
        "a job reaches the peer port": (passes(job, node, 7379), has_feed and False),
        "a job is reached": (passes(client, job, clients), False),
        "Prometheus reaches metrics": (passes(prometheus, node, 8379), True),
        "Prometheus reaches the peer port": (passes(prometheus, node, 7379), has_feed and not given.get("edges")),
        "an edge reaches the feed": (passes(edge, node, 7379), has_feed),
        "another address reaches the feed": (passes(outside, node, 7379), has_feed and not given.get("edges")),
        "an edge reaches its core": (reach(node, outside, 7379), is_edge),
        "a node reaches the web": (reach(node, outside, 443), False),
        "a node reaches DNS": (reach(node, {"namespace": "kube-system", "labels": {}}, 53), True),
    }
    return [f"{text}: {is_so}" for text, (is_so, should) in wanted.items() if is_so != should]
