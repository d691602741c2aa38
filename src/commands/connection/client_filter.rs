//! The filters of CLIENT LIST and CLIENT KILL: Redis's, and Valkey's, each with its NOT- form.

use crate::{
    command::{Args, parse_i64},
    error::Result,
    limits::DATABASES,
    resp::ErrorReply,
    session::{CLIENT_FLAGS, ClientFilter, ClientKind, ClientProperty, Context},
};
use std::net::IpAddr;

/// Which command it is; they differ in ids.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    List,
    Kill,
}

/// Reads all filters.
pub(super) fn parse(context: &Context<'_>, args: &mut Args<'_>, of: Of) -> Result<ClientFilter> {
    let own = context.session.client.id;
    let mut filter = ClientFilter::default();
    filter.skip_id = (of == Of::Kill).then_some(own);
    while let Some(word) = args.next_opt() {
        let option = word.to_ascii_uppercase();
        let (option, has) = match option.strip_prefix(b"NOT-") {
            Some(option) => (option, false),
            None => (option.as_slice(), true),
        };
        if args.is_empty() {
            return Err(ErrorReply::syntax().into());
        }
        if option == b"ID" {
            let ids = ids(args, of)?;
            match has {
                true => filter.ids.get_or_insert_default().extend(ids),
                false => filter.not_ids.extend(ids),
            }
            continue;
        }
        let value = args.next_word()?;
        match (option, has) {
            (b"MAXAGE", true) => filter.age_ms_min = Some(seconds(value, "maxage")?),
            (b"IDLE", true) => filter.idle_ms_min = Some(seconds(value, "idle")?),
            (b"SKIPME", true) => filter.skip_id = skips(value)?.then_some(own),
            (option, has) => filter = filter.with(property(context, option, value)?, has),
        }
    }
    Ok(filter)
}

/// Ids, up to the first word that is none.
fn ids(args: &mut Args<'_>, of: Of) -> Result<Vec<u64>> {
    let mut ids = Vec::new();
    while let Some(id) = args.rest().first().and_then(|word| parse_i64(word)) {
        args.next_word()?;
        match (u64::try_from(id), of) {
            (Ok(id @ 1..), _) => ids.push(id),
            (_, Of::Kill) => return Err(ErrorReply::err("client-id should be greater than 0").into()),
            // As redis-server: nobody has it.
            (_, Of::List) => ids.push(0),
        }
    }
    let is_keyword = args.rest().first().is_none_or(|word| is_option(word));
    match of {
        Of::Kill if ids.is_empty() => Err(ErrorReply::err("client-id should be greater than 0").into()),
        Of::List if ids.is_empty() || !is_keyword => Err(ErrorReply::err("Invalid client ID").into()),
        Of::List | Of::Kill => Ok(ids),
    }
}

const OPTIONS: [&str; 15] = [
    "ID", "MAXAGE", "IDLE", "SKIPME", "TYPE", "ADDR", "LADDR", "IP", "USER", "NAME", "LIB-NAME", "LIB-VER",
    "DB", "FLAGS", "CAPA",
];

fn is_option(word: &[u8]) -> bool {
    let upper = word.to_ascii_uppercase();
    let name = upper.strip_prefix(b"NOT-").unwrap_or(&upper);
    OPTIONS.iter().any(|option| option.as_bytes() == name)
}

fn seconds(value: &[u8], what: &str) -> Result<u64> {
    let seconds = parse_i64(value)
        .ok_or_else(|| ErrorReply::err(format!("{what} is not an integer or out of range")))?;
    match u64::try_from(seconds) {
        Ok(seconds @ 1..) => Ok(seconds.saturating_mul(1000)),
        _ => Err(ErrorReply::err(format!("{what} should be greater than 0")).into()),
    }
}

fn skips(value: &[u8]) -> Result<bool> {
    if value.eq_ignore_ascii_case(b"yes") {
        Ok(true)
    } else if value.eq_ignore_ascii_case(b"no") {
        Ok(false)
    } else {
        Err(ErrorReply::syntax().into())
    }
}

fn property(context: &Context<'_>, option: &[u8], value: &[u8]) -> Result<ClientProperty> {
    let text = String::from_utf8_lossy(value).into_owned();
    let unknown =
        |what: &str| ErrorReply::err(format!("Unknown {what} found in the provided filter: {text}"));
    Ok(match option {
        b"TYPE" => ClientProperty::Kind(kind(value)?),
        b"ADDR" => ClientProperty::Peer(text),
        b"LADDR" => ClientProperty::Local(text),
        // An address that is none is nobody's.
        b"IP" => text.parse::<IpAddr>().map_or(ClientProperty::Peer(text), ClientProperty::Ip),
        b"USER" if context.node.users.get(&text).is_some() => ClientProperty::User(text),
        b"USER" => return Err(ErrorReply::err(format!("No such user '{text}'")).into()),
        b"NAME" => ClientProperty::Name(text),
        b"LIB-NAME" => ClientProperty::LibName(text),
        b"LIB-VER" => ClientProperty::LibVer(text),
        b"DB" => {
            let last = DATABASES.saturating_sub(1);
            let db = parse_i64(value).and_then(|db| u32::try_from(db).ok()).filter(|db| *db <= last);
            ClientProperty::Db(
                db.ok_or_else(|| ErrorReply::err(format!("DB number should be between 0 and {last}")))?,
            )
        }
        b"FLAGS" if !text.is_empty() && text.chars().all(|letter| CLIENT_FLAGS.contains(letter)) => {
            ClientProperty::Flags(text)
        }
        b"FLAGS" => return Err(unknown("flags").into()),
        b"CAPA" if value == b"r" => ClientProperty::CanBeRedirected,
        b"CAPA" => return Err(unknown("capa").into()),
        _ => return Err(ErrorReply::syntax().into()),
    })
}

/// Connections here are normal, or listen, or follow by PSYNC.
fn kind(word: &[u8]) -> Result<ClientKind> {
    let is = |name: &str| word.eq_ignore_ascii_case(name.as_bytes());
    if is("normal") {
        Ok(ClientKind::Normal)
    } else if is("pubsub") {
        Ok(ClientKind::PubSub)
    } else if ["replica", "slave"].into_iter().any(is) {
        Ok(ClientKind::Replica)
    } else if ["master", "primary"].into_iter().any(is) {
        Ok(ClientKind::Other)
    } else {
        let word = String::from_utf8_lossy(word);
        Err(ErrorReply::err(format!("Unknown client type '{word}'")).into())
    }
}
