//! CLIENT TRACKING, CACHING, GETREDIR and TRACKINGINFO; CLIENT REVISION and CLIENT CACHED, for clients that reconnect.

use crate::{
    command::{Args, Effect},
    error::Result,
    resp::{ErrorReply, Protocol, Reply},
    session::{Context, TrackingMode, TrackingOptions, TrackingRevision, overlapping},
};
use bytes::Bytes;

/// The options as they were given.
#[derive(Debug, Default)]
struct Given {
    broadcast: bool,
    opt_in: bool,
    opt_out: bool,
    no_loop: bool,
    redirect: i64,
    prefixes: Vec<Bytes>,
    since: Option<TrackingRevision>,
}

impl Given {
    fn parse(context: &Context<'_>, args: &mut Args<'_>) -> Result<Self> {
        let mut given = Given::default();
        while !args.is_empty() {
            if args.remaining() > 1 && args.take("REDIRECT") {
                if given.redirect != 0 {
                    let text = "A client can only redirect to a single other client";
                    return Err(ErrorReply::err(text).into());
                }
                given.redirect = args.next_i64()?;
                let target = u64::try_from(given.redirect).ok().and_then(|id| context.node.clients.get(id));
                if target.is_none() {
                    let text = "The client ID you want redirect to does not exist";
                    return Err(ErrorReply::err(text).into());
                }
            } else if args.remaining() > 1 && args.take("PREFIX") {
                given.prefixes.push(Bytes::copy_from_slice(args.next_word()?));
            } else if args.remaining() > 1 && args.take("SINCE") {
                given.since = Some(TrackingRevision::parse(args.next_word()?)?);
            } else if args.take("BCAST") {
                given.broadcast = true;
            } else if args.take("OPTIN") {
                given.opt_in = true;
            } else if args.take("OPTOUT") {
                given.opt_out = true;
            } else if args.take("NOLOOP") {
                given.no_loop = true;
            } else {
                return Err(ErrorReply::syntax().into());
            }
        }
        Ok(given)
    }

    /// Whether the options agree among themselves, and with those in force.
    fn check(self, context: &Context<'_>) -> Result<TrackingOptions, ErrorReply> {
        let refuse = |text: &'static str| Err(ErrorReply::err(text));
        let current = context.session.tracking.as_ref();
        let is = |mode| current.is_some_and(|tracking| tracking.mode() == mode);
        if !self.broadcast && !self.prefixes.is_empty() {
            return refuse("PREFIX option requires BCAST mode to be enabled");
        }
        if current.is_some() && self.broadcast != is(TrackingMode::Broadcast) {
            return refuse(
                "You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it \
                 with a different mode.",
            );
        }
        if self.broadcast && (self.opt_in || self.opt_out) {
            return refuse("OPTIN and OPTOUT are not compatible with BCAST");
        }
        if self.opt_in && self.opt_out {
            return refuse("You can't specify both OPTIN mode and OPTOUT mode");
        }
        if self.opt_in && is(TrackingMode::OptOut) || self.opt_out && is(TrackingMode::OptIn) {
            return refuse(
                "You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it \
                 with a different mode.",
            );
        }
        if self.since.is_some() && !self.broadcast {
            return refuse(
                "SINCE requires BCAST mode; in other modes, CLIENT CACHED names the keys that are kept",
            );
        }
        if self.since.is_some() && self.redirect == 0 && context.session.protocol == Protocol::Resp2 {
            return refuse("SINCE requires RESP3 or REDIRECT: nobody would be told of the changes");
        }
        let mode = match (self.broadcast, self.opt_in, self.opt_out) {
            (true, _, _) => TrackingMode::Broadcast,
            (_, true, _) => TrackingMode::OptIn,
            (_, _, true) => TrackingMode::OptOut,
            _ => TrackingMode::Reads,
        };
        match current {
            Some(tracking) => overlapping(tracking.prefixes(), &self.prefixes)?,
            None => overlapping([].iter(), &self.prefixes)?,
        }
        let redirect = u64::try_from(self.redirect).unwrap_or_default();
        Ok(TrackingOptions { mode, no_loop: self.no_loop, redirect, prefixes: self.prefixes })
    }
}

