//! LATENCY: what held this node up (`state/latency.rs`), and how long its commands take (`session/thread_stats.rs`).

mod doctor;
mod graph;

use crate::{
    command::{Args, Command, Flags, Group, Run},
    commands::{help, table},
    error::Result,
    limits::COMMAND_NAMES_MAX,
    resp::{ErrorReply, Protocol, Reply},
    session::Context,
    state::{LatencyEvent, LatencySample, LatencySeries},
};
use bytes::Bytes;

const ROW: Command = Command {
    arity: 2,
    flags: Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::LOADING).with(Flags::STALE),
    group: Group::Server,
    since: "2.8.13",
    tips: &["nondeterministic_output", "request_policy:all_nodes", "response_policy:special"],
    ..Command::BASE
};

pub(super) const LATENCY: Command = Command {
    name: "LATENCY",
    arity: -2,
    group: Group::Server,
    since: "2.8.13",
    complexity: "Depends on subcommand.",
    summary: "Tells what held this node up, and how long its commands take.",
    subcommands: &[
        Command {
            name: "DOCTOR",
            run: Run::Local(doctor),
            summary: "Describes what held this node up, and what helps.",
            ..ROW
        },
        Command {
            name: "GRAPH",
            arity: 3,
            run: Run::Local(graph),
            summary: "Draws the samples of an event.",
            syntax: "event",
            ..ROW
        },
        Command {
            name: "HELP",
            run: Run::Local(latency_help),
            flags: Flags::LOADING.with(Flags::STALE),
            tips: &[],
            summary: "Lists the subcommands.",
            ..ROW
        },
        Command {
            name: "HISTOGRAM",
            arity: -2,
            run: Run::Local(histogram),
            since: "7.0.0",
            complexity: "O(N) where N is the number of commands",
            summary: "Returns how many calls of each command took no longer than 1, 2, 4 … microseconds.",
            syntax: "[command [command ...]]",
            ..ROW
        },
        Command {
            name: "HISTORY",
            arity: 3,
            run: Run::Local(history),
            summary: "Returns the samples of an event: time and milliseconds.",
            syntax: "event",
            ..ROW
        },
        Command {
            name: "LATEST",
            run: Run::Local(latest),
            summary: "Returns each event's name, its latest time and milliseconds, and its longest.",
            ..ROW
        },
        Command {
            name: "RESET",
            arity: -2,
            run: Run::Local(reset),
            tips: &["request_policy:all_nodes", "response_policy:all_succeeded"],
            summary: "Forgets events, or all of them; returns how many.",
            syntax: "[event [event ...]]",
            ..ROW
        },
    ],
    ..Command::BASE
};

fn latency_help(_context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Ok(help("LATENCY", LATENCY.subcommands))
}

/// As in Redis, names of events are compared byte by byte.
fn samples_of(context: &Context<'_>, name: &[u8]) -> Option<(LatencyEvent, LatencySeries)> {
    let recorded = context.node.group.state.latency.recorded();
    recorded.into_iter().find(|(event, _)| event.name().as_bytes() == name)
}

fn latest(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    let recorded = context.node.group.state.latency.recorded().into_iter();
    let rows = recorded.filter_map(|(event, series)| {
        let LatencySample { at_seconds, ms } = *series.samples.back()?;
        let numbers = [at_seconds, ms, series.max_ms].map(Reply::count);
        Some(Reply::Array([Reply::bulk(event.name())].into_iter().chain(numbers).collect()))
    });
    Ok(Reply::Array(rows.collect()))
}

fn history(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let samples = samples_of(context, args.next_word()?).map(|(_, series)| series.samples);
    let pair =
        |sample: LatencySample| Reply::Array(vec![Reply::count(sample.at_seconds), Reply::count(sample.ms)]);
    Ok(Reply::Array(samples.into_iter().flatten().map(pair).collect()))
}

fn reset(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let names = args.rest();
    let is_meant = |event: LatencyEvent| names.is_empty() || names.contains(&event.name().as_bytes());
    Ok(Reply::count(context.node.group.state.latency.reset(is_meant)))
}

fn graph(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let name = args.next_word()?;
    let Some((event, series)) = samples_of(context, name) else {
        let name = String::from_utf8_lossy(name.get(..name.len().min(128)).unwrap_or_default());
        return Err(ErrorReply::err(format!("No samples available for event '{name}'")).into());
    };
    Ok(text(context.session.protocol, graph::draw(event.name(), &series, crate::time::now_ms() / 1000)))
}

fn doctor(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    let latency = &context.node.group.state.latency;
    let advice = doctor::advise(latency.is_on(), &latency.recorded());
    Ok(text(context.session.protocol, advice))
}

fn text(protocol: Protocol, text: String) -> Reply {
    match protocol {
        Protocol::Resp2 => Reply::bulk(text),
        Protocol::Resp3 => Reply::Verbatim("txt", Bytes::from(text)),
    }
}

fn histogram(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    if args.remaining() > COMMAND_NAMES_MAX {
        return Err(ErrorReply::err(format!("more than {COMMAND_NAMES_MAX} names of commands")).into());
    }
    let names = table().names();
    let wanted: Vec<usize> = match args.rest() {
        [] => (0..names.len()).collect(),
        words => words.iter().flat_map(|word| indexes(names, word)).collect(),
    };
    let rows = wanted.into_iter().filter_map(|index| {
        let counts = context.node.stats.threads.cumulative(index)?;
        let calls = counts.last().map_or(0, |(_, count)| *count);
        let counts = counts.into_iter().map(|(micros, count)| (Reply::count(micros), Reply::count(count)));
        let row = Reply::Map(vec![
            (Reply::bulk("calls"), Reply::count(calls)),
            (Reply::bulk("histogram_usec"), Reply::Map(counts.collect())),
        ]);
        Some((Reply::bulk(names.get(index)?), row))
    });
    Ok(Reply::Map(rows.collect()))
}

/// The numbers of a command, or of all subcommands of a container.
fn indexes(names: &[String], word: &[u8]) -> Vec<usize> {
    let word = word.to_ascii_lowercase();
    let is_meant = |name: &str| match name.as_bytes().strip_prefix(word.as_slice()) {
        Some(rest) => rest.is_empty() || rest.first() == Some(&b'|'),
        None => false,
    };
    names.iter().enumerate().filter(|(_, name)| is_meant(name)).map(|(index, _)| index).collect()
}
