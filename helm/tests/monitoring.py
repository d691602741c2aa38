"""Alerts and dashboards speak of metrics that the server has, and of sections that the documentation has."""

import json
import re
from pathlib import Path

import promql_parser
import yaml

ROOT = Path(__file__).resolve().parent.parent.parent
CHART = ROOT / "helm/flotilla"
# Of Prometheus itself.
OTHERS = {"up"}


def metrics():
    """Names as they are exposed: the tables of src/ops/metrics, counters with their suffix; and those of histograms."""
    text = "".join(path.read_text() for path in sorted((ROOT / "src/ops/metrics").glob("*.rs")))
    counters = re.findall(r'counter\(\s*"([a-z_]+)"', text)
    gauges = re.findall(r'gauges?\(\s*"([a-z_]+)"', text)
    histograms = re.findall(r'histograms\(\s*"([a-z_]+)"', text)
    assert len(counters) > 20 and len(gauges) > 40 and histograms, "the tables of metrics have another form"
    buckets = {f"{name}_bucket" for name in histograms}
    sums = {f"{name}_{part}" for name in histograms for part in ("sum", "count")}
    return {f"{name}_total" for name in counters} | set(gauges) | buckets, sums


SHOWN, SUMS = metrics()
KNOWN = SHOWN | SUMS | OTHERS


def unknown(expression, more=()):
    """Errors of a PromQL expression."""
    try:
        tree = promql_parser.parse(expression)
    except ValueError as error:
        return [f"{expression}: {error}"]
    names = re.findall(r"\b((?:flotilla|process|up)\w*(?::\w+)*)\s*(?=[\[{)\s]|$)", str(tree.prettify()))
    names = {name for name in names if not name.endswith("_x")}
    return [f"{expression}: there is no metric {name}" for name in sorted(names - KNOWN - set(more))]


def complaints(rendered):
    found = []
    for rule in (rule for rule in rendered if rule["kind"] == "PrometheusRule"):
        for group in rule["spec"]["groups"]:
            for one in group["rules"]:
                found += unknown(one["expr"])
                if "flotilla" in one.get("alert", "").lower():
                    names = {"SELECTOR", "MAJORITY", "LIMIT", "LAG"} & set(re.findall(r"[A-Z]+", one["expr"]))
                    found += [f"{one['alert']}: {names} were not replaced"] if names else []
    return found


def pages_and_dashboards():
    found = []
    page = (ROOT / "src/docs/alerts.md").read_text()
    headings = re.findall(r"^## (\w+)$", page, re.M)
    alerts = [alert["alert"] for alert in yaml.safe_load((CHART / "alerts.yaml").read_text())]
    found += [f"src/docs/alerts.md: no section {name}" for name in alerts if name not in headings]
    found += [f"src/docs/alerts.md: there is no alert {name}" for name in headings if name not in alerts]
    recorded = re.findall(r"record: (\S+)", (CHART / "templates/prometheusrule.yaml").read_text())
    shown = set()
    for path in sorted(CHART.glob("dashboards/*.json")):
        board = json.loads(path.read_text())
        for panel in board["panels"]:
            for target in panel.get("targets", []):
                expression = target["expr"].replace("$__rate_interval", "5m").replace('=~"$', '=~"x').replace('="$', '="x')
                found += [f"{path.name}: {text}" for text in unknown(expression, recorded)]
                shown |= {name for name in KNOWN if re.search(rf"\b{name}\b", expression)}
    found += [f"no dashboard shows {name}" for name in sorted(SHOWN - shown - HIDDEN)]
    return found


# Positions and sums that only comparisons use.
HIDDEN = {
    "flotilla_compared_index", "flotilla_verified_index", "flotilla_raft_purged_index", "flotilla_core_index",
    "flotilla_raft_last_index",
}
