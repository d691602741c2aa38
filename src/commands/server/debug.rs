//! DEBUG: SLEEP, PROTOCOL, ERROR and LOG, for tests of clients; CHECKSUM, to compare nodes; COMPACT. Nothing else of it exists.

use crate::{
    command::{Args, Command, Effect, Flags, Group, Run},
    error::Result,
    resp::{ErrorReply, Protocol, Reply},
    session::Context,
};
use bytes::Bytes;
use std::time::Duration;

/// Longest sleep, seconds.
const SLEEP_SECONDS_MAX: f64 = 3600.0;
/// Of what ERROR replies and LOG writes.
const TEXT_BYTES_MAX: usize = 1024;

pub(super) const DEBUG: Command = Command {
    name: "DEBUG",
    arity: -2,
    run: Run::Async(debug),
    flags: Flags::ADMIN.with(Flags::NOSCRIPT).with(Flags::LOADING).with(Flags::STALE),
    group: Group::Server,
    complexity: "Depends on subcommand.",
    summary: "SLEEP delays this connection's reply; PROTOCOL and ERROR reply as told; LOG writes to the log; CHECKSUM returns the checksum of the node's state; COMPACT rewrites its files.",
    syntax: "<SLEEP seconds | PROTOCOL type | ERROR message | LOG message | CHECKSUM | COMPACT>",
    ..Command::BASE
};

fn debug(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Effect> {
    let allowed = match context.node.config.settings().enable_debug_command.as_str() {
        "yes" => true,
        "local" => context.session.client.peer.is_local(),
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
    if word.eq_ignore_ascii_case(b"PROTOCOL") && args.remaining() == 1 {
        return protocol(context.session.protocol, args.next_word()?).map(Effect::Reply);
    }
    if word.eq_ignore_ascii_case(b"ERROR") && args.remaining() == 1 {
        let text = args.next_word()?;
        let text = String::from_utf8_lossy(text.get(..text.len().min(TEXT_BYTES_MAX)).unwrap_or_default());
        return Err(ErrorReply::of_text(text.into_owned()).into());
    }
    if word.eq_ignore_ascii_case(b"LOG") && args.remaining() == 1 {
        let text = args.next_word()?;
        let text = String::from_utf8_lossy(text.get(..text.len().min(TEXT_BYTES_MAX)).unwrap_or_default());
        tracing::warn!(client = context.session.client.id, %text, "DEBUG LOG");
        return Ok(Effect::Reply(Reply::Ok));
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
            "PROTOCOL <type>",
            "    Reply with a value of this type: string, integer, double, bignum, null, array, set, map, attrib, push,",
            "    verbatim, true, false.",
            "ERROR <message>",
            "    Reply with this error.",
            "LOG <message>",
            "    Write a message to the log.",
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

/// A value of each type, as redis-server's. There are no attributes here, so theirs is left out.
fn protocol(protocol: Protocol, kind: &[u8]) -> Result<Reply> {
    let numbers = || (0..3).map(Reply::Int);
    Ok(match kind.to_ascii_lowercase().as_slice() {
        b"string" => Reply::bulk("Hello World"),
        b"integer" => Reply::Int(12_345),
        b"double" => Reply::DoubleText("3.141".to_owned()),
        b"bignum" => Reply::BigNumber("1234567999999999999999999999999999999".to_owned()),
        b"null" => Reply::Nil,
        b"array" => Reply::Array(numbers().collect()),
        b"set" => Reply::Set(numbers().collect()),
        b"map" => Reply::Map((0..3).map(|n| (Reply::Int(n), Reply::Bool(n == 1))).collect()),
        b"attrib" => Reply::bulk("Some real reply following the attribute"),
        b"push" if protocol == Protocol::Resp2 => {
            return Err(ErrorReply::err("RESP2 is not supported by this command").into());
        }
        b"push" => Reply::Several(vec![
            Reply::Push(vec![Reply::bulk("server-cpu-usage"), Reply::Int(42)]),
            Reply::bulk("Some real reply following the push reply"),
        ]),
        b"verbatim" => {
            let text = "This is a verbatim\nstring";
            match protocol {
                Protocol::Resp2 => Reply::bulk(text),
                Protocol::Resp3 => Reply::Verbatim("txt", Bytes::from_static(text.as_bytes())),
            }
        }
        b"true" => Reply::Bool(true),
        b"false" => Reply::Bool(false),
        _ => {
            let text = "Wrong protocol type name. Please use one of the following: \
                        string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false";
            return Err(ErrorReply::err(text).into());
        }
    })
}
