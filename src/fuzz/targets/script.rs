//! Scripts: whatever the source is, it compiles or fails, runs within its limits, and a second run counts the same.

use flotilla::{
    resp::{ErrorReply, Reply},
    script::{Call, Host, Limits, LogLevel, Script, Stop},
};

const LIMITS: Limits = Limits { instructions: 50_000, memory_bytes: 2 << 20, reply_bytes: 1 << 20 };

/// Answers with what it was given.
struct Echo;

impl Host for Echo {
    fn call(&mut self, argv: &[&[u8]]) -> Result<Reply, Stop> {
        Ok(match argv {
            [b"nil", ..] => Reply::Nil,
            [b"error", ..] => Reply::Error(ErrorReply::wrong_type()),
            [b"map", key, value, ..] => Reply::Map(vec![(Reply::bulk(key), Reply::bulk(value))]),
            [b"double", ..] => Reply::Double(1.5),
            [b"writes", ..] => return Err(Stop::Writes),
            words => Reply::Array(words.iter().map(Reply::bulk).collect()),
        })
    }

    fn log(&mut self, _: LogLevel, _: &[u8]) {}

    fn is_killed(&self) -> bool {
        false
    }

    fn may_call(&self, argv: &[&[u8]]) -> Option<bool> {
        (argv.len() > 1).then_some(true)
    }
}

/// What can be compared of a run.
fn outcome(script: &Script, data: &[u8]) -> String {
    let call = Call { keys: &[data], argv: &[b"1", data], seed: 3, limits: &LIMITS };
    match script.run(call, &mut Echo) {
        Ok(ran) => format!("{:?} {} {}", ran.reply, ran.instructions, ran.memory_bytes),
        Err(stop) => format!("{stop:?}"),
    }
}

pub fn run(data: &[u8]) {
    if let Ok(script) = Script::new(data) {
        assert_eq!(outcome(&script, data), outcome(&script, data));
    }
}
