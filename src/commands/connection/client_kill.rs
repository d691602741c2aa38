//! CLIENT KILL, old form and new.

use super::client_list::of_type;
use crate::{
    command::{Args, parse_i64},
    error::Result,
    resp::{ErrorReply, Reply},
    session::{ClientFilter, Context},
};

pub(super) fn kill(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    if let [address] = args.rest() {
        let peer = String::from_utf8_lossy(address).into_owned();
        let filter = ClientFilter { peer: Some(peer), ..ClientFilter::default() };
        return match kill_matching(context, &filter) {
            0 => Err(ErrorReply::err("No such client").into()),
            _ => Ok(Reply::Ok),
        };
    }
    let filter = filter(context, args)?;
    Ok(Reply::count(kill_matching(context, &filter)))
}

fn filter(context: &Context<'_>, args: &mut Args<'_>) -> Result<ClientFilter> {
    let mut filter = ClientFilter { skip_id: Some(context.session.client.id), ..ClientFilter::default() };
    while !args.is_empty() {
        if args.remaining() < 2 {
            return Err(ErrorReply::syntax().into());
        }
        let option = args.next_word()?.to_ascii_uppercase();
        let value = args.next_word()?;
        let text = String::from_utf8_lossy(value).into_owned();
        match option.as_slice() {
            b"ID" => {
                let id = parse_i64(value).and_then(|id| u64::try_from(id).ok()).filter(|id| *id > 0);
                let id = id.ok_or_else(|| ErrorReply::err("client-id should be greater than 0"))?;
                filter.ids = Some([id].into());
            }
            b"MAXAGE" => {
                let age = parse_i64(value).and_then(|age| u64::try_from(age).ok()).filter(|age| *age > 0);
                let age = age.ok_or_else(|| ErrorReply::err("maxage is not an integer or out of range"))?;
                filter.age_ms_min = Some(age.saturating_mul(1000));
            }
            b"TYPE" => of_type(&mut filter, value)?,
            b"ADDR" => filter.peer = Some(text),
            b"LADDR" => filter.local = Some(text),
            b"USER" if context.node.users.get(&text).is_some() => filter.user = Some(text),
            b"USER" => return Err(ErrorReply::err(format!("No such user '{text}'")).into()),
            b"SKIPME" if text.eq_ignore_ascii_case("yes") => filter.skip_id = Some(context.session.client.id),
            b"SKIPME" if text.eq_ignore_ascii_case("no") => filter.skip_id = None,
            _ => return Err(ErrorReply::syntax().into()),
        }
    }
    Ok(filter)
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
