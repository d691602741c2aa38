//! The core gets other members while it works.
//!
//! Requests are repeated until the membership is what they ask for, as an operator or a script would: any single one may
//! meet a leader that is about to be none.

use std::thread;
use std::time::{Duration, Instant};

use super::Stage;
use crate::chaos::failure::Failure;
use crate::chaos::net::Network;
use crate::chaos::watch::{Status, status};
use crate::connection::Received;

/// A change of members may take so long, whatever else is broken (that lasts some seconds).
const CHANGE_MAX: Duration = Duration::from_secs(90);
const ANSWER_MAX: Duration = Duration::from_secs(20);
const AGAIN: Duration = Duration::from_millis(150);

pub(super) fn transfer(stage: &mut Stage<'_>) -> Result<(), Failure> {
    for _ in 0..5 {
        let target = stage.dice.below(stage.network.core().len() as u64) as usize;
        request(stage.network, stage.follower, &["CORE", "TRANSFER", &stage.network.nodes[target].name]);
        thread::sleep(Duration::from_millis(stage.dice.between(50, 500)));
    }
    Ok(())
}

pub(super) fn join_and_leave(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let spare = stage.network.spare();
    spare.start()?;
    let mut term = 0;
    let played = until(stage.network, None, &mut term, |told| told.is_voter(&spare.name))
        .map_err(|failure| failure.during(&format!("{} joins", spare.name)))
        .and_then(|()| {
            if stage.dice.below(2) == 0 {
                request(stage.network, stage.follower, &["CORE", "TRANSFER", &spare.name]);
            }
            stage.last(500, 3000);
            let remove = ["CORE", "REMOVE", &spare.name];
            until(stage.network, Some(&remove), &mut term, |told| told.role(&spare.name).is_none())
                .map_err(|failure| failure.during(&format!("{} leaves", spare.name)))
        })
        .map_err(|failure| failure.during(&spare.log_tail(5)));
    spare.kill();
    spare.wipe()?;
    played
}

pub(super) fn replace_leader(stage: &mut Stage<'_>) -> Result<(), Failure> {
    let leader = &stage.network.nodes[stage.leader];
    let remove = ["CORE", "REMOVE", &leader.name];
    let mut term = 0;
    until(stage.network, Some(&remove), &mut term, |told| told.role(&leader.name).is_none())
        .map_err(|failure| failure.during("the leader is removed"))?;
    stage.last(300, 2000);
    leader.kill();
    leader.wipe()?;
    leader.start()?;
    until(stage.network, None, &mut term, |told| told.is_voter(&leader.name))
        .map_err(|failure| failure.during("the removed leader comes back"))
}

/// Sends a request to one node after the other until the leader says that things are as they should be.
///
/// `term` is that of the last word that counted: what a leader of an earlier one says is out of date.
fn until(
    network: &Network,
    words: Option<&[&str]>,
    term: &mut u64,
    is_so: impl Fn(&Status) -> bool,
) -> Result<(), Failure> {
    let deadline = Instant::now() + CHANGE_MAX;
    let mut last = String::new();
    loop {
        for node in network.core() {
            let told = status(network, node).filter(|told| told.is_leaders_word && told.term >= *term);
            if let Some(told) = told {
                *term = told.term;
                if is_so(&told) && !told.is_changing {
                    return Ok(());
                }
                last = format!("{told:?}");
            }
            if let Some(words) = words {
                last = format!("{last}; {words:?} answered {}", request(network, node, words));
            }
            if Instant::now() > deadline {
                return Err(Failure::server(format!("not done in {CHANGE_MAX:?}: {last}")));
            }
            thread::sleep(AGAIN);
        }
    }
}

/// What came of a request, for messages.
pub(super) fn request(network: &Network, node: usize, words: &[&str]) -> String {
    let answer = network.connect(node).and_then(|mut connection| {
        connection.set_deadline(ANSWER_MAX);
        connection.call(words)
    });
    match answer {
        Ok(Received::Reply(reply)) => format!("{reply:?}"),
        Ok(Received::Closed) => "nothing".into(),
        Err(error) => error.to_string(),
    }
}
