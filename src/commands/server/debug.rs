//! DEBUG: SLEEP, for tests of clients' timeouts; CHECKSUM, to compare nodes; COMPACT. Nothing else of it exists.

use crate::{
    command::{Args, Command, Effect, Flags, Group, Run},
    error::Result,
    resp::{ErrorReply, Reply},
    session::Context,
};
use std::time::Duration;

/// Longest sleep, seconds.
const SLEEP_SECONDS_MAX: f64 = 3600.0;

pub(super) const DEBUG: Command = Command {
    name: "DEBUG",
    arity: -2,
    run: Run::Async(debug),
    flags: Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::LOADING).with(Flags::STALE),
    group: Group::Server,
    complexity: "Depends on subcommand.",
    summary: "SLEEP delays this connection's reply; CHECKSUM returns the checksum of the node's state; COMPACT rewrites its files.",
    syntax: "<SLEEP seconds | CHECKSUM | COMPACT>",
    ..Command::BASE
};

fn debug(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Effect> {
    let allowed = match context.node.config.settings().enable_debug_command.as_str() {
        "yes" => true,
        "local" => context.session.client.peer.ip().is_loopback(),
        _ => false,
    };
    if !allowed {
        let text = "DEBUG command not allowed. If the enable-debug-command option is set to \"local\", you can run it \
                    from a local connection, otherwise you need to set this option in the configuration file, and then \
                    restart the server.";
        return Err(ErrorReply::err(text).into());
    }
    let word = args.next_word()?;
    if word.eq_ignore_ascii_case(b"SLEEP") && args.remaining() == 1 {
        let seconds = std::str::from_utf8(args.next_word()?).ok().and_then(|text| text.parse::<f64>().ok());
        let seconds =
            seconds.filter(|seconds| seconds.is_finite()).unwrap_or(0.0).clamp(0.0, SLEEP_SECONDS_MAX);
        return Ok(Effect::ReplyAfter(Duration::from_secs_f64(seconds), Reply::Ok));
    }
    if word.eq_ignore_ascii_case(b"CHECKSUM") && args.is_empty() {
        return Ok(Effect::Checksum);
    }
    if word.eq_ignore_ascii_case(b"COMPACT") && args.is_empty() {
        return Ok(Effect::Compact);
    }
    if word.eq_ignore_ascii_case(b"HELP") && args.is_empty() {
        let lines = [
            "DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:",
            "SLEEP <seconds>",
            "    Delay this connection's reply. Decimals allowed.",
            "CHECKSUM",
            "    Return the index of the last applied entry of the core, and the checksum of the state.",
            "COMPACT",
            "    Rewrite this node's files, so that what was deleted takes no disk space any more.",
            "HELP",
            "    Print this help.",
        ];
        return Ok(Effect::Reply(Reply::Array(lines.into_iter().map(Reply::simple).collect())));
    }
    Err(ErrorReply::subcommand_syntax("DEBUG", word).into())
}
