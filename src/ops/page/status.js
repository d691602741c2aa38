"use strict";
// Draws what /status.json and /status/history.json say. All text that comes from there is set as text, never as markup.

const EVERY_MS = 1000, HISTORY_EVERY_MS = 10000, ANSWER_MAX_MS = 8000;
const $ = (id) => document.getElementById(id);

function number(value, digits = 0) {
  if (value === null || value === undefined) return "–";
  return value.toLocaleString("en", { maximumFractionDigits: value !== 0 && Math.abs(value) < 10 ? Math.max(digits, 1) : digits });
}
function short(value) {
  for (const [size, unit] of [[1e9, "G"], [1e6, "M"], [1e4, "k"]]) {
    if (Math.abs(value) >= size) return `${number(value / (unit === "k" ? 1e3 : size), 1)}${unit}`;
  }
  return number(value);
}
function bytes(value) {
  if (value === null || value === undefined) return "–";
  for (const unit of ["B", "KiB", "MiB", "GiB"]) {
    if (value < 1024) return `${number(value, value < 10 && unit !== "B" ? 1 : 0)} ${unit}`;
    value /= 1024;
  }
  return `${number(value, 1)} TiB`;
}
function micros(value) {
  if (value === null || value === undefined) return "–";
  if (value < 1000) return `${number(Math.round(value))} µs`;
  return value < 1e6 ? `${number(value / 1000, 1)} ms` : `${number(value / 1e6, 1)} s`;
}
function seconds(value) {
  if (value === null || value === undefined) return "–";
  if (value < 120) return `${Math.round(value)} s`;
  if (value < 7200) return `${Math.round(value / 60)} min`;
  return value < 172800 ? `${Math.round(value / 3600)} h` : `${Math.round(value / 86400)} days`;
}
const ago = (ms, now) => (ms ? `${seconds(Math.max(0, now - ms) / 1000)} ago` : "never");

function element(name, text, className) {
  const made = document.createElement(name);
  if (text !== undefined && text !== null) made.textContent = text;
  if (className) made.className = className;
  return made;
}

function pill(text, kind) {
  return element("span", text, `pill small ${kind || ""}`);
}

// columns: [{ head, cell(row), number, wide }]; the first names the row. Cells are text or elements.
function table(place, label, columns, rows, nothing) {
  const old = place.scrollLeft;
  if (rows.length === 0) {
    place.removeAttribute("tabindex");
    place.removeAttribute("role");
    place.removeAttribute("aria-label");
    return place.replaceChildren(element("p", nothing, "empty"));
  }
  // Wide tables scroll, with the keyboard as well.
  place.tabIndex = 0;
  place.setAttribute("role", "region");
  place.setAttribute("aria-label", `${label}: table`);
  const made = element("table", null, columns.length > 6 || columns.some((column) => column.wide) ? "stack" : ""), head = element("tr"), body = element("tbody");
  for (const column of columns) {
    const cell = element("th", column.head, column.number ? "number" : "");
    cell.scope = "col";
    head.append(cell);
  }
  for (const row of rows) {
    const line = element("tr");
    columns.forEach((column, at) => {
      const cell = element(at === 0 ? "th" : "td", null, column.number ? "number" : column.wide ? "wide" : "");
      if (at === 0) cell.scope = "row";
      else cell.dataset.label = column.head;
      cell.append(...[column.cell(row)].flat().filter((part) => part !== null && part !== undefined));
      line.append(cell);
    });
    body.append(line);
  }
  const top = element("thead");
  top.append(head);
  made.append(top, body);
  place.replaceChildren(made);
  place.scrollLeft = old;
}

const level = (share, warning, critical) => (share >= critical ? "critical" : share >= warning ? "warning" : "");

function roleOf(node, all) {
  if (node.id === all.leader_id) return "leader";
  if (node.report?.raft?.leadership === "removed") return "removed";
  return node.is_voter ? "follower" : all.nodes.length === 1 ? "alone" : "learner";
}

