//! BITFIELD: integers of any width inside a string.

use super::bit::{byte_of, grow, offset, save_if_changed};
use crate::{
    command::{Access, Args, Command, Flags, Group, KeyRange, PassedOn, Run},
    error::Result,
    resp::{ErrorReply, Reply},
    store::{Txn, View},
    types::{
        bitmap::{Field, Overflow},
        string::{Edit, StoredString},
    },
};

pub(super) const BITFIELD: Command = Command {
    name: "BITFIELD",
    passed_on: PassedOn::AsCalled,
    access: &[Access::ReadUpdate],
    variable_access: Some(access),
    arity: -2,
    keys: KeyRange::ONE,
    run: Run::Write(bitfield),
    flags: Flags::WRITE.with(Flags::DENYOOM),
    group: Group::Bitmap,
    since: "3.2.0",
    complexity: "O(1) for each operation.",
    summary: "Reads and changes integers of 1 to 64 bits inside a string.",
    syntax: "key [<GET encoding offset | [OVERFLOW <WRAP | SAT | FAIL>] <SET encoding offset value | INCRBY encoding offset increment>> ...]",
    ..Command::BASE
};

/// It may read only.
fn access(argv: &[&[u8]]) -> Access {
    let writes = argv
        .iter()
        .skip(2)
        .any(|word| [&b"SET"[..], b"INCRBY"].iter().any(|name| word.eq_ignore_ascii_case(name)));
    if writes { Access::ReadUpdate } else { Access::Read }
}

pub(super) const BITFIELD_RO: Command = Command {
    name: "BITFIELD_RO",
    arity: -2,
    keys: KeyRange::ONE,
    run: Run::Read(bitfield_ro),
    flags: Flags::READONLY.with(Flags::FAST),
    group: Group::Bitmap,
    since: "6.0.0",
    complexity: "O(1) for each operation.",
    summary: "Reads integers of 1 to 64 bits inside a string.",
    syntax: "key [<GET encoding offset> ...]",
    ..Command::BASE
};

/// One step of BITFIELD.
struct Step {
    field: Field,
    offset: u64,
    action: Action,
}

enum Action {
    Get,
    Set(i64, Overflow),
    Add(i64, Overflow),
}

impl Step {
    fn writes(&self) -> bool {
        !matches!(self.action, Action::Get)
    }

    /// The last bit that it touches.
    fn last_bit(&self) -> u64 {
        self.offset.saturating_add(u64::from(self.field.bits())).saturating_sub(1)
    }

    /// Does it. A string that is written to must reach so far.
    fn run(&self, view: &View<'_>, edit: &mut Edit) -> Result<Reply> {
        let (at, bit) = (byte_of(self.offset), self.offset & 7);
        // Up to 64 bits that begin anywhere in a byte touch nine bytes.
        let mut window: [u8; 9] = edit.read(view, at)?;
        let before = self.field.get(&window, bit);
        let (new, reply) = match self.action {
            Action::Get => return Ok(Reply::Int(before)),
            Action::Set(number, overflow) => (self.field.fit(number, overflow), before),
            Action::Add(amount, overflow) => {
                let sum = self.field.add(before, amount, overflow);
                (sum, sum.unwrap_or(before))
            }
        };
        let Some(new) = new else { return Ok(Reply::Nil) };
        self.field.set(&mut window, bit, new);
        let end = byte_of(self.last_bit()).saturating_add(1);
        edit.write(view, at, window.get(..end.saturating_sub(at)).unwrap_or_default())?;
        Ok(Reply::Int(reply))
    }
}

fn bitfield(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let steps = steps(args)?;
    let mut edit = Edit::of(StoredString::open(&txn.view(), key)?);
    let last_bit = steps.iter().filter(|step| step.writes()).map(Step::last_bit).max();
    if let Some(last_bit) = last_bit {
        grow(&mut edit, last_bit)?;
    }
    let replies = run(&txn.view(), &mut edit, &steps)?;
    if last_bit.is_some() {
        save_if_changed(txn, key, edit)?;
    }
    Ok(replies)
}

fn bitfield_ro(view: &View<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let steps = steps(args)?;
    if steps.iter().any(Step::writes) {
        return Err(ErrorReply::err("BITFIELD_RO only supports the GET subcommand").into());
    }
    run(view, &mut Edit::of(StoredString::open(view, key)?), &steps)
}

fn run(view: &View<'_>, edit: &mut Edit, steps: &[Step]) -> Result<Reply> {
    Ok(Reply::Array(steps.iter().map(|step| step.run(view, edit)).collect::<Result<_>>()?))
}

fn steps(args: &mut Args<'_>) -> Result<Vec<Step>> {
    let mut steps = Vec::new();
    let mut overflow = Overflow::Wrap;
    while !args.is_empty() {
        let left = args.remaining();
        if left > 1 && args.take("OVERFLOW") {
            overflow = Overflow::parse(args.next_word()?)
                .ok_or_else(|| ErrorReply::err("Invalid OVERFLOW type specified"))?;
        } else if left > 2 && args.take("GET") {
            let (field, offset) = place(args)?;
            steps.push(Step { field, offset, action: Action::Get });
        } else if left > 3 && args.take("SET") {
            let (field, offset) = place(args)?;
            steps.push(Step { field, offset, action: Action::Set(args.next_i64()?, overflow) });
        } else if left > 3 && args.take("INCRBY") {
            let (field, offset) = place(args)?;
            steps.push(Step { field, offset, action: Action::Add(args.next_i64()?, overflow) });
        } else {
            return Err(ErrorReply::syntax().into());
        }
    }
    Ok(steps)
}

fn place(args: &mut Args<'_>) -> Result<(Field, u64)> {
    let field = Field::parse(args.next_word()?).ok_or_else(|| {
        ErrorReply::err(
            "Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is.",
        )
    })?;
    Ok((field, offset(args.next_word()?, Some(field.bits()))?))
}
