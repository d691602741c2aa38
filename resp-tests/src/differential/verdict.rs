//! Judging two servers' replies to the same commands.

use super::explained::{self, Case, Difference};
use super::{Argv, chance, name_of, shape};
use crate::value::Value;

/// What two replies are to each other.
#[derive(Clone, Debug)]
pub enum Verdict {
    Same,
    /// They differ, and are meant to.
    Explained(&'static Difference),
    Differs(Mismatch),
}

/// Two replies that should be equal.
#[derive(Clone, Debug)]
pub struct Mismatch {
    pub argv: Argv,
    /// What is wrong, if more is known than that they differ.
    pub fault: Option<String>,
    pub product: Value,
    pub reference: Value,
}

impl Mismatch {
    /// Whether it looks like the same failure.
    pub fn is_like(&self, other: &Mismatch) -> bool {
        let code = |value: &Value| match value {
            Value::Error(text) => String::from_utf8_lossy(text).chars().take(24).collect::<String>(),
            other => format!("{:?}", std::mem::discriminant(other)),
        };
        name_of(&self.argv) == name_of(&other.argv)
            && code(&self.product) == code(&other.product)
            && code(&self.reference) == code(&other.reference)
    }
}

/// One client's commands, in order, and what each server answered to them.
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    pub calls: &'a [Argv],
    pub product: &'a [Value],
    pub reference: &'a [Value],
    /// Whether a consumer group was changed since the client said WATCH.
    pub is_group_changed: bool,
}

impl Exchange<'_> {
    /// Judges the replies at one place. `queue` is what EXEC there would run.
    pub fn judge(&self, at: usize, queue: &[Argv]) -> Verdict {
        let (argv, product, reference) = (&self.calls[at], &self.product[at], &self.reference[at]);
        if let (b"EXEC", Value::Array(a), Value::Array(b)) = (name_of(argv).as_slice(), product, reference)
            && a.len() == queue.len()
            && b.len() == queue.len()
        {
            return judge_transaction(&Exchange { calls: queue, product: a, reference: b, ..*self });
        }
        let differs = |fault| {
            let (product, reference) = (product.clone(), reference.clone());
            Verdict::Differs(Mismatch { argv: argv.clone(), fault, product, reference })
        };
        if chance::is_drawn(argv) {
            if *product == Value::Simple(b"QUEUED".to_vec()) && product == reference {
                return Verdict::Same;
            }
            for (whose, replies) in [("product", self.product), ("reference", self.reference)] {
                if let Some(fault) = chance::fault(self.calls, replies, at) {
                    return differs(Some(format!("{whose}: {fault}")));
                }
            }
            return if chance::same_size(product, reference) { Verdict::Same } else { differs(None) };
        }
        if product == reference {
            return Verdict::Same;
        }
        let (mut product, mut reference) = (product.clone(), reference.clone());
        if !self.is_in_order(at) {
            shape::normalise(argv, &mut product);
            shape::normalise(argv, &mut reference);
        }
        if product == reference || is_near(argv, &product, &reference) || self.is_after_draw(at) {
            return Verdict::Same;
        }
        let before = at.checked_sub(1).map(|before| (self.calls[before].as_slice(), &self.reference[before]));
        match explained::find(&Case {
            argv,
            product: &product,
            reference: &reference,
            before,
            is_group_changed: self.is_group_changed,
        }) {
            Some(difference) => Verdict::Explained(difference),
            None => differs(None),
        }
    }

    /// Whether the reply has an order that is promised: the reference says next that it keeps the key in one piece.
    fn is_in_order(&self, at: usize) -> bool {
        let (argv, Some(next), Some(encoding)) =
            (&self.calls[at], self.calls.get(at + 1), self.reference.get(at + 1))
        else {
            return false;
        };
        let asks = next.get(1).is_some_and(|word| word == b"ENCODING") && next.get(2) == argv.get(1);
        let shows = matches!(
            name_of(argv).as_slice(),
            b"HGETALL" | b"HKEYS" | b"HVALS" | b"HSCAN" | b"SMEMBERS" | b"SSCAN"
        );
        let is_in_one_piece =
            matches!(encoding, Value::Bulk(name) if matches!(name.as_slice(), b"listpack" | b"intset"));
        shows && name_of(next) == b"OBJECT" && asks && is_in_one_piece
    }

    /// What SPOP left on each server differs as much as what it took; that it is right has been judged with SPOP.
    fn is_after_draw(&self, at: usize) -> bool {
        let Some(before) = at.checked_sub(1) else { return false };
        let (spop, argv) = (&self.calls[before], &self.calls[at]);
        name_of(spop) == b"SPOP"
            && name_of(argv) == b"SMEMBERS"
            && spop.get(1) == argv.get(1)
            && chance::same_size(&self.product[at], &self.reference[at])
    }
}

/// The verdict on the commands of a transaction. After one that ended in different data the others say nothing.
fn judge_transaction(exchange: &Exchange) -> Verdict {
    let mut verdict = Verdict::Same;
    for at in 0..exchange.calls.len() {
        match exchange.judge(at, &[]) {
            Verdict::Same => {}
            Verdict::Explained(difference) => {
                verdict = Verdict::Explained(difference);
                if difference.is_stored {
                    break;
                }
            }
            differs => return differs,
        }
    }
    verdict
}

/// Equal as far as two clocks can be.
fn is_near(argv: &[Vec<u8>], product: &Value, reference: &Value) -> bool {
    match name_of(argv).as_slice() {
        b"TTL" | b"PTTL" | b"EXPIRETIME" | b"PEXPIRETIME" => shape::near_times(product, reference),
        // What was idle for how long.
        b"XPENDING" => shape::equal_but(product, reference, &mut shape::near_times),
        b"XINFO" => shape::equal_but(product, reference, &mut shape::near_times),
        // An id from the clock.
        b"XADD" if argv.iter().any(|word| word == b"*") => {
            match (entry_millis(product), entry_millis(reference)) {
                (Some(a), Some(b)) => a.abs_diff(b) < 60_000,
                _ => false,
            }
        }
        b"DUMP" => matches!((product, reference), (Value::Bulk(_), Value::Bulk(_))),
        b"HELLO" => shape_of(product) == shape_of(reference),
        // Only what begins at 0 and asks for all at once gives the same.
        b"SCAN" => is_page_of_many(argv, 1, product, reference),
        b"HSCAN" | b"SSCAN" | b"ZSCAN" => is_page_of_many(argv, 2, product, reference),
        _ => false,
    }
}

fn entry_millis(value: &Value) -> Option<u64> {
    let Value::Bulk(text) = value else { return None };
    let (millis, _) = std::str::from_utf8(text).ok()?.split_once('-')?;
    millis.parse().ok().filter(|millis| *millis > 1_500_000_000_000)
}

fn shape_of(value: &Value) -> &'static str {
    match value {
        Value::Map(_) => "map",
        Value::Array(_) => "array",
        _ => "else",
    }
}

fn is_page_of_many(argv: &[Vec<u8>], at: usize, product: &Value, reference: &Value) -> bool {
    let is_whole =
        argv.get(at).is_some_and(|cursor| cursor == b"0") && argv.iter().any(|word| word == b"1000000");
    !is_whole
        && matches!((product, reference), (Value::Array(a), Value::Array(b)) if a.len() == 2 && b.len() == 2)
}
