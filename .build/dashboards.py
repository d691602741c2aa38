#!/usr/bin/env python3
"""Writes helm/flotilla/dashboards/*.json, Grafana's dashboards, from the tables below; with --check it only compares."""

import json
import sys
from pathlib import Path

PLACE = Path(__file__).resolve().parent.parent / "helm/flotilla/dashboards"
# A release's nodes, and one of them.
ALL = 'namespace="$namespace",service="$service"'
NODE = ALL + ',pod=~"$pod"'


def rate(name, by="pod"):
    return f"sum by ({by}) (rate({name}_total{{{NODE}}}[$__rate_interval]))"


def each(name):
    return f"{name}{{{NODE}}}"


def quantile(share, name, by, where=""):
    """A percentile of a histogram over the chosen pods."""
    matchers = NODE + ("," + where if where else "")
    return f"histogram_quantile({share}, sum by (le, {by}) (rate({name}_bucket{{{matchers}}}[$__rate_interval])))"


# Title, unit, queries as (legend, expression); a stat shows one number.
BOARDS = {
    "overview": ("Flotilla: overview", [
        ("Nodes ready", "stat", [("", f"sum(flotilla_ready{{{ALL}}})")]),
        ("Leader known", "stat", [("", f"max(flotilla_raft_has_leader{{{ALL}}})")]),
        ("Keys", "stat", [("", f"max(flotilla_keys{{{ALL}}})")]),
        ("Data at rest", "stat:bytes", [("", f"max(flotilla_dataset_bytes{{{ALL}}})")]),
        ("Feature level", "stat", [("", f"min(flotilla_feature_level{{{ALL}}})")]),
        ("Edges fed", "stat", [("", f"sum(flotilla_edges{{{ALL}}})")]),
        ("Commands", "ops", [("{{pod}}", rate("flotilla_commands_processed"))]),
        ("Error replies, refused writes", "ops", [
            ("errors {{pod}}", rate("flotilla_error_replies")), ("refused {{pod}}", rate("flotilla_proposals_refused"))]),
        ("Latency of commands: p99 by class", "s", [
            ("{{class}}", quantile(0.99, "flotilla_command_duration_seconds", "class", 'class!="blocking"'))]),
        ("Latency of commands: p50 by class", "s", [
            ("{{class}}", quantile(0.5, "flotilla_command_duration_seconds", "class", 'class!="blocking"'))]),
        ("Stages of a write: p99", "s", [
            ("{{stage}}", quantile(0.99, "flotilla_stage_duration_seconds", "stage", 'stage=~"commit|log_sync|apply"'))]),
        ("Hit ratios", "percentunit", [
            ("keys", "flotilla:keyspace_hit_ratio:rate5m{" + ALL + "}"), ("hot cache", "flotilla:hot_cache_hit_ratio:rate5m{" + ALL + "}")]),
        ("Look-ups", "ops", [("hits", rate("flotilla_keyspace_hits", "service")), ("misses", rate("flotilla_keyspace_misses", "service"))]),
        ("Who leads", "none", [("{{pod}}", each("flotilla_raft_is_leader"))]),
        ("Committed, not applied", "none", [
            ("{{pod}}", f"scalar(max(flotilla_raft_committed_index{{{ALL}}})) - flotilla_raft_applied_index{{{NODE}}}")]),
        ("States compared: must be 0", "none", [
            ("differs {{pod}}", each("flotilla_compared_differs")), ("divergent {{pod}}", each("flotilla_divergent_nodes"))]),
        ("Expired and evicted keys", "ops", [
            ("expired", rate("flotilla_expired_keys", "service")), ("fields", rate("flotilla_expired_fields", "service")),
            ("evicted", rate("flotilla_evicted_keys", "service"))]),
    ]),
    "node": ("Flotilla: node", [
        ("Up since", "s", [("{{pod}}", each("flotilla_uptime_seconds"))]),
        ("Processor", "none", [("{{pod}}", rate("process_cpu_seconds"))]),
        ("Memory, and its limit", "bytes", [
            ("{{pod}}", each("process_resident_memory_bytes")), ("limit {{pod}}", each("flotilla_memory_limit_bytes"))]),
        ("Memory by owner", "bytes", [("{{owner}}", f"sum by (owner) (flotilla_memory_bytes{{{NODE}}})")]),
        ("Builds", "none", [("{{pod}} {{version}} {{role}}", each("flotilla_build_info"))]),
        ("Certificates: time left", "s", [
            ("{{port}} {{pod}}", f"(flotilla_certificate_expiry_timestamp_seconds{{{NODE}}} > 0) - time()")]),
        ("Stages: p99", "s", [("{{stage}} {{pod}}", quantile(0.99, "flotilla_stage_duration_seconds", "stage, pod"))]),
        ("Writes that wait for the log", "bytes", [("{{pod}}", each("flotilla_proposals_queued_bytes"))]),
        ("Open files", "none", [("{{pod}}", each("process_open_fds"))]),
        ("Term", "none", [("{{pod}}", each("flotilla_raft_term"))]),
        ("Log time ahead of the clock", "s", [("{{pod}}", each("flotilla_log_time_ahead_seconds"))]),
        ("Scripts: share of a core", "percentunit", [("{{pod}}", rate("flotilla_script_seconds"))]),
        ("Scripts: runs, ended by limits", "ops", [
            ("runs {{pod}}", rate("flotilla_script_runs")), ("limited {{pod}}", rate("flotilla_scripts_limited"))]),
        ("Scripts: instructions", "ops", [("{{pod}}", rate("flotilla_script_instructions"))]),
        ("Scripts that run for long", "none", [
            ("count {{pod}}", each("flotilla_long_scripts")), ("longest, s {{pod}}", each("flotilla_longest_script_seconds"))]),
        ("Scripts and functions kept", "none", [
            ("scripts {{pod}}", each("flotilla_scripts")), ("functions {{pod}}", each("flotilla_functions")),
            ("libraries {{pod}}", each("flotilla_function_libraries")), ("evicted {{pod}}", rate("flotilla_scripts_evicted"))]),
        ("Their bytes", "bytes", [
            ("scripts {{pod}}", each("flotilla_scripts_bytes")), ("libraries {{pod}}", each("flotilla_function_libraries_bytes"))]),
    ]),
    "edges": ("Flotilla: edges", [
        ("As the core sees them: seconds behind", "s", [("{{site}} {{name}}", f"max by (site, name) (flotilla_fed_edge_lag_seconds{{{ALL}}})")]),
        ("As the core sees them: entries behind", "none", [("{{site}} {{name}}", f"max by (site, name) (flotilla_fed_edge_lag_entries{{{ALL}}})")]),
        ("Sent to edges", "Bps", [("{{site}} {{name}}", f"sum by (site, name) (rate(flotilla_fed_edge_sent_bytes{{{ALL}}}[$__rate_interval]))")]),
        ("At the edge: seconds behind", "s", [("{{pod}}", each("flotilla_edge_lag_seconds"))]),
        ("At the edge: entries behind", "none", [("{{pod}}", each("flotilla_edge_lag_entries"))]),
        ("At the edge: bytes behind", "bytes", [("{{pod}}", each("flotilla_edge_lag_bytes"))]),
        ("Follows the core", "none", [("{{pod}}", each("flotilla_edge_is_following"))]),
        ("Received", "Bps", [("{{pod}}", rate("flotilla_edge_received_bytes"))]),
        ("Bootstrap snapshot", "bytes", [
            ("here {{pod}}", each("flotilla_edge_bootstrap_received_bytes")), ("of {{pod}}", each("flotilla_edge_bootstrap_size_bytes"))]),
        ("Bootstraps; contradictions must be 0", "none", [
            ("bootstraps {{pod}}", f"flotilla_edge_bootstraps_total{{{NODE}}}"),
            ("contradictions {{pod}}", f"flotilla_edge_contradictions_total{{{NODE}}}")]),
        ("Redis servers that follow (PSYNC)", "none", [
            ("{{pod}}", each("flotilla_psync_replicas")), ("copies {{pod}}", f"flotilla_psync_copies_total{{{NODE}}}"),
            ("too slow {{pod}}", f"flotilla_psync_slow_disconnections_total{{{NODE}}}"),
            ("begun anew {{pod}}", f"flotilla_psync_restarts_total{{{NODE}}}")]),
        ("They are behind", "bytes", [
            ("{{pod}}", each("flotilla_psync_lag_bytes")), ("kept {{pod}}", each("flotilla_psync_kept_bytes"))]),
        ("Their stream", "Bps", [("{{pod}}", rate("flotilla_psync_sent_bytes"))]),
    ]),
    "moving": ("Flotilla: moving in", [
        ("Phase", "none", [("{{phase}}", f"max by (phase) (flotilla_source_phase{{{ALL}}}) > 0")]),
        ("Interrupted: must be 0", "none", [("", f"max(flotilla_source_has_error{{{ALL}}})")]),
        ("Behind: bytes", "bytes", [("", f"max(flotilla_source_lag_bytes{{{ALL}}})")]),
        ("Behind: seconds", "s", [("", f"max(flotilla_source_lag_seconds{{{ALL}}})")]),
        ("Snapshot: keys", "none", [
            ("here", f"max(flotilla_source_loaded_keys{{{ALL}}})"), ("expected", f"max(flotilla_source_expected_keys{{{ALL}}}) > 0")]),
        ("Snapshot: bytes", "bytes", [
            ("here", f"max(flotilla_source_loaded_bytes{{{ALL}}})"), ("expected", f"max(flotilla_source_expected_bytes{{{ALL}}}) > 0")]),
        ("Commands applied", "ops", [("", f"max(rate(flotilla_source_commands_total{{{ALL}}}[$__rate_interval]))")]),
        ("Synchronizations", "none", [
            ("full", f"max(flotilla_source_full_syncs_total{{{ALL}}})"), ("partial", f"max(flotilla_source_partial_syncs_total{{{ALL}}})")]),
    ]),
    "storage": ("Flotilla: storage", [
        ("Disk left", "bytes", [("{{pod}}", each("flotilla_disk_left_bytes")), ("low {{pod}}", each("flotilla_disk_low_bytes"))]),
        ("Disk used", "percentunit", [("{{pod}}", f"1 - flotilla_disk_left_bytes{{{NODE}}} / flotilla_disk_total_bytes{{{NODE}}}")]),
        ("Growth refused", "none", [("{{pod}}", each("flotilla_growth_refused"))]),
        ("Largest key", "bytes", [("{{pod}}", each("flotilla_largest_key_bytes"))]),
        ("Age of the last backup, and of what a restore reaches", "s", [
            ("backup {{pod}}", f"time() - (flotilla_backup_last_success_timestamp_seconds{{{NODE}}} > 0)"),
            ("archive {{pod}}", f"time() - (flotilla_archive_restorable_timestamp_seconds{{{NODE}}} > 0)")]),
        ("Backup under way", "none", [("{{pod}}", each("flotilla_backup_running"))]),
        ("Writes held up by the store", "ops", [
            ("slowed {{pod}}", rate("flotilla_store_write_delays")), ("stopped {{pod}}", rate("flotilla_store_write_stops"))]),
        ("Stopped now; errors in the background", "none", [
            ("stopped {{pod}}", each("flotilla_store_writes_stopped")), ("errors {{pod}}", rate("flotilla_store_background_errors"))]),
        ("Flushes and compactions", "none", [
            ("memtables waiting {{pod}}", each("flotilla_store_memtables_waiting")),
            ("flushes {{pod}}", each("flotilla_store_flushes_running")), ("compactions {{pod}}", each("flotilla_store_compactions_running"))]),
        ("To be compacted", "bytes", [("{{pod}}", each("flotilla_store_pending_compaction_bytes"))]),
        ("Files by level", "none", [("L{{level}} {{pod}}", each("flotilla_store_level_files"))]),
        ("Bytes by level", "bytes", [("L{{level}} {{pod}}", each("flotilla_store_level_bytes"))]),
        ("Caches: how full", "percentunit", [
            ("block cache {{pod}}", f"flotilla_block_cache_bytes{{{NODE}}} / flotilla_block_cache_limit_bytes{{{NODE}}}"),
            ("hot cache {{pod}}", f"flotilla_hot_cache_bytes{{{NODE}}} / flotilla_hot_cache_limit_bytes{{{NODE}}}")]),
        ("Reads from the disk: p99", "s", [
            ("{{pod}}", quantile(0.99, "flotilla_stage_duration_seconds", "pod", 'stage="disk_read"'))]),
        ("Backups taken and failed", "ops", [
            ("taken {{pod}}", rate("flotilla_backups")), ("failed {{pod}}", rate("flotilla_backups_failed"))]),
        ("Files of the store", "bytes", [("{{pod}}", each("flotilla_store_live_bytes"))]),
        ("Log on disk", "bytes", [("{{pod}}", each("flotilla_raft_log_bytes"))]),
        ("Data at rest and maxmemory", "bytes", [
            ("data {{pod}}", each("flotilla_dataset_bytes")), ("maxmemory {{pod}}", each("flotilla_maxmemory_bytes"))]),
        ("Memory of the store", "bytes", [
            ("block cache {{pod}}", each("flotilla_block_cache_bytes")), ("hot cache {{pod}}", each("flotilla_hot_cache_bytes")),
            ("memtables {{pod}}", each("flotilla_memtable_bytes"))]),
        ("Hot cache: records", "none", [("{{pod}}", each("flotilla_hot_cache_records"))]),
        ("Hot cache: hits, misses", "ops", [
            ("hits {{pod}}", rate("flotilla_hot_cache_hits")), ("misses {{pod}}", rate("flotilla_hot_cache_misses"))]),
        ("Reads that needed the disk", "ops", [("{{pod}}", rate("flotilla_blocking_reads"))]),
    ]),
    "clients": ("Flotilla: clients", [
        ("Connected, blocked, allowed", "none", [
            ("{{pod}}", each("flotilla_connected_clients")), ("blocked {{pod}}", each("flotilla_blocked_clients")),
            ("allowed {{pod}}", each("flotilla_maxclients"))]),
        ("Calls refused to users", "ops", [("{{pod}}", rate("flotilla_denied_commands"))]),
        ("Accepted, refused", "ops", [
            ("accepted {{pod}}", rate("flotilla_connections_received")), ("refused {{pod}}", rate("flotilla_connections_rejected"))]),
        ("Memory", "bytes", [("{{pod}}", each("flotilla_clients_memory_bytes"))]),
        ("Network", "Bps", [("in {{pod}}", rate("flotilla_net_input_bytes")), ("out {{pod}}", rate("flotilla_net_output_bytes"))]),
        ("Disconnected", "ops", [
            ("memory {{pod}}", rate("flotilla_evicted_clients")), ("did not read {{pod}}", rate("flotilla_output_limit_disconnections")),
            ("protocol {{pod}}", rate("flotilla_protocol_errors"))]),
        ("Wrong passwords", "ops", [("{{pod}}", rate("flotilla_auth_failures"))]),
        ("Client-side caching: clients, keys", "none", [
            ("clients {{pod}}", each("flotilla_tracking_clients")), ("keys {{pod}}", each("flotilla_tracking_keys"))]),
        ("Client-side caching: messages", "ops", [
            ("changed {{pod}}", rate("flotilla_tracking_invalidations")), ("forgotten {{pod}}", rate("flotilla_tracking_forgotten_keys"))]),
        ("Client-side caching: changes kept for clients that come back", "none", [("{{pod}}", each("flotilla_tracking_changed_keys"))]),
        ("Reads elsewhere that the leader was told of, for eviction", "ops", [("{{pod}}", rate("flotilla_reads_told"))]),
    ]),
}