function stateOf(node) {
  if (node.why_silent?.includes("earlier build")) return [pill("unknown"), " ", element("span", node.why_silent, "quiet")];
  if (node.why_silent) return [pill("silent", "critical"), " ", element("span", node.why_silent, "quiet")];
  const report = node.report || {};
  if (report.unready) return [pill("not ready", "critical"), " ", element("span", report.unready, "quiet")];
  if (report.is_stopping) return pill("stopping", "warning");
  return pill("ready", "good");
}

function totals(all, reports) {
  const sum = (of) => reports.reduce((total, report) => total + (of(report) || 0), 0);
  const most = (of) => reports.reduce((top, report) => Math.max(top, of(report) || 0), 0);
  const worst = (name) => most((report) => report.latency?.find((one) => one.name === name)?.p99_us);
  const leader = all.nodes.find((node) => node.id === all.leader_id);
  const lag = most((report) => report.edge?.lag_ms), isEdge = reports.some((report) => report.edge);
  const shown = [
    [isEdge ? "Site's leader" : "Leader", leader ? leader.report?.name || leader.name || "this node" : "none"],
    ["Term", number(most((report) => report.raft?.term))],
    ["Commands", short(sum((report) => report.per_second?.commands)), "/s"],
    ["Errors", short(sum((report) => report.per_second?.errors)), "/s"],
    ["Read p99", micros(worst("read") || null)],
    ["Write p99", micros(worst("write") || null)],
    ["Keys", short(most((report) => report.keys))],
    ["Data at rest", bytes(most((report) => report.memory?.dataset_bytes))],
    ["Clients", short(sum((report) => report.clients?.connected))],
    isEdge ? ["Behind the core", lag < 1000 ? `${lag} ms` : seconds(lag / 1000)] : ["Edges", number(all.edges.length)],
  ];
  $("totals").replaceChildren(...shown.map(([name, value, unit]) => {
    const cell = element("div"), told = element("dd", value);
    if (unit) told.append(element("small", unit));
    cell.append(element("dt", name), told);
    return cell;
  }));
}

function findings(all) {
  const found = all.findings || [], pressing = found.filter((one) => one.severity !== "note");
  const worst = found.some((one) => one.severity === "critical") ? "critical" : pressing.length ? "warning" : "good";
  const verdict = $("verdict"), text = pressing.length === 0 ? "all is well" : pressing.length === 1 ? "1 problem" : `${pressing.length} problems`;
  // A live region speaks when it changes, so it is only touched then.
  if (verdict.textContent !== text) verdict.textContent = text;
  verdict.className = `pill ${worst}`;
  $("findings-section").hidden = found.length === 0;
  $("findings-title").textContent = pressing.length ? "What is wrong" : "Good to know";
  $("findings").replaceChildren(...found.map((one) => {
    const item = element("li", null, one.severity), first = element("p"), second = element("p", null, "quiet");
    first.append(pill(one.severity, one.severity === "note" ? "" : one.severity), " ", element("strong", one.at), `: ${one.what}. `,
      element("span", one.evidence, "quiet"));
    second.append(`To do: ${one.remedy}. See `, element("code", one.page), ".");
    item.append(first, second);
    return item;
  }));
}

function nodes(all) {
  const committed = Math.max(0, ...all.nodes.map((node) => node.report?.raft?.committed || 0));
  const p99 = (node, name) => node.report?.latency?.find((one) => one.name === name)?.p99_us;
  const of = (read) => (node) => (node.report ? read(node.report) : "–");
  table($("nodes"), "Nodes", [
    { head: "node", cell: (node) => node.report?.name || node.name || "this node" },
    { head: "role", cell: (node) => roleOf(node, all) },
    { head: "state", wide: true, cell: stateOf },
    { head: "term", number: true, cell: of((report) => number(report.raft.term)) },
    { head: "applied", number: true, cell: of((report) => number(report.raft.applied)) },
    { head: "behind", number: true, cell: of((report) => number(Math.max(0, committed - report.raft.applied))) },
    { head: "commands/s", number: true, cell: of((report) => number(report.per_second.commands)) },
    { head: "read p99", number: true, cell: (node) => micros(p99(node, "read")) },
    { head: "write p99", number: true, cell: (node) => micros(p99(node, "write")) },
    { head: "clients", number: true, cell: of((report) => number(report.clients.connected)) },
    { head: "cores", number: true, cell: of((report) => report.per_second.cpu_cores.toFixed(2)) },
    { head: "memory", cell: of((report) => {
      const share = report.memory.rss_bytes / report.memory.limit_bytes;
      return [bytes(report.memory.rss_bytes), bar(share, level(share, 0.8, 0.9))];
    }) },
    { head: "build", cell: of((report) => `${report.version}, level ${report.feature_level}`) },
    { head: "up", number: true, cell: of((report) => seconds(report.uptime_seconds)) },
  ], all.nodes, "No node is known yet.");
}

