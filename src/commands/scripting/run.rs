//! How a call's script runs: in a batch (`logged`), in a batch that is thrown away (`tried`), on a view (`on_view`).

use super::{
    LIMITS, code, counts,
    host::{Trial, TxnHost, ViewHost},
    kept, libraries, memo,
    running::{Place, Run},
    sha1::Sha1,
    slots::Slots,
};
use crate::{
    acl::User,
    command::{Args, Outlook, TrialRules, parse_i64},
    error::{Error, Result},
    resp::{ErrorReply, Reply},
    script::{Call, Host, Library, Limits, Ran, Script, ScriptFlags, Stop},
    store::{Txn, View},
    time::monotonic_us,
    types::random,
};
use std::cell::Cell;

/// How a call names its code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    /// EVAL: it brings it.
    Text,
    /// EVALSHA.
    Sha1,
    /// FCALL.
    Function,
}

/// A call's code.
enum Code {
    Script(Script),
    Function(Library, String, ScriptFlags),
}

/// A call that is ready to run.
struct Prepared<'a> {
    code: Code,
    /// Of the text.
    sha1: Sha1,
    /// The text is kept under it; of EVAL it may be not.
    kept: Option<kept::Kept>,
    text: Option<&'a [u8]>,
    words: &'a [&'a [u8]],
    keys: &'a [&'a [u8]],
    argv: &'a [&'a [u8]],
    /// A user who may not do everything.
    caller: Option<&'a User>,
}

fn no_script() -> ErrorReply {
    ErrorReply::new("NOSCRIPT", "No matching script. Please use EVAL.")
}

fn killed() -> ErrorReply {
    ErrorReply::err("Error running script: Script killed by user with SCRIPT KILL.")
}

impl<'a> Prepared<'a> {
    fn new(view: &View<'_>, args: &mut Args<'a>, named: Named) -> Result<Self> {
        let (words, word) = (args.argv(), args.next_word()?);
        let (keys, argv) = keys_and_argv(args, named)?;
        let (mut kept, mut text) = (None, None);
        let (sha1, code) = match named {
            Named::Text => {
                let sha1 = Sha1::of(word);
                (kept, text) = (kept::find(view, &sha1)?, Some(word));
                (sha1, Code::Script(code::script(&sha1, word)?))
            }
            Named::Sha1 => {
                let sha1 = Sha1::parse(word).ok_or_else(no_script)?;
                let found = kept::find(view, &sha1)?.ok_or_else(no_script)?;
                let script = code::script(&sha1, &found.text)?;
                kept = Some(found);
                (sha1, Code::Script(script))
            }
            Named::Function => {
                let (library, name, flags) = libraries::function(view, word)?;
                (Sha1::of_function(word), Code::Function(library, name, flags))
            }
        };
        Ok(Prepared { code, sha1, kept, text, words, keys, argv, caller: args.caller() })
    }

    /// A function is never without.
    fn flags(&self) -> ScriptFlags {
        match &self.code {
            Code::Script(script) => script.flags(),
            Code::Function(_, _, flags) => ScriptFlags { has_shebang: true, ..*flags },
        }
    }

    fn slots(&self, is_bound: bool) -> Slots {
        let flags = self.flags();
        Slots::new(is_bound && flags.has_shebang && !flags.allow_cross_slot_keys, self.keys)
    }

    fn function(&self) -> Option<&[u8]> {
        match &self.code {
            Code::Script(_) => None,
            Code::Function(_, name, _) => Some(name.as_bytes()),
        }
    }

    fn run(&self, seed: u64, limits: &Limits, host: &mut dyn Host) -> Result<Ran, Stop> {
        let call = Call { keys: self.keys, argv: self.argv, seed, limits };
        let began_us = monotonic_us();
        let outcome = match &self.code {
            Code::Script(script) => script.run(call, host),
            Code::Function(library, name, _) => library.run(name, call, host),
        };
        counts::ran(monotonic_us().saturating_sub(began_us), &outcome);
        outcome
    }
}

/// Words of a call.
type Words<'a> = &'a [&'a [u8]];

/// Redis's checks of `numkeys`.
fn keys_and_argv<'a>(args: &mut Args<'a>, named: Named) -> Result<(Words<'a>, Words<'a>)> {
    let no_number = || match named {
        Named::Text | Named::Sha1 => ErrorReply::not_integer(),
        Named::Function => ErrorReply::err("Bad number of keys provided"),
    };
    let count = parse_i64(args.next_word()?).ok_or_else(no_number)?;
    let Ok(count) = usize::try_from(count) else {
        return Err(ErrorReply::err("Number of keys can't be negative").into());
    };
    let keys_and_argv = args.rest().split_at_checked(count);
    Ok(keys_and_argv.ok_or_else(|| ErrorReply::err("Number of keys can't be greater than number of args"))?)
}