pub(super) fn tracking(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Effect> {
    let switch = args.next_word()?;
    let given = Given::parse(context, args)?;
    if switch.eq_ignore_ascii_case(b"ON") {
        let since = given.since.clone();
        return Ok(Effect::Track { options: given.check(context)?, since });
    }
    if !switch.eq_ignore_ascii_case(b"OFF") {
        return Err(ErrorReply::syntax().into());
    }
    context.session.tracking = None;
    Ok(Effect::Reply(Reply::Ok))
}

pub(super) fn caching(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let Some(tracking) = &mut context.session.tracking else {
        let text = "CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled";
        return Err(ErrorReply::err(text).into());
    };
    let (wanted, text) = if args.take("YES") {
        (TrackingMode::OptIn, "CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.")
    } else if args.take("NO") {
        (TrackingMode::OptOut, "CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.")
    } else {
        return Err(ErrorReply::syntax().into());
    };
    if tracking.mode() != wanted {
        return Err(ErrorReply::err(text).into());
    }
    tracking.ask();
    Ok(Reply::Ok)
}

pub(super) fn revision(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Effect> {
    match context.session.tracking {
        Some(_) => Ok(Effect::TrackingRevision),
        None => {
            let text = "CLIENT REVISION can be called only when the client is in tracking mode";
            Err(ErrorReply::err(text).into())
        }
    }
}

pub(super) fn cached(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Effect> {
    let revision = TrackingRevision::parse(args.next_word()?)?;
    let mode = context.session.tracking.as_ref().map(|tracking| tracking.mode());
    if mode.is_none_or(|mode| mode == TrackingMode::Broadcast) {
        let text = "CLIENT CACHED can be called only when the client is in tracking mode, without BCAST";
        return Err(ErrorReply::err(text).into());
    }
    Ok(Effect::Cached { revision, keys: args.rest().iter().map(|key| key.to_vec()).collect() })
}

pub(super) fn getredir(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    Ok(Reply::Int(redirection(context)))
}

/// 0: messages go to the client itself; -1: it tracks nothing.
fn redirection(context: &Context<'_>) -> i64 {
    let state = *context.session.client.tracking.lock();
    state.map_or(-1, |state| i64::try_from(state.redirect).unwrap_or(i64::MAX))
}

pub(super) fn trackinginfo(context: &mut Context<'_>, _args: &mut Args<'_>) -> Result<Reply> {
    let (tracking, state) = (&context.session.tracking, *context.session.client.tracking.lock());
    let mut flags = vec![if state.is_some() { "on" } else { "off" }];
    if let (Some(tracking), Some(state)) = (tracking, state) {
        match state.mode {
            TrackingMode::Reads => {}
            TrackingMode::Broadcast => flags.push("bcast"),
            TrackingMode::OptIn => flags.push("optin"),
            TrackingMode::OptOut => flags.push("optout"),
        }
        match state.mode {
            TrackingMode::OptIn if tracking.is_asked() => flags.push("caching-yes"),
            TrackingMode::OptOut if tracking.is_asked() => flags.push("caching-no"),
            _ => {}
        }
        if state.no_loop {
            flags.push("noloop");
        }
        if state.is_broken {
            flags.push("broken_redirect");
        }
    }
    let prefixes = tracking.iter().flat_map(|tracking| tracking.prefixes()).map(Reply::bulk).collect();
    Ok(Reply::Map(vec![
        (Reply::bulk("flags"), Reply::Set(flags.into_iter().map(Reply::bulk).collect())),
        (Reply::bulk("redirect"), Reply::Int(redirection(context))),
        (Reply::bulk("prefixes"), Reply::Array(prefixes)),
    ]))
}