function edges(all, reports) {
  const own = reports.filter((report) => report.edge);
  $("edges-title").textContent = own.length ? "This site" : "Edge sites";
  if (own.length) {
    const lag = (edge) => (edge.lag_ms < 10000 ? `${number(edge.lag_ms)} ms` : seconds(edge.lag_ms / 1000));
    return table($("edges"), "This site", [
      { head: "node", cell: (report) => report.name },
      { head: "site", cell: (report) => report.edge.site },
      { head: "state", cell: (report) => [pill(report.edge.state, report.edge.why ? "critical" : "good"), " ", element("span", report.edge.why || "", "quiet")] },
      { head: "behind", number: true, cell: (report) => lag(report.edge) },
      { head: "entries", number: true, cell: (report) => number(report.edge.lag_entries) },
      { head: "bytes", number: true, cell: (report) => bytes(report.edge.lag_bytes) },
      { head: "core's entry", number: true, cell: (report) => number(report.edge.core_index) },
      { head: "upstream", cell: (report) => report.edge.upstream || "–" },
    ], own, "");
  }
  table($("edges"), "Edge sites", [
    { head: "site", cell: (edge) => edge.site },
    { head: "node", cell: (edge) => edge.name },
    { head: "state", cell: (edge) => pill(edge.state || "unknown", edge.lag_ms > 10000 ? "critical" : edge.lag_ms > 2000 ? "warning" : "good") },
    { head: "behind", number: true, cell: (edge) => (edge.lag_ms < 10000 ? `${number(edge.lag_ms)} ms` : seconds(edge.lag_ms / 1000)) },
    { head: "entries", number: true, cell: (edge) => number(edge.lag_entries) },
    { head: "sent", number: true, cell: (edge) => bytes(edge.sent_bytes) },
  ], all.edges, "No edge site follows this core.");
}

function latencies(reports) {
  const rows = (of) => reports.flatMap((report) => (report[of] || []).map((one) => ({ ...one, node: report.name })));
  const columns = (what) => [
    { head: what, cell: (row) => row.name.replace("_", " ") },
    { head: "node", cell: (row) => row.node },
    { head: "per second", number: true, cell: (row) => number(row.per_second, 1) },
    { head: "p50", number: true, cell: (row) => micros(row.p50_us) },
    { head: "p99", number: true, cell: (row) => micros(row.p99_us) },
    { head: "p99.9", number: true, cell: (row) => micros(row.p999_us) },
  ];
  const byName = (a, b) => a.name.localeCompare(b.name) || a.node.localeCompare(b.node);
  table($("latency"), "Latency of commands", columns("class"), rows("latency").sort(byName), "No command was called in the last seconds.");
  table($("stages"), "Stages", columns("stage"), rows("stages").sort(byName), "Nothing was written in the last seconds.");
}

