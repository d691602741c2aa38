//! SUBSCRIBE and its kin, PUBLISH, PUBSUB. What is promised is in `src/docs/pubsub.md`.

use crate::{
    command::{Access, Args, Command, Effect, Flags, Group, InScript, KeyRange, Run},
    commands::help,
    error::Result,
    resp::{ErrorReply, Reply},
    session::{Context, Publication, Subscribed},
    types::glob,
};
use bytes::Bytes;

/// Every row of the group.
pub static COMMANDS: &[Command] =
    &[PSUBSCRIBE, PUBLISH, PUBSUB, PUNSUBSCRIBE, SPUBLISH, SSUBSCRIBE, SUBSCRIBE, SUNSUBSCRIBE, UNSUBSCRIBE];

const FLAGS: Flags = Flags::PUBSUB.with(Flags::NOSCRIPT).with(Flags::LOADING).with(Flags::STALE);
const LISTENS: Flags = FLAGS.with(Flags::WHILE_SUBSCRIBED);

const ROW: Command = Command { flags: FLAGS, group: Group::PubSub, since: "2.0.0", ..Command::BASE };

const SUBSCRIBE: Command = Command {
    name: "SUBSCRIBE",
    arity: -2,
    flags: LISTENS,
    channels: (KeyRange::ALL, Access::Channel),
    run: Run::Local(|context, args| subscribe(context, args, Subscribed::Channel)),
    complexity: "O(N log M), N channels given, M known",
    summary: "Listens to channels.",
    syntax: "channel [channel ...]",
    ..ROW
};

const PSUBSCRIBE: Command = Command {
    name: "PSUBSCRIBE",
    channels: (KeyRange::ALL, Access::ChannelPattern),
    run: Run::Local(|context, args| subscribe(context, args, Subscribed::Pattern)),
    summary: "Listens to all channels that a pattern matches.",
    syntax: "pattern [pattern ...]",
    ..SUBSCRIBE
};

const SSUBSCRIBE: Command = Command {
    name: "SSUBSCRIBE",
    channels: Command::BASE.channels,
    keys: KeyRange::ALL,
    access: &[Access::Channel],
    run: Run::Local(|context, args| subscribe(context, args, Subscribed::Shard)),
    // As redis-server, which lets the two older kinds pass.
    flags: LISTENS.with(Flags::NOT_IN_EXEC),
    since: "7.0.0",
    summary: "Listens to shard channels; there is one shard.",
    syntax: "shardchannel [shardchannel ...]",
    ..SUBSCRIBE
};

const UNSUBSCRIBE: Command = Command {
    name: "UNSUBSCRIBE",
    channels: (KeyRange::ALL, Access::Unsubscribed),
    arity: -1,
    // Nothing comes after the confirmation: a RESP2 client would take it for a reply.
    flags: LISTENS.with(Flags::AFTER_MESSAGES),
    run: Run::Local(|context, args| unsubscribe(context, args, Subscribed::Channel)),
    complexity: "O(N log M), N channels given, M known",
    summary: "Stops listening to these channels, or to all.",
    syntax: "[channel [channel ...]]",
    ..ROW
};

const PUNSUBSCRIBE: Command = Command {
    name: "PUNSUBSCRIBE",
    channels: (KeyRange::ALL, Access::Unsubscribed),
    run: Run::Local(|context, args| unsubscribe(context, args, Subscribed::Pattern)),
    summary: "Stops listening to these patterns, or to all.",
    syntax: "[pattern [pattern ...]]",
    ..UNSUBSCRIBE
};

const SUNSUBSCRIBE: Command = Command {
    name: "SUNSUBSCRIBE",
    channels: Command::BASE.channels,
    keys: KeyRange::ALL,
    access: &[Access::Unsubscribed],
    run: Run::Local(|context, args| unsubscribe(context, args, Subscribed::Shard)),
    since: "7.0.0",
    summary: "Stops listening to these shard channels, or to all.",
    syntax: "[shardchannel [shardchannel ...]]",
    ..UNSUBSCRIBE
};

const PUBLISH: Command = Command {
    name: "PUBLISH",
    channels: (KeyRange::ONE, Access::Channel),
    arity: 3,
    run: Run::Async(|_, args| publish(args, false)),
    in_script: Some(|_, args| publish_in_script(args, false)),
    flags: Flags::PUBSUB.with(Flags::LOADING).with(Flags::STALE).with(Flags::FAST),
    complexity: "O(N+M), N listeners of the channel, M patterns; with several nodes two round trips",
    summary: "Sends a message to a channel; returns the number of receivers on all nodes that answered.",
    syntax: "channel message",
    ..ROW
};

const SPUBLISH: Command = Command {
    name: "SPUBLISH",
    channels: Command::BASE.channels,
    keys: KeyRange::ONE,
    access: &[Access::Channel],
    run: Run::Async(|_, args| publish(args, true)),
    in_script: Some(|_, args| publish_in_script(args, true)),
    since: "7.0.0",
    summary: "Sends a message to a shard channel; returns the number of receivers on all nodes that answered.",
    syntax: "shardchannel message",
    ..PUBLISH
};

