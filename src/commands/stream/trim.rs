//! XTRIM, and the options that XADD shares with it.

use super::delete_with::take_references;
use crate::{
    command::{Access, Args, Command, Flags, Group, KeyRange, PassedOn, Run},
    commands::passing,
    error::Result,
    resp::{ErrorReply, Reply},
    store::{EventClass, Txn},
    types::stream::{NODE_ENTRIES, References, Stream, StreamId, Trim, TrimTo},
};

/// Most entries that one approximate trim removes, unless LIMIT is given.
const LIMIT_DEFAULT: u64 = 100 * NODE_ENTRIES;

pub(super) const XTRIM: Command = Command {
    name: "XTRIM",
    passed_on: PassedOn::As(passing::trimmed_stream),
    access: &[Access::Delete],
    tips: &["nondeterministic_output"],
    arity: -4,
    keys: KeyRange::ONE,
    run: Run::Write(xtrim),
    flags: Flags::WRITE,
    group: Group::Stream,
    since: "5.0.0",
    complexity: "O(N) where N is the number of entries that go.",
    summary: "Removes the oldest entries, down to a length or up to an id.",
    syntax: "key <<MAXLEN | MINID> [= | ~] threshold [LIMIT count]> [KEEPREF | DELREF | ACKED]",
    ..Command::BASE
};

/// The options of one call as far as they have been read.
#[derive(Debug, Default)]
pub(super) struct TrimOptions {
    to: Option<TrimTo>,
    is_approximate: bool,
    limit: Option<u64>,
    references: Option<References>,
    /// XTRIM has nothing else to do.
    must_trim: bool,
    /// The active feature level.
    level: u32,
}

impl TrimOptions {
    /// Of a command that trims beside other things.
    pub(super) fn new(level: u32) -> Self {
        TrimOptions { level, ..TrimOptions::default() }
    }

    /// Of a command that has nothing to do but to trim.
    fn of_xtrim(level: u32) -> Self {
        TrimOptions { must_trim: true, ..TrimOptions::new(level) }
    }

    /// What becomes of references to the entries that go.
    pub(super) fn references(&self) -> References {
        self.references.unwrap_or_default()
    }

    /// Reads one option, if one is next.
    pub(super) fn take(&mut self, args: &mut Args<'_>) -> Result<bool> {
        if self.references.is_none()
            && let Some(references) = take_references(args, self.level)?
        {
            self.references = Some(references);
            return Ok(true);
        }
        if args.remaining() < 2 {
            return Ok(false);
        }
        if args.take("MAXLEN") {
            self.choose(args)?;
            self.to = Some(TrimTo::Len(not_negative(args.next_i64()?, "MAXLEN")?));
        } else if args.take("MINID") {
            self.choose(args)?;
            self.to = Some(TrimTo::Id(StreamId::parse(args.next_word()?, 0)?));
        } else if args.take("LIMIT") {
            self.limit = Some(not_negative(args.next_i64()?, "LIMIT")?);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn choose(&mut self, args: &mut Args<'_>) -> Result<()> {
        if self.to.is_some() {
            let text = "syntax error, MAXLEN and MINID options at the same time are not compatible";
            return Err(ErrorReply::err(text).into());
        }
        self.is_approximate = args.remaining() > 1 && args.take("~");
        if !self.is_approximate && args.remaining() > 1 {
            args.take("=");
        }
        Ok(())
    }

    /// The combined options; `None` = do not trim.
    pub(super) fn finish(&self) -> Result<Option<Trim>> {
        let refused = |text: &'static str| Err(ErrorReply::err(text).into());
        if self.to.is_none() && self.limit.is_some_and(|limit| limit > 0) {
            return refused("syntax error, LIMIT cannot be used without specifying a trimming strategy");
        }
        if self.limit.is_some() && !self.is_approximate && (self.to.is_some() || !self.must_trim) {
            return refused("syntax error, LIMIT cannot be used without the special ~ option");
        }
        let Some(to) = self.to else {
            if self.must_trim {
                return refused("syntax error, XTRIM must be called with a trimming strategy");
            }
            return Ok(None);
        };
        let limit = match self.limit {
            Some(0) => None,
            Some(limit) => Some(limit),
            None => self.is_approximate.then_some(LIMIT_DEFAULT),
        };
        Ok(Some(Trim { to, is_approximate: self.is_approximate, limit }))
    }
}

fn not_negative(number: i64, option: &str) -> Result<u64, ErrorReply> {
    u64::try_from(number).map_err(|_| ErrorReply::err(format!("The {option} argument must be >= 0.")))
}

fn xtrim(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let mut options = TrimOptions::of_xtrim(txn.feature_level());
    while !args.is_empty() {
        if !options.take(args)? {
            return Err(ErrorReply::syntax().into());
        }
    }
    let trim = options.finish()?;
    let Some((mut stream, trim)) = Stream::open(&txn.view(), key)?.zip(trim) else {
        return Ok(Reply::Int(0));
    };
    let trimmed = stream.trim_with(txn, trim, options.references())?;
    if trimmed > 0 {
        stream.save(txn, key)?;
        txn.event(EventClass::Stream, "xtrim", key);
    }
    Ok(Reply::count(trimmed))
}