function storage(reports) {
  const cache = (report, owner) => report.memory.owners.find((one) => one.owner === owner)?.bytes;
  table($("storage"), "Storage and memory", [
    { head: "node", cell: (report) => report.name },
    { head: "disk left", cell: (report) => {
      const used = 1 - report.disk.left_bytes / report.disk.total_bytes;
      return [bytes(report.disk.left_bytes), bar(used, { full: "critical", low: "critical", tight: "warning" }[report.disk.state])];
    } },
    { head: "store", number: true, cell: (report) => bytes(report.store.bytes) },
    { head: "log", number: true, cell: (report) => bytes(report.raft.log_bytes) },
    { head: "files by level", cell: (report) => report.store.levels.map((one) => `L${one.level} ${one.files}`).join("  ") || "–" },
    { head: "to compact", number: true, cell: (report) => bytes(report.store.pending_compaction_bytes) },
    { head: "memtables waiting", number: true, cell: (report) => number(report.store.memtables_waiting) },
    { head: "stalls, 10 min", number: true, cell: (report) => `${number(report.store.recent_stops)} / ${number(report.store.recent_delays)}` },
    { head: "data", number: true, cell: (report) => bytes(report.memory.dataset_bytes) },
    { head: "maxmemory", number: true, cell: (report) => (report.memory.maxmemory_bytes ? bytes(report.memory.maxmemory_bytes) : "none") },
    { head: "hot cache", number: true, cell: (report) => bytes(cache(report, "hot_cache")) },
    { head: "block cache", number: true, cell: (report) => bytes(cache(report, "block_cache")) },
    { head: "memtables", number: true, cell: (report) => bytes(cache(report, "memtables")) },
    { head: "clients", number: true, cell: (report) => bytes(cache(report, "clients")) },
  ], reports, "No node has told of it yet.");
}

function keysAndCalls(all, reports) {
  const slow = reports.flatMap((report) => (report.slow || []).map((one) => ({ ...one, node: report.name })));
  slow.sort((a, b) => b.at_seconds - a.at_seconds || b.micros - a.micros);
  table($("slow"), "Slow commands", [
    { head: "when", cell: (row) => ago(row.at_seconds * 1000, all.at_ms) },
    { head: "node", cell: (row) => row.node },
    { head: "took", number: true, cell: (row) => micros(row.micros) },
    { head: "call", wide: true, cell: (row) => element("code", row.call) },
    { head: "client", cell: (row) => row.client },
  ], slow.slice(0, 12), "No call took longer than slowlog-log-slower-than.");
  const hot = reports.flatMap((report) => (report.hot?.keys || []).map((one) => ({ ...one, node: report.name })));
  hot.sort((a, b) => b.micros - a.micros || b.bytes - a.bytes);
  table($("hot"), "Hot keys", [
    { head: "key", cell: (row) => element("code", row.key) },
    { head: "node", cell: (row) => row.node },
    { head: "time", number: true, cell: (row) => micros(row.micros) },
    { head: "network", number: true, cell: (row) => bytes(row.bytes) },
  ], hot.slice(0, 10), "Nobody looks for them. To look for a minute: HOTKEYS START METRICS 2 CPU NET DURATION 60");
  const large = new Map();
  for (const report of reports) {
    for (const one of report.largest?.keys || []) {
      const id = JSON.stringify([one.db, one.key]);
      if (!(large.get(id)?.bytes >= one.bytes)) large.set(id, one);
    }
  }
  table($("largest"), "Large keys", [
    { head: "key", cell: (row) => element("code", row.key) },
    { head: "type", cell: (row) => row.type },
    { head: "db", number: true, cell: (row) => number(row.db) },
    { head: "at rest", number: true, cell: (row) => bytes(row.bytes) },
  ], [...large.values()].sort((a, b) => b.bytes - a.bytes).slice(0, 10), "Nobody has asked for them yet: MEMORY LARGEST");
}

function backups(all, reports) {
  const left = (at) => (at === null ? "cannot be read" : at * 1000 < all.at_ms ? "expired" : `${seconds(at - all.at_ms / 1000)} left`);
  table($("backups"), "Backups and certificates", [
    { head: "node", cell: (report) => report.name },
    { head: "last backup", cell: (report) => (report.backup.last ? ago(report.backup.last.taken_at_ms, all.at_ms) : report.backup.is_configured ? "none yet" : "not configured") },
    { head: "size", number: true, cell: (report) => bytes(report.backup.last?.bytes) },
    { head: "under way", number: true, cell: (report) => (report.backup.running ? `${bytes(report.backup.running.bytes_done)} of ${bytes(report.backup.running.bytes)}` : "–") },
    { head: "restorable up to", cell: (report) => (report.backup.restorable_ms ? ago(report.backup.restorable_ms, all.at_ms) : "–") },
    { head: "trouble", wide: true, cell: (report) => report.backup.error || report.backup.archive_error || "none" },
    { head: "certificates", cell: (report) => report.certificates.map((one) => `${one.port}: ${left(one.expires_at_seconds)}`).join(", ") || "none" },
  ], reports, "No node has told of it yet.");
}

