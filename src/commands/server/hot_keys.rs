//! HOTKEYS of Redis 8.6.

use crate::{
    command::{Args, Command, Flags, Group, Run, parse_i64},
    commands::{cluster::slot_of, help},
    error::Result,
    resp::{ErrorReply, Reply},
    session::{Context, HotKeyMetrics, HotKeyReport, HotKeySession},
};
use bytes::Bytes;

const SLOTS: u16 = 16384;
/// Keys that are reported unless the client asks for another number.
const COUNT: i64 = 10;

const ROW: Command = Command {
    arity: 2,
    flags: Flags::ADMIN.with(Flags::NOSCRIPT),
    group: Group::Server,
    since: "8.6.0",
    ..Command::BASE
};

pub(super) const HOTKEYS: Command = Command {
    name: "HOTKEYS",
    arity: -2,
    group: Group::Server,
    since: "8.6.0",
    complexity: "Depends on subcommand.",
    summary: "Finds the keys that take most of this node's time, or of its clients' bytes.",
    subcommands: &[
        Command {
            name: "GET",
            run: Run::Local(get),
            complexity: "O(K) where K is the number of hotkeys returned.",
            summary: "Returns what was found so far, or by the last session.",
            ..ROW
        },
        Command {
            name: "HELP",
            run: Run::Local(hot_keys_help),
            flags: Flags::LOADING.with(Flags::STALE),
            summary: "Lists the subcommands.",
            ..ROW
        },
        Command { name: "RESET", run: Run::Local(reset), summary: "Forgets the last session.", ..ROW },
        Command {
            name: "START",
            arity: -2,
            run: Run::Local(start),
            summary: "Begins to count.",
            syntax: "METRICS count [CPU] [NET] [COUNT k] [DURATION seconds] [SAMPLE ratio] [SLOTS count slot [slot ...]]",
            ..ROW
        },
        Command {
            name: "STOP",
            run: Run::Local(stop),
            summary: "Ends the session; GET still tells of it.",
            ..ROW
        },
    ],
    ..Command::BASE
};

fn hot_keys_help(_context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Ok(help("HOTKEYS", HOTKEYS.subcommands))
}

/// A number within bounds.
fn between(args: &mut Args<'_>, first: i64, last: i64, text: &'static str) -> Result<i64> {
    let number = parse_i64(args.next_word()?).filter(|number| (first..=last).contains(number));
    Ok(number.ok_or_else(|| ErrorReply::err(text))?)
}

/// Other words among them are taken for metrics of later versions.
fn metrics(args: &mut Args<'_>) -> Result<HotKeyMetrics> {
    if !args.take("METRICS") || args.is_empty() {
        return Err(ErrorReply::err("METRICS parameter is required").into());
    }
    let count = between(args, 1, 2, "METRICS count must be > 0 and <= 2")?;
    let (mut metrics, mut unknown) = (HotKeyMetrics::default(), 0);
    for _ in 0..count {
        let (metric, name) = if args.take("CPU") {
            (&mut metrics.cpu, "CPU")
        } else if args.take("NET") {
            (&mut metrics.net, "NET")
        } else if args.next_opt().is_some() {
            unknown += 1;
            continue;
        } else {
            let text = "METRICS count does not match number of metric types provided";
            return Err(ErrorReply::err(text).into());
        };
        if std::mem::replace(metric, true) {
            return Err(ErrorReply::err(format!("METRICS {name} defined more than once!")).into());
        }
    }
    if unknown == count {
        return Err(ErrorReply::err("METRICS no valid metrics passed. Supported: CPU|NET").into());
    }
    Ok(metrics)
}

fn slots(context: &Context<'_>, args: &mut Args<'_>) -> Result<Vec<u16>> {
    if !context.node.config.settings().cluster_enabled {
        return Err(ErrorReply::err("SLOTS parameter cannot be used in non-cluster mode").into());
    }
    let count = between(args, 1, i64::from(SLOTS), "SLOTS count must be between 1 and 16384")?;
    let mut slots = Vec::new();
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..count {
        if args.is_empty() {
            return Err(ErrorReply::err("not enough slot numbers provided").into());
        }
        let slot = between(args, 0, i64::from(SLOTS) - 1, "Invalid or out of range slot")?;
        let slot = u16::try_from(slot).unwrap_or_default();
        if !seen.insert(slot) {
            return Err(ErrorReply::err("duplicate slot number").into());
        }
        slots.push(slot);
    }
    Ok(slots)
}

