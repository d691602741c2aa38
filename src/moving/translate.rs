//! A source's stream of commands as units of the log (`replica/source.rs`).
//!
//! | from the source | here |
//! |---|---|
//! | SELECT | the database of what follows; one that is not there ends it |
//! | MULTI … EXEC | one unit, which is applied as a whole |
//! | PING, REPLCONF, PUBLISH, SPUBLISH | nothing but its bytes: they count for the position |
//! | any other command | one unit |

use crate::{
    limits::{DATABASES, MULTI_BYTES_MAX},
    replica::StepBuilder,
};

/// Words of calls, with their database.
type Calls = Vec<(u32, Vec<Vec<u8>>)>;

/// See the module.
#[derive(Debug, Default)]
pub struct Translator {
    db: u32,
    transaction: Option<Calls>,
    transaction_bytes: usize,
    /// Bytes of the stream that no unit covers yet.
    pending: u64,
}

/// What a command asks of whoever reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    Nothing,
    /// To say at once how far it has come.
    Position,
}

impl Translator {
    /// Of a stream that has selected this database.
    pub fn new(db: u32) -> Self {
        Translator { db, ..Translator::default() }
    }

    /// Takes a command, which took so many bytes of the stream.
    pub fn take(&mut self, argv: &[&[u8]], used: usize, step: &mut StepBuilder) -> Result<Asked, String> {
        self.pending = self.pending.saturating_add(used as u64);
        let name = argv.first().copied().unwrap_or_default();
        let is = |other: &str| name.eq_ignore_ascii_case(other.as_bytes());
        if is("PING") || is("PUBLISH") || is("SPUBLISH") {
            return Ok(Asked::Nothing);
        }
        if is("REPLCONF") {
            let asks = argv.get(1).is_some_and(|word| word.eq_ignore_ascii_case(b"GETACK"));
            return Ok(if asks { Asked::Position } else { Asked::Nothing });
        }
        if is("SELECT") {
            self.db = database(argv)?;
            return Ok(Asked::Nothing);
        }
        if is("MULTI") {
            self.transaction = Some(Vec::new());
            self.transaction_bytes = 0;
            return Ok(Asked::Nothing);
        }
        if is("EXEC") {
            let calls = self.transaction.take();
            self.push(&calls.ok_or("an EXEC without MULTI")?, step);
            return Ok(Asked::Nothing);
        }
        let call = (self.db, argv.iter().map(|word| word.to_vec()).collect());
        match &mut self.transaction {
            None => self.push(&[call], step),
            Some(calls) => {
                // Words of a few bytes take more than their bytes.
                let words = argv.len().saturating_mul(size_of::<Vec<u8>>());
                self.transaction_bytes = self.transaction_bytes.saturating_add(used).saturating_add(words);
                if self.transaction_bytes > MULTI_BYTES_MAX {
                    return Err(format!("a transaction of more than {MULTI_BYTES_MAX} bytes"));
                }
                calls.push(call);
            }
        }
        Ok(Asked::Nothing)
    }

    /// What is behind the last unit becomes part of the step, unless a transaction is open.
    pub fn finish(&mut self, step: &mut StepBuilder) {
        if self.transaction.is_none() && self.pending > 0 {
            self.push(&[], step);
        }
    }

    fn push(&mut self, calls: &[(u32, Vec<Vec<u8>>)], step: &mut StepBuilder) {
        step.push(std::mem::take(&mut self.pending), self.db, calls);
    }
}

fn database(argv: &[&[u8]]) -> Result<u32, String> {
    let number = argv.get(1).and_then(|word| std::str::from_utf8(word).ok()?.parse::<u32>().ok());
    match number {
        Some(db) if db < DATABASES => Ok(db),
        _ => {
            let word =
                argv.get(1).map_or_else(String::new, |word| String::from_utf8_lossy(word).into_owned());
            Err(format!("it has a database '{word}', and here there are {DATABASES}: 0 to {}", DATABASES - 1))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replica::{FromSource, Proposal};

    /// Span, database and calls.
    type Unit = (u64, u32, Vec<String>);

    fn units(step: StepBuilder) -> Vec<Unit> {
        let bytes = step.finish(1, 2, 3);
        let Ok(Proposal::Source(FromSource::Step(mut step))) = Proposal::decode(&bytes) else { panic!() };
        let mut units = Vec::new();
        while let Some(unit) = step.next_unit().unwrap() {
            let mut calls = unit.calls;
            let mut texts = Vec::new();
            while let Some(call) = calls.next_call().unwrap() {
                let words: Vec<_> = call.argv.iter().map(|word| String::from_utf8_lossy(word)).collect();
                texts.push(format!("{}: {}", call.db, words.join(" ")));
            }
            units.push((unit.span, unit.db, texts));
        }
        units
    }

    fn translate(db: u32, lines: &[&str]) -> (Vec<Unit>, Vec<Asked>) {
        let (mut translator, mut step, mut asked) = (Translator::new(db), StepBuilder::default(), vec![]);
        for line in lines {
            let argv: Vec<&[u8]> = line.split(' ').map(str::as_bytes).collect();
            asked.push(translator.take(&argv, 10, &mut step).unwrap());
        }
        translator.finish(&mut step);
        (units(step), asked)
    }

    #[test]
    fn bytes_without_a_command_count_for_the_position() {
        let (units, asked) = translate(3, &["PING", "SET a b", "replconf getack *", "PUBLISH c m"]);
        assert_eq!(units, [(20, 3, vec!["3: SET a b".to_owned()]), (20, 3, vec![])]);
        assert_eq!(asked[2], Asked::Position);
        assert_eq!(asked[3], Asked::Nothing);
    }

    #[test]
    fn a_transaction_is_one_unit_and_an_open_one_is_none() {
        let (units, _) =
            translate(0, &["MULTI", "INCR a", "SELECT 2", "INCR b", "EXEC", "SELECT 1", "MULTI", "X"]);
        assert_eq!(units, [(50, 2, vec!["0: INCR a".to_owned(), "2: INCR b".to_owned()])]);
    }

    #[test]
    fn what_makes_no_sense_ends_it() {
        let refuse =
            |words: &[&[u8]]| Translator::new(0).take(words, 1, &mut StepBuilder::default()).unwrap_err();
        assert!(refuse(&[b"EXEC"]).contains("without MULTI"));
        assert!(refuse(&[b"SELECT", b"16"]).contains("0 to 15"));
        assert!(refuse(&[b"SELECT"]).contains("database ''"));
    }
}