function draw(all) {
  const reports = all.nodes.map((node) => node.report).filter((report) => report);
  const asked = all.nodes.find((node) => node.is_asked), name = asked?.report?.name || asked?.name || "";
  $("title").textContent = `${asked?.report?.edge ? `edge site ${asked.report.edge.site}` : "core"}, as ${name || "this node"} sees it`;
  document.title = `${name}: Flotilla`;
  findings(all);
  totals(all, reports);
  nodes(all);
  edges(all, reports);
  latencies(reports);
  storage(reports);
  keysAndCalls(all, reports);
  backups(all, reports);
}

const CHARTS = [
  ["commands", "Commands a second", short],
  ["read_p99_us", "Reads, p99", micros],
  ["write_p99_us", "Writes, p99", micros],
  ["errors", "Errors a second", short],
  ["out_bytes", "Sent a second", bytes],
  ["clients", "Clients", short],
  ["rss_bytes", "Memory of the process", bytes],
  ["disk_left_bytes", "Disk left", bytes],
  ["lag_ms", "Behind the core", (value) => micros(value * 1000)],
];

function drawHistory(all) {
  const told = all.nodes.filter((node) => node.report?.series);
  const named = told.map((node, at) => ({ name: node.name || "this node", style: `s${at % 7}`, report: node.report }));
  $("legend").replaceChildren(...named.map((one) => {
    const item = element("li"), mark = svg("svg", { viewBox: "0 0 14 8", "aria-hidden": "true" });
    mark.append(svg("line", { class: one.style, x1: 0, x2: 14, y1: 4, y2: 4, "stroke-width": 2.5 }));
    item.append(mark, one.name);
    return item;
  }));
  // As wide as what there is, but not less than five minutes.
  const length = Math.min(360, Math.max(30, ...told.map((node) => node.report.series.commands.length)));
  const charts = CHARTS.map(([series, title, format]) => {
    const lines = named.map((one) => ({ name: one.name, style: one.style, values: one.report.series[series] || [] }));
    if (series === "lag_ms" && !lines.some((line) => line.values.some((value) => value !== null))) return null;
    return chart(title, lines, format, length, told[0]?.report.step_ms || 10000);
  });
  $("charts").replaceChildren(...charts.filter((made) => made));
  if (told.length === 0) $("charts").replaceChildren(element("p", "The first points come ten seconds after the start.", "empty"));
}

async function ask(path) {
  const answer = await fetch(path, { signal: AbortSignal.timeout(ANSWER_MAX_MS), credentials: "same-origin" });
  if (!answer.ok) throw new Error(`${answer.status} ${(await answer.text()).trim()}`);
  return answer.json();
}

// Who comes back to the page sees the present at once.
const sleepers = new Set();
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  for (const wake of sleepers) wake();
  sleepers.clear();
});

// Asks again after each answer, so that a slow node is not asked ever more often; not while nobody sees the page.
async function follow(path, everyMs, use) {
  for (;;) {
    if (!document.hidden) {
      try {
        use(await ask(path));
        $("fresh").textContent = `as of ${new Date().toLocaleTimeString("en-GB")}`;
      } catch (error) {
        $("verdict").textContent = "no answer";
        $("verdict").className = "pill critical";
        $("fresh").textContent = error.message;
      }
    }
    let wake;
    await new Promise((done) => {
      wake = done;
      sleepers.add(done);
      setTimeout(done, everyMs);
    });
    sleepers.delete(wake);
  }
}

follow("/status.json", EVERY_MS, draw);
follow("/status/history.json", HISTORY_EVERY_MS, drawHistory);
