#!/usr/bin/env python3
"""Breaks a copy of the chart, one rule at a time, and expects check.py to notice.

usage: mutants.py HELM
"""

import shutil
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import check

# File, what stands there, what instead, values, a word of the complaint.
MUTANTS = [
    ("templates/_pod.tpl", "defaultMode: 0400", "defaultMode: 0444", "01-default", "not of mode 0400"),
    ("templates/_pod.tpl", "automountServiceAccountToken: false", "automountServiceAccountToken: true", "01-default", "token"),
    ("templates/_pod.tpl", "enableServiceLinks: false", "enableServiceLinks: true", "01-default", "FLOTILLA_PORT"),
    ("templates/_config.tpl", '"requirepass-file"', '"requirepass"', "01-default", "no password"),
    ("templates/_config.tpl", '"requirepass-file" "/etc/flotilla/auth/password"', '"requirepass" .Values.auth.password', "07-given-password", "secret's value"),
    ("templates/_config.tpl", "$spare 35", "$spare 55", "24-large-memory", "MiB of"),
    ("templates/secrets.yaml", "randAlphaNum 32", "randAlphaNum 4", "01-default", "weak"),
    ("templates/statefulset.yaml", "fieldRef: {fieldPath: metadata.name}", "secretKeyRef: {name: a, key: b}", "01-default", "in the environment"),
    ("templates/statefulset.yaml", "podManagementPolicy:", "podManagmentPolicy:", "01-default", "podManagmentPolicy"),
    ("templates/statefulset.yaml", "mountPath: /etc/flotilla/peer,", "mountPath: /etc/flotilla/peer, subPath: x,", "01-default", "subPath"),
    ("templates/_helpers.tpl", "-headless{{-", "-other{{-", "01-default", "service is not there"),
    ("templates/_helpers.tpl", ".n{{- else", ".{{- else", "05-edge-of-three", "no node"),
    ("templates/_helpers.tpl", "default (add $needed 10) $said", "sub $needed 1", "17-configuration", "before it has stopped"),
    ("templates/networkpolicy.yaml", "policyTypes: [Ingress, Egress]", "policyTypes: [Ingress]", "01-default", "reaches the web"),
    ("templates/networkpolicy.yaml", "- podSelector: {}\n", "- namespaceSelector: {}\n", "01-default", "another namespace"),
    ("templates/networkpolicy.yaml", "(or .Values.feed.enabled $v.edges)", "true", "01-default", "peer port"),
    ("templates/services.yaml", "targetPort: peer", "targetPort: pear", "01-default", "no port pear"),
    ("templates/poddisruptionbudget.yaml", "component: {{ .Values.mode }}", "component: other", "01-default", "selects no pods"),
    ("templates/tls.yaml", "flotilla.ownIssuer", "flotilla.name", "14-tls-cert-manager", ""),
    ("templates/restore.yaml", "hook-delete-policy: hook-failed", "hook-delete-policy: before-hook-creation", "27-restore", "would delete a claim"),
    ("templates/restore.yaml", 'helm.sh/hook" "pre-install"', 'helm.sh/hook" "pre-install,pre-upgrade"', "27-restore", "other times"),
    ("templates/restore.yaml", "--if-empty", "--to-backup", "27-restore", "not told --if-empty"),
    ("templates/restore.yaml", '"-5"', '"-50"', "27-restore", "before its volume"),
    ("templates/restore.yaml", "claimName: data-{{ $pod }}", "claimName: data", "27-restore", "another volume"),
    ("templates/statefulset.yaml", 'ternary "HTTPS" "HTTP"', 'ternary "HTTP" "HTTP"', "28-http-tls", "does not speak"),
    ("templates/monitoring.yaml", "scheme: https", "scheme: http", "28-http-tls", "Prometheus does not speak"),
    ("values.yaml", "runAsUser: 10001", "runAsUser: 1000", "01-default", "the host may have"),
    ("values.yaml", "capabilities: {drop: [ALL]}", "capabilities: {}", "01-default", "capabilities"),
    ("values.yaml", "readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false", "01-default", "can be written"),
    ("alerts.yaml", "flotilla_ready{SELECTOR}", "flotilla_readi{SELECTOR}", "03-production", "no metric flotilla_readi"),
    ("alerts.yaml", "== 0 or absent", "== 0 orr absent", "03-production", "has_leader"),
]


def escaped(helm, mutant):
    name, old, new, values, word = mutant
    with tempfile.TemporaryDirectory() as home:
        chart = Path(home) / "flotilla"
        shutil.copytree(check.CHART, chart)
        text = (chart / name).read_text()
        if old not in text:
            return f"{name}: '{old}' is not there any more"
        (chart / name).write_text(text.replace(old, new))
        found = check.check(helm, check.HERE / f"values/{values}.yaml", chart)
        return None if any(word in text for text in found) else f"{name}: '{new}' was not noticed: {found}"


def main():
    with ThreadPoolExecutor(2) as pool:
        found = [text for text in pool.map(lambda mutant: escaped(sys.argv[1], mutant), MUTANTS) if text]
    for text in found:
        print(text, file=sys.stderr)
    print(f"{len(MUTANTS)} ways to break the chart, {len(found)} of them not noticed")
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