SOURCE = {"type": "prometheus", "uid": "$datasource"}


def variable(name, query, many=False):
    return {
        "name": name, "type": "query", "datasource": SOURCE, "refresh": 2, "multi": many, "includeAll": many,
        "query": {"query": query, "refId": name}, "current": {"text": "All", "value": "$__all"} if many else {},
    }


def board(key, title, panels):
    rows, x, y = [], 0, 0
    for number, (name, unit, queries) in enumerate(panels):
        is_stat = unit.startswith("stat")
        width, height = (4, 4) if is_stat else (12, 8)
        if x + width > 24:
            x, y = 0, y + rows[-1]["gridPos"]["h"]
        if rows and rows[-1]["type"] == "stat" and not is_stat and x:
            x, y = 0, y + 4
        rows.append({
            "id": number + 1, "title": name, "type": "stat" if is_stat else "timeseries", "datasource": SOURCE,
            "gridPos": {"x": x, "y": y, "w": width, "h": height},
            "fieldConfig": {"defaults": {"unit": (unit.partition(":")[2] or "none") if is_stat else unit}, "overrides": []},
            "targets": [
                {"refId": chr(65 + at), "expr": expression, "legendFormat": legend, "datasource": SOURCE}
                for at, (legend, expression) in enumerate(queries)
            ],
        })
        x += width
    return {
        "uid": f"flotilla-{key}", "title": title, "tags": ["flotilla"], "schemaVersion": 39, "editable": True,
        "refresh": "30s", "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": [
            {"name": "datasource", "type": "datasource", "query": "prometheus"},
            variable("namespace", "label_values(flotilla_ready, namespace)"),
            variable("service", 'label_values(flotilla_ready{namespace="$namespace"}, service)'),
            variable("pod", f"label_values(flotilla_ready{{{ALL}}}, pod)", True),
        ]},
        "panels": rows,
    }


def main():
    PLACE.mkdir(exist_ok=True)
    wanted = {PLACE / f"{key}.json": json.dumps(board(key, *of), indent=1) + "\n" for key, of in BOARDS.items()}
    stale = [path.name for path, text in wanted.items() if not path.exists() or path.read_text() != text]
    stale += [path.name for path in PLACE.glob("*.json") if path not in wanted]
    if "--check" in sys.argv:
        sys.exit(f"{', '.join(stale)}: run .build/dashboards.py" if stale else 0)
    for path, text in wanted.items():
        path.write_text(text)


if __name__ == "__main__":
    main()
