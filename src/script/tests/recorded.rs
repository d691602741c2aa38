//! What redis-server 7.0.15 answered, and what we do. A script may begin with `KEYS a b | ARGV c`.

use super::{LIMITS, TestHost, show};
use crate::script::{Call, Ran, Script, Stop};

struct Recorded {
    keys: Vec<&'static str>,
    argv: Vec<&'static str>,
    body: &'static str,
    reply: &'static str,
}

fn recorded() -> Vec<Recorded> {
    let all = include_str!("recorded.txt").split("\n---\n").filter(|block| !block.trim().is_empty());
    all.map(|block| {
        let (body, reply) = block.trim_start_matches('\n').rsplit_once("\n=> ").expect(block);
        let Some((head, body)) = body.strip_prefix("KEYS ").and_then(|rest| rest.split_once('\n')) else {
            return Recorded { keys: vec![], argv: vec![], body, reply };
        };
        let (keys, argv) = head.split_once('|').unwrap();
        let words = |text: &'static str| text.split_whitespace().collect();
        Recorded { keys: words(keys), argv: words(argv), body, reply }
    })
    .collect()
}

fn run(recorded: &Recorded) -> Result<Ran, Stop> {
    fn bytes(words: &[&'static str]) -> Vec<&'static [u8]> {
        words.iter().map(|word| word.as_bytes()).collect()
    }
    let (keys, argv) = (bytes(&recorded.keys), bytes(&recorded.argv));
    match Script::new(recorded.body.as_bytes()) {
        Ok(script) => {
            script.run(Call { keys: &keys, argv: &argv, seed: 0, limits: &LIMITS }, &mut TestHost::default())
        }
        Err(error) => Ok(Ran { reply: crate::resp::Reply::Error(error), instructions: 0, memory_bytes: 0 }),
    }
}

#[test]
fn replies_are_those_of_redis() {
    let all = recorded();
    assert!(all.len() > 400, "{}", all.len());
    let mut wrong = Vec::new();
    for recorded in &all {
        let reply = match run(recorded) {
            Ok(ran) => show(&ran.reply).replace('\n', "\\n"),
            Err(stop) => format!("{stop:?}"),
        };
        if reply != recorded.reply {
            wrong.push(format!("{}\n  recorded {}\n  now      {reply}", recorded.body, recorded.reply));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The counters are part of what replicas agree on.
#[test]
fn a_second_run_counts_the_same() {
    for recorded in recorded() {
        let (Ok(a), Ok(b)) = (run(&recorded), run(&recorded)) else { continue };
        assert_eq!(a.reply, b.reply, "{}", recorded.body);
        let counts = |ran: &Ran| (ran.instructions, ran.memory_bytes);
        assert_eq!(counts(&a), counts(&b), "{}", recorded.body);
    }
}

/// Any end of a script's instructions ends it, and none of them panics.
#[test]
fn every_script_can_end_anywhere() {
    for recorded in recorded().iter().step_by(3) {
        let Ok(script) = Script::new(recorded.body.as_bytes()) else { continue };
        let Ok(whole) = run(recorded) else { continue };
        let steps = (whole.instructions / 23).max(1);
        for instructions in (1..whole.instructions).step_by(usize::try_from(steps).unwrap()) {
            let limits = crate::script::Limits { instructions, ..LIMITS };
            let call = Call { keys: &[], argv: &[], seed: 0, limits: &limits };
            let ended = script.run(call, &mut TestHost::default());
            assert!(
                matches!(ended, Err(Stop::Limit(_))),
                "{} after {instructions}: {ended:?}",
                recorded.body
            );
        }
    }
}