/// In apply: on every replica alike.
pub(super) fn logged(txn: &mut Txn<'_>, args: &mut Args<'_>, named: Named) -> Result<Reply> {
    let call = Prepared::new(&txn.view(), args, named)?;
    match (&call.kept, call.text) {
        (Some(kept), _) => kept::used(txn, &call.sha1, kept)?,
        (None, Some(text)) => kept::keep(txn, &call.sha1, text)?,
        (None, None) => {}
    }
    let ran = in_txn(txn, &call, None);
    // What this node has seen: not part of what the entry does.
    let instructions = ran.as_ref().ok().and_then(Option::as_ref).map_or(u64::MAX, |ran| ran.instructions);
    memo::ran(&call.sha1, instructions);
    Ok(ran?.map_or(Reply::Nil, |ran| ran.reply))
}

/// In a batch that is thrown away. `Err`: it must not be logged, and why.
pub(super) fn tried(txn: &mut Txn<'_>, args: &mut Args<'_>, named: Named, rules: TrialRules) -> Result<()> {
    let call = Prepared::new(&txn.view(), args, named)?;
    let trial = Trial::new(rules.room, call.slots(rules.in_one_slot));
    match in_txn(txn, &call, Some(trial))? {
        Some(ran) => memo::ran(&call.sha1, ran.instructions),
        None => memo::ran(&call.sha1, u64::MAX),
    }
    Ok(())
}

/// An error of the script itself is its reply, and what it wrote before stands. A limit that was met is an error of the call:
/// nothing of it stands. `None`: the trial was large enough.
fn in_txn(txn: &mut Txn<'_>, call: &Prepared<'_>, trial: Option<Trial>) -> Result<Option<Ran>> {
    let limits = Limits { instructions: txn.instructions_left()?, ..LIMITS };
    let before = txn.begin_script();
    let seed = txn.random();
    let is_read_only = call.flags().no_writes;
    let place = if trial.is_some() { Place::OutsideTheLog } else { Place::Log };
    let running = Run::new(place, call.function(), call.words);
    let mut host = TxnHost { txn, is_read_only, caller: call.caller, running, trial };
    let ran = call.run(seed, &limits, &mut host);
    let was_enough = host.trial.is_some_and(|trial| trial.was_enough());
    txn.end_script(before);
    let instructions = ran.as_ref().map_or(limits.instructions, |ran| ran.instructions);
    txn.spend_instructions(instructions);
    if was_enough {
        return Ok(None);
    }
    ran.map(Some).map_err(|stop| match stop {
        Stop::Store(error) => error.into(),
        Stop::Limit(error) | Stop::Refused(error) => error.into(),
        Stop::Killed => killed().into(),
        Stop::Writes => ErrorReply::err("internal error").into(),
    })
}

/// On a view. `is_read_only`: it must not write; otherwise it is `Error::Writes` when it is about to.
pub(super) fn on_view(
    view: &View<'_>,
    args: &mut Args<'_>,
    named: Named,
    is_read_only: bool,
) -> Result<Reply> {
    let call = Prepared::new(view, args, named)?;
    if is_read_only && call.flags().has_shebang && !call.flags().no_writes {
        let text = "Can not execute a script with write flag using *_ro command.";
        return Err(ErrorReply::err(text).into());
    }
    let mut dice = random::dice(view);
    let (seed, dice) = (dice(), Cell::new(dice()));
    let is_read_only = is_read_only || call.flags().no_writes;
    let running = Run::new(Place::OutsideTheLog, call.function(), call.words);
    let slots = call.slots(view.is_in_one_slot());
    let mut host = ViewHost::new(*view, &dice, is_read_only, running, slots, call.caller);
    let limits = Limits { instructions: view.instructions_left(), ..LIMITS };
    let ran = call.run(seed, &limits, &mut host);
    view.spend_instructions(ran.as_ref().map_or(limits.instructions, |ran| ran.instructions));
    match (ran, host.ended()) {
        (_, Some(why)) => {
            if matches!(why, Error::Writes) {
                memo::wrote(&call.sha1, true);
            }
            Err(why)
        }
        (Ok(ran), None) => {
            memo::wrote(&call.sha1, false);
            Ok(ran.reply)
        }
        (Err(Stop::Store(error)), None) => Err(error.into()),
        (Err(Stop::Limit(error) | Stop::Refused(error)), None) => Err(error.into()),
        (Err(Stop::Killed), None) => Err(killed().into()),
        (Err(Stop::Writes), None) => Err(Error::Writes),
    }
}

/// What a call's script says of itself.
pub(super) fn flags(view: &View<'_>, args: &mut Args<'_>, named: Named) -> Result<ScriptFlags> {
    Ok(Prepared::new(view, args, named)?.flags())
}

/// What this node knows of a call's script.
pub(super) fn outlook(view: &View<'_>, args: &mut Args<'_>, named: Named) -> Result<Outlook> {
    let word = args.next_word()?;
    let (sha1, is_kept) = match named {
        Named::Text => {
            let sha1 = Sha1::of(word);
            (sha1, kept::find(view, &sha1)?.is_some())
        }
        Named::Sha1 => (Sha1::parse(word).ok_or_else(no_script)?, true),
        Named::Function => (Sha1::of_function(word), true),
    };
    let seen = memo::of(&sha1);
    Ok(Outlook { writes: seen.writes, is_short: seen.is_short(), is_kept })
}
