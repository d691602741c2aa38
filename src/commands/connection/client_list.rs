//! CLIENT LIST and CLIENT INFO.

use super::client_filter::{self, Of};
use crate::{
    command::Args,
    error::Result,
    resp::{Protocol, Reply},
    session::{Client, Context},
};
use bytes::Bytes;
use std::{fmt::Write, sync::atomic::Ordering};

pub(super) fn info(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    let mut out = String::new();
    describe(&context.session.client, context.now, &mut out);
    Ok(text(context.session.protocol, out))
}

pub(super) fn list(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let filter = client_filter::parse(context, args, Of::List)?;
    let mut out = String::new();
    for client in context.node.clients.select(&filter, context.now) {
        describe(&client, context.now, &mut out);
    }
    Ok(text(context.session.protocol, out))
}

/// Text for people: verbatim in RESP3.
fn text(protocol: Protocol, text: String) -> Reply {
    match protocol {
        Protocol::Resp2 => Reply::bulk(text),
        Protocol::Resp3 => Reply::Verbatim("txt", Bytes::from(text)),
    }
}

/// A client as CLIENT INFO describes it.
pub fn client_info(client: &Client, now: u64) -> String {
    let mut out = String::new();
    describe(client, now, &mut out);
    out.truncate(out.trim_end().len());
    out
}

/// One line in Redis's format. -1 means "not in MULTI", and "tracks no keys".
fn describe(client: &Client, now: u64, out: &mut String) {
    let words = client.text.lock().clone();
    let load = |n: &std::sync::atomic::AtomicU64| n.load(Ordering::Relaxed);
    let queued = match client.queued.load(Ordering::Relaxed) {
        u32::MAX => -1,
        queued => i64::from(queued),
    };
    let tracking = *client.tracking.lock();
    let redirect = tracking.map_or(-1, |state| i64::try_from(state.redirect).unwrap_or(i64::MAX));
    let flags = client.flags();
    let last_command = client.last_command.load(Ordering::Relaxed);
    let command = crate::commands::table().names().get(last_command).map_or("NULL", String::as_str);
    let (id, peer, local, fd, name) = (client.id, &client.peer, &client.local, client.fd, words.name);
    let age = now.saturating_sub(client.created_ms) / 1000;
    let idle = now.saturating_sub(load(&client.active_ms)) / 1000;
    let (db, watch) = (client.db.load(Ordering::Relaxed), client.watched.load(Ordering::Relaxed));
    let subscriptions = [&client.subscribed, &client.psubscribed, &client.ssubscribed];
    let [sub, psub, ssub] = subscriptions.map(|count| count.load(Ordering::Relaxed));
    let memory = &client.memory;
    let (query, query_free, argv, multi) =
        (load(&memory.query), load(&memory.query_free), load(&memory.argv), load(&memory.multi));
    let (buffer, peak, unsent) = (load(&memory.reply_buffer), load(&memory.reply_peak), load(&memory.unsent));
    let (messages, message_bytes, total) = (load(&memory.messages), load(&memory.message), memory.sum());
    let events = if client.waits_to_write.load(Ordering::Relaxed) { "rw" } else { "r" };
    let (user, resp, lib, ver) =
        (client.user_name(), client.resp.load(Ordering::Relaxed), words.lib_name, words.lib_ver);
    let (net_in, net_out, calls) = (load(&client.net_in), load(&client.net_out), load(&client.calls));
    let capa = if client.can_be_redirected() { "r" } else { "" };
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "id={id} addr={peer} laddr={local} fd={fd} name={name} age={age} idle={idle} flags={flags} db={db} sub={sub} psub={psub} \
         ssub={ssub} multi={queued} watch={watch} qbuf={query} qbuf-free={query_free} argv-mem={argv} multi-mem={multi} \
         rbs={buffer} rbp={peak} obl={unsent} oll={messages} omem={message_bytes} tot-mem={total} events={events} cmd={command} user={user} redir={redirect} resp={resp} capa={capa} \
         lib-name={lib} lib-ver={ver} tot-net-in={net_in} tot-net-out={net_out} tot-cmds={calls}"
    );
}
