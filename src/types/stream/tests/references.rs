//! Entries deleted with regard to groups, on a store and on the model.

use super::{model::ModelStream, support::run};
use crate::{resp::Reply, store::Txn, types::stream::StreamId};
use resp_tests::dice::Dice;

/// Runs XDELEX, XACKDEL or XTRIM on both.
pub fn step(dice: &mut Dice, txn: &mut Txn<'_>, whole: &mut ModelStream, name: &str, id: StreamId) {
    let word = ["", "KEEPREF ", "DELREF ", "ACKED "][dice.below(4) as usize];
    match dice.below(3) {
        0 => {
            let expected = delete(whole, word, id);
            let reply = run(txn, &format!("XDELEX s {word}IDS 1 {id}"));
            assert_eq!(reply, Reply::Array(vec![Reply::Int(expected)]), "{word}{id}");
        }
        1 => {
            let was_pending =
                whole.groups.get_mut(name).is_some_and(|group| group.pending.remove(&id).is_some());
            let expected = if was_pending { delete(whole, word, id).abs() } else { -1 };
            let reply = run(txn, &format!("XACKDEL s {name} {word}IDS 1 {id}"));
            assert_eq!(reply, Reply::Array(vec![Reply::Int(expected)]), "{name} {word}{id}");
        }
        _ => {
            let before = whole.entries.len();
            let len = dice.below(before as u64 + 1) as usize;
            let ids: Vec<StreamId> = whole.entries.keys().copied().collect();
            for id in ids {
                if whole.entries.len() > len {
                    delete(whole, word, id);
                }
            }
            let reply = run(txn, &format!("XTRIM s {word}MAXLEN {len}"));
            assert_eq!(reply, Reply::Int((before - whole.entries.len()) as i64), "{word}{len}");
        }
    }
}

/// What XDELEX answers.
fn delete(whole: &mut ModelStream, word: &str, id: StreamId) -> i64 {
    let mut groups = whole.groups.values();
    let is_done_with = groups.all(|group| id <= group.last_id && !group.pending.contains_key(&id));
    if word == "ACKED " && !is_done_with {
        return 2;
    }
    if word == "DELREF " {
        whole.groups.values_mut().for_each(|group| drop(group.pending.remove(&id)));
    }
    if whole.entries.remove(&id).is_some() { 1 } else { -1 }
}