const PUBSUB: Command = Command {
    name: "PUBSUB",
    arity: -2,
    flags: Flags::NONE,
    complexity: "Depends on subcommand.",
    since: "2.8.0",
    summary: "Describes the subscriptions on this node.",
    subcommands: &[
        Command {
            name: "CHANNELS",
            arity: -2,
            run: Run::Local(|context, args| channels(context, args, Subscribed::Channel)),
            syntax: "[pattern]",
            summary: "Returns the channels that have subscribers.",
            complexity: "O(N)",
            ..STATE
        },
        Command {
            name: "HELP",
            arity: 2,
            run: Run::Local(pubsub_help),
            flags: Flags::LOADING.with(Flags::STALE),
            summary: "Lists the subcommands.",
            ..STATE
        },
        Command {
            name: "NUMPAT",
            arity: 2,
            run: Run::Local(numpat),
            summary: "Counts the patterns that have subscribers.",
            ..STATE
        },
        Command {
            name: "NUMSUB",
            arity: -2,
            run: Run::Local(|context, args| numsub(context, args, Subscribed::Channel)),
            syntax: "[channel [channel ...]]",
            summary: "Counts the subscribers of each channel.",
            ..STATE
        },
        Command {
            name: "SHARDCHANNELS",
            arity: -2,
            run: Run::Local(|context, args| channels(context, args, Subscribed::Shard)),
            since: "7.0.0",
            syntax: "[pattern]",
            summary: "Returns the shard channels that have subscribers.",
            complexity: "O(N)",
            ..STATE
        },
        Command {
            name: "SHARDNUMSUB",
            arity: -2,
            run: Run::Local(|context, args| numsub(context, args, Subscribed::Shard)),
            since: "7.0.0",
            syntax: "[shardchannel [shardchannel ...]]",
            summary: "Counts the subscribers of each shard channel.",
            ..STATE
        },
    ],
    ..ROW
};

const STATE: Command =
    Command { flags: Flags::PUBSUB.with(Flags::LOADING).with(Flags::STALE), since: "2.8.0", ..ROW };

fn word(kind: Subscribed, subscribes: bool) -> &'static str {
    match (kind, subscribes) {
        (Subscribed::Channel, true) => "subscribe",
        (Subscribed::Channel, false) => "unsubscribe",
        (Subscribed::Pattern, true) => "psubscribe",
        (Subscribed::Pattern, false) => "punsubscribe",
        (Subscribed::Shard, true) => "ssubscribe",
        (Subscribed::Shard, false) => "sunsubscribe",
    }
}

fn subscribe(context: &mut Context<'_>, args: &mut Args<'_>, kind: Subscribed) -> Result<Reply> {
    let client = std::sync::Arc::clone(&context.session.client);
    let mut replies = Vec::new();
    for name in args.rest() {
        let subscriptions = &mut context.session.subscriptions;
        if !subscriptions.add(kind, Bytes::copy_from_slice(name), &client, &context.node.pubsub) {
            replies.push(Reply::Error(ErrorReply::err("too many subscriptions of this client or node")));
            continue;
        }
        let count = Reply::count(subscriptions.count(kind));
        replies.push(Reply::Push(vec![Reply::bulk(word(kind, true)), Reply::bulk(name), count]));
    }
    Ok(Reply::Several(replies))
}

fn unsubscribe(context: &mut Context<'_>, args: &mut Args<'_>, kind: Subscribed) -> Result<Reply> {
    let client = std::sync::Arc::clone(&context.session.client);
    let subscriptions = &mut context.session.subscriptions;
    let names = match args.rest() {
        [] => subscriptions.all(kind),
        names => names.iter().map(|name| Bytes::copy_from_slice(name)).collect(),
    };
    let reply = |name: Reply, count: usize| {
        Reply::Push(vec![Reply::bulk(word(kind, false)), name, Reply::count(count)])
    };
    if names.is_empty() {
        return Ok(reply(Reply::Nil, subscriptions.count(kind)));
    }
    let mut replies = Vec::new();
    for name in names {
        subscriptions.remove(kind, &name, &client);
        replies.push(reply(Reply::bulk(&name), subscriptions.count(kind)));
    }
    Ok(Reply::Several(replies))
}

fn publish(args: &mut Args<'_>, is_sharded: bool) -> Result<Effect> {
    let (channel, payload) = (args.next_word()?, args.next_word()?);
    let (channel, payload) = (Bytes::copy_from_slice(channel), Bytes::copy_from_slice(payload));
    Ok(Effect::Publish(Publication { channel, payload, is_sharded, at: None }))
}

fn publish_in_script(args: &mut Args<'_>, is_sharded: bool) -> Result<InScript> {
    let (channel, payload) = (args.next_word()?.to_vec(), args.next_word()?.to_vec());
    Ok(InScript::Publish { channel, payload, is_sharded })
}

fn channels(context: &mut Context<'_>, args: &mut Args<'_>, kind: Subscribed) -> Result<Reply> {
    let mut names = context.node.pubsub.names(kind);
    match args.rest() {
        [] => {}
        [pattern] => names.retain(|name| glob::matches(pattern, name, false)),
        _ => {
            let word = if kind == Subscribed::Shard { "SHARDCHANNELS" } else { "CHANNELS" };
            return Err(ErrorReply::subcommand_syntax("PUBSUB", word).into());
        }
    }
    Ok(Reply::Array(names.into_iter().map(Reply::bulk).collect()))
}

fn numsub(context: &mut Context<'_>, args: &mut Args<'_>, kind: Subscribed) -> Result<Reply> {
    let pubsub = &context.node.pubsub;
    let pair = |name: &&[u8]| [Reply::bulk(name), Reply::count(pubsub.listeners(kind, name))];
    Ok(Reply::Array(args.rest().iter().flat_map(pair).collect()))
}

fn numpat(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Ok(Reply::count(context.node.pubsub.len(Subscribed::Pattern)))
}

fn pubsub_help(_context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Ok(help("PUBSUB", PUBSUB.subcommands))
}