fn start(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    const UNDER_WAY: &str = "hotkey tracking session already in progress";
    let hot = &context.node.stats.hot_keys;
    if hot.report().is_some_and(|report| report.is_under_way) {
        return Err(ErrorReply::err(UNDER_WAY).into());
    }
    let metrics = metrics(args)?;
    let (mut count, mut seconds, mut ratio, mut selected) = (COUNT, 0, 1, Vec::new());
    while !args.is_empty() {
        let has_more = args.remaining() > 1;
        if has_more && args.take("COUNT") {
            count = between(args, 1, 64, "COUNT must be between 1 and 64")?;
        } else if has_more && args.take("DURATION") {
            seconds = between(args, 1, 1_000_000, "DURATION must be between 1 and 1000000")?;
        } else if has_more && args.take("SAMPLE") {
            ratio = between(args, 1, i64::from(i32::MAX), "SAMPLE ratio must be positive")?;
        } else if has_more && args.take("SLOTS") {
            if !selected.is_empty() {
                return Err(ErrorReply::err("SLOTS parameter already specified").into());
            }
            selected = slots(context, args)?;
        } else {
            return Err(ErrorReply::syntax().into());
        }
    }
    let number = |number: i64| u64::try_from(number).unwrap_or_default();
    let count = usize::try_from(count).unwrap_or_default();
    let session = HotKeySession::new(metrics, count, number(seconds), number(ratio), selected, slot_of);
    match hot.start(session) {
        true => Ok(Reply::Ok),
        false => Err(ErrorReply::err(UNDER_WAY).into()),
    }
}

fn stop(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Ok(if context.node.stats.hot_keys.stop() { Reply::Ok } else { Reply::Nil })
}

fn reset(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    match context.node.stats.hot_keys.reset() {
        true => Ok(Reply::Ok),
        false => Err(ErrorReply::err("hotkey tracking session in progress, stop tracking first").into()),
    }
}

/// Single slots, and ranges of them.
fn ranges(slots: &[u16]) -> Reply {
    let number = |slot: Option<&u16>| Reply::Int(slot.copied().unwrap_or_default().into());
    if slots.is_empty() {
        return Reply::Array(vec![Reply::Array(vec![Reply::Int(0), Reply::Int((SLOTS - 1).into())])]);
    }
    let ranges = slots.chunk_by(|one, next| one.checked_add(1) == Some(*next));
    let range = |slots: &[u16]| match slots {
        [one] => Reply::Array(vec![number(Some(one))]),
        slots => Reply::Array(vec![number(slots.first()), number(slots.last())]),
    };
    Reply::Array(ranges.map(range).collect())
}

fn names(list: Vec<(Bytes, u64)>) -> Reply {
    Reply::Array(list.into_iter().flat_map(|(name, sum)| [Reply::bulk(name), Reply::count(sum)]).collect())
}

fn get(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    let Some(report) = context.node.stats.hot_keys.report() else { return Ok(Reply::Nil) };
    let HotKeyReport { all, selected, sampled, .. } = report;
    let (has_slots, has_samples) = (!report.slots.is_empty(), report.sample_ratio > 1);
    let mut pairs = Vec::new();
    let mut put = |name: &str, value: Reply| pairs.push((Reply::bulk(name), value));
    put("tracking-active", Reply::Int(report.is_under_way.into()));
    put("sample-ratio", Reply::count(report.sample_ratio));
    put("selected-slots", ranges(&report.slots));
    if has_slots && has_samples {
        put("sampled-commands-selected-slots-us", Reply::count(sampled.micros));
    }
    if has_slots {
        put("all-commands-selected-slots-us", Reply::count(selected.micros));
    }
    put("all-commands-all-slots-us", Reply::count(all.micros));
    if has_slots && has_samples {
        put("net-bytes-sampled-commands-selected-slots", Reply::count(sampled.bytes));
    }
    if has_slots {
        put("net-bytes-all-commands-selected-slots", Reply::count(selected.bytes));
    }
    put("net-bytes-all-commands-all-slots", Reply::count(all.bytes));
    put("collection-start-time-unix-ms", Reply::count(report.began_at_ms));
    put("collection-duration-ms", Reply::count(report.duration_ms));
    if report.by_cpu.is_some() {
        put("total-cpu-time-user-ms", Reply::count(report.user_ms));
        put("total-cpu-time-sys-ms", Reply::count(report.system_ms));
    }
    if report.by_net.is_some() {
        put("total-net-bytes", Reply::count(report.net_bytes));
    }
    if let Some(by_cpu) = report.by_cpu {
        put("by-cpu-time-us", names(by_cpu));
    }
    if let Some(by_net) = report.by_net {
        put("by-net-bytes", names(by_net));
    }
    Ok(Reply::Array(vec![Reply::Map(pairs)]))
}
