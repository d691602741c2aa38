"""The Pod Security Standard *restricted*, and what the chart promises beyond it."""

# Containers that values add are the business of who adds them.
GIVEN = {"first", "beside"}
VOLUMES = {"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected", "secret"}
USER_MIN = 10000


def complaints(name, spec):
    pod = spec.get("securityContext", {})
    rules = {
        "a namespace of the host": not any(spec.get(key) for key in ("hostNetwork", "hostPID", "hostIPC")),
        "a volume of a kind that is not allowed": all(VOLUMES & set(volume) for volume in spec.get("volumes", [])),
        "may run as root": pod.get("runAsNonRoot") is True,
        "no seccomp profile": pod.get("seccompProfile", {}).get("type") in ("RuntimeDefault", "Localhost"),
        "a user that the host may have": pod.get("runAsUser", 0) >= USER_MIN and pod.get("runAsGroup", 0) >= USER_MIN,
        "volumes of nobody's group": pod.get("fsGroup", 0) >= USER_MIN,
        "sysctls": not pod.get("sysctls"),
        "a service account's token": spec.get("automountServiceAccountToken") is False,
    }
    for container in spec["containers"] + spec.get("initContainers", []):
        if container["name"] in GIVEN:
            continue
        own = container.get("securityContext", {})
        capabilities = own.get("capabilities", {})
        rules |= {
            "privileged": not own.get("privileged"),
            "may get more privileges": own.get("allowPrivilegeEscalation") is False,
            "capabilities": capabilities.get("drop") == ["ALL"] and not capabilities.get("add"),
            "the user root": own.get("runAsUser", USER_MIN) >= USER_MIN,
            "a root file system that can be written": own.get("readOnlyRootFilesystem") is True,
            "a port of the host": not any(port.get("hostPort") for port in container.get("ports", [])),
            "no memory request": "memory" in container.get("resources", {}).get("requests", {"memory": 0})
            or "limits" in container.get("resources", {}),
        }
    return [f"{name}: {text}" for text, holds in rules.items() if not holds]
