//! SENTINEL: the questions that clients ask Redis's Sentinel, answered from Raft: the leader is the only master, the other
//! nodes are its replicas, and every node is a sentinel. A new leader is announced on the channel `+switch-master`.

use crate::{
    command::{Args, Command, Effect, Flags, Group, Run},
    commands::help,
    error::Result,
    resp::{ErrorReply, Reply},
    session::{Context, CoreRequest},
    state::{Leadership, NodeEndpoint, public_id},
};

/// Every row of the group.
pub static COMMANDS: &[Command] = &[SENTINEL];

const ROW: Command = Command {
    arity: 3,
    flags: Flags::LOADING.with(Flags::STALE),
    group: Group::Server,
    since: "2.8.4",
    ..Command::BASE
};

const fn sub(
    name: &'static str,
    arity: i32,
    run: Run,
    summary: &'static str,
    syntax: &'static str,
) -> Command {
    Command { name, arity, run, summary, syntax, ..ROW }
}

const SENTINEL: Command = Command {
    name: "SENTINEL",
    arity: -2,
    complexity: "Depends on subcommand.",
    summary: "The core as clients of Redis Sentinel see it.",
    subcommands: &[
        sub("CKQUORUM", 3, Run::Local(ckquorum), "Whether a majority of the nodes answers.", "name"),
        sub("FAILOVER", 3, Run::Async(failover), "Lets another node lead; OK when it does.", "name"),
        sub("GET-MASTER-ADDR-BY-NAME", 3, Run::Local(address), "Where the leader's clients connect.", "name"),
        sub(
            "GET-PRIMARY-ADDR-BY-NAME",
            3,
            Run::Local(address),
            "As GET-MASTER-ADDR-BY-NAME, in Valkey's words.",
            "name",
        ),
        sub("HELP", 2, Run::Local(sentinel_help), "Lists the subcommands.", ""),
        sub(
            "IS-MASTER-DOWN-BY-ADDR",
            6,
            Run::Local(is_down),
            "Whether this node misses that node as leader.",
            "ip port epoch runid",
        ),
        sub(
            "IS-PRIMARY-DOWN-BY-ADDR",
            6,
            Run::Local(is_down),
            "As IS-MASTER-DOWN-BY-ADDR.",
            "ip port epoch runid",
        ),
        sub("MASTER", 3, Run::Local(master), "The leader in fields.", "name"),
        sub("MASTERS", 2, Run::Local(masters), "The one name and its leader in fields.", ""),
        sub("MYID", 2, Run::Local(myid), "This node's id, 40 hexadecimal digits.", ""),
        sub("PRIMARIES", 2, Run::Local(masters), "As MASTERS.", ""),
        sub("PRIMARY", 3, Run::Local(master), "As MASTER.", "name"),
        sub("REPLICAS", 3, Run::Local(replicas), "The followers in fields.", "name"),
        sub("RESET", 3, Run::Local(reset), "Accepted; there is nothing to forget.", "pattern"),
        sub(
            "SENTINELS",
            3,
            Run::Local(sentinels),
            "The other nodes, each of which answers as a sentinel.",
            "name",
        ),
        sub("SLAVES", 3, Run::Local(replicas), "As REPLICAS.", "name"),
    ],
    ..ROW
};

fn endpoints(context: &Context<'_>) -> Vec<NodeEndpoint> {
    let kind = context.session.client.port_kind();
    context.node.group.state.endpoints(context.node.identity.node_id, kind)
}

fn is_name(context: &Context<'_>, args: &mut Args<'_>) -> Result<bool> {
    Ok(args.next_word()? == context.node.config.settings().sentinel_master_name.as_bytes())
}

/// All nodes, if the name is the right one.
fn named(context: &Context<'_>, args: &mut Args<'_>) -> Result<Vec<NodeEndpoint>> {
    match is_name(context, args)? {
        true => Ok(endpoints(context)),
        false => Err(ErrorReply::err("No such master with that name").into()),
    }
}

fn sentinel_help(_context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Ok(help("SENTINEL", SENTINEL.subcommands))
}

