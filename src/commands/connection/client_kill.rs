//! CLIENT KILL, old form and new.

use super::client_filter::{self, Of};
use crate::{
    command::Args,
    error::Result,
    resp::{ErrorReply, Reply},
    session::{ClientFilter, ClientProperty, Context},
};

pub(super) fn kill(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    if let [address] = args.rest() {
        let peer = String::from_utf8_lossy(address).into_owned();
        let filter = ClientFilter::default().with(ClientProperty::Peer(peer), true);
        return match kill_matching(context, &filter) {
            0 => Err(ErrorReply::err("No such client").into()),
            _ => Ok(Reply::Ok),
        };
    }
    let filter = client_filter::parse(context, args, Of::Kill)?;
    Ok(Reply::count(kill_matching(context, &filter)))
}

/// Closes what matches; the caller itself only after its reply.
fn kill_matching(context: &mut Context<'_>, filter: &ClientFilter) -> usize {
    let own = context.session.client.id;
    let clients = context.node.clients.select(filter, context.now);
    for client in &clients {
        if client.id == own {
            context.session.closing = true;
        } else {
            client.kill();
        }
    }
    clients.len()
}