fn failover(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Effect> {
    let endpoints = named(context, args)?;
    // As Redis where no replica will do.
    if !endpoints.iter().any(|endpoint| !endpoint.leads && endpoint.answers) {
        return Err(ErrorReply::new("NOGOODSLAVE", "No suitable replica to promote").into());
    }
    Ok(Effect::Core(CoreRequest::Transfer { name: None }))
}

fn reset(_context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Ok(Reply::Int(0))
}

fn myid(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Ok(Reply::bulk(public_id(context.node.identity.node_id)))
}

fn address(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    if !is_name(context, args)? {
        return Ok(Reply::NilArray);
    }
    let leader = endpoints(context).into_iter().find(|endpoint| endpoint.leads);
    Ok(leader.map_or(Reply::NilArray, |leader| {
        Reply::Array(vec![Reply::bulk(leader.host), Reply::bulk(leader.port.to_string())])
    }))
}

fn ckquorum(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let endpoints = named(context, args)?;
    let (all, answering) = (endpoints.len(), endpoints.iter().filter(|endpoint| endpoint.answers).count());
    // The leader needs a majority of the voters, and knows best whether it has one.
    if answering > all / 2 && context.node.group.state.leadership() != Leadership::NoQuorum {
        return Ok(Reply::simple(format!(
            "OK {answering} usable Sentinels. Quorum and failover authorization can be reached"
        )));
    }
    let text = format!(
        "{answering} usable Sentinels of {all}. Not enough available Sentinels to reach the majority"
    );
    Err(ErrorReply::new("NOQUORUM", text).into())
}

fn is_down(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let (host, port) = (args.next_word()?, args.next_word()?);
    let is_it = |endpoint: &NodeEndpoint| {
        endpoint.host.as_bytes() == host && endpoint.port.to_string().as_bytes() == port
    };
    let down =
        !endpoints(context).iter().any(|endpoint| endpoint.leads && is_it(endpoint) && endpoint.answers);
    Ok(Reply::Array(vec![Reply::count(u8::from(down)), Reply::bulk("*"), Reply::Int(0)]))
}

fn fields(pairs: Vec<(&str, String)>) -> Reply {
    Reply::Map(pairs.into_iter().map(|(name, value)| (Reply::bulk(name), Reply::bulk(value))).collect())
}

/// Fields that all kinds of nodes have.
fn common(name: String, endpoint: &NodeEndpoint, flags: &str) -> Vec<(&'static str, String)> {
    let flags = if endpoint.answers { flags.to_owned() } else { format!("{flags},s_down,disconnected") };
    vec![
        ("name", name),
        ("ip", endpoint.host.clone()),
        ("port", endpoint.port.to_string()),
        ("runid", endpoint.id()),
        ("flags", flags),
        ("link-pending-commands", "0".into()),
        ("link-refcount", "1".into()),
        ("last-ping-sent", "0".into()),
        ("last-ok-ping-reply", "0".into()),
        ("last-ping-reply", "0".into()),
        ("down-after-milliseconds", "450".into()),
    ]
}

fn leader_fields(context: &Context<'_>, endpoints: &[NodeEndpoint]) -> Option<Reply> {
    let leader = endpoints.iter().find(|endpoint| endpoint.leads)?;
    let others = endpoints.len().saturating_sub(1);
    let mut pairs = common(context.node.config.settings().sentinel_master_name.clone(), leader, "master");
    pairs.extend([
        ("info-refresh", "0".into()),
        ("role-reported", "master".into()),
        ("role-reported-time", "0".into()),
        ("config-epoch", context.node.group.state.term().to_string()),
        ("num-slaves", others.to_string()),
        ("num-other-sentinels", others.to_string()),
        ("quorum", (endpoints.len() / 2).saturating_add(1).to_string()),
        ("failover-timeout", "5000".into()),
        ("parallel-syncs", "1".into()),
    ]);
    Some(fields(pairs))
}

fn master(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let endpoints = named(context, args)?;
    let fields = leader_fields(context, &endpoints);
    fields.ok_or_else(|| ErrorReply::new("CLUSTERDOWN", "no node leads at the moment; try again").into())
}

fn masters(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Ok(Reply::Array(leader_fields(context, &endpoints(context)).into_iter().collect()))
}

fn replicas(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let endpoints = named(context, args)?;
    let leader = endpoints.iter().find(|endpoint| endpoint.leads);
    let one = |endpoint: &NodeEndpoint| {
        let mut pairs = common(format!("{}:{}", endpoint.host, endpoint.port), endpoint, "slave");
        let link = if endpoint.answers { "ok" } else { "err" };
        let (host, port) =
            leader.map_or_else(|| ("?".into(), 0), |leader| (leader.host.clone(), leader.port));
        pairs.extend([
            ("info-refresh", "0".into()),
            ("role-reported", "slave".into()),
            ("role-reported-time", "0".into()),
            ("master-link-down-time", "0".into()),
            ("master-link-status", link.into()),
            ("master-host", host),
            ("master-port", port.to_string()),
            ("slave-priority", "100".into()),
            ("slave-repl-offset", endpoint.offset.to_string()),
            ("replica-announced", "1".into()),
        ]);
        fields(pairs)
    };
    Ok(Reply::Array(endpoints.iter().filter(|endpoint| !endpoint.leads).map(one).collect()))
}

fn sentinels(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let own = context.node.identity.node_id;
    let one = |endpoint: &NodeEndpoint| {
        let mut pairs = common(endpoint.id(), endpoint, "sentinel");
        pairs.extend([
            ("last-hello-message", "0".into()),
            ("voted-leader", "?".into()),
            ("voted-leader-epoch", "0".into()),
        ]);
        fields(pairs)
    };
    let endpoints = named(context, args)?;
    Ok(Reply::Array(endpoints.iter().filter(|endpoint| endpoint.node_id != own).map(one).collect()))
}
