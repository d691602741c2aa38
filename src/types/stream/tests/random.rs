//! Random commands on a store and on the model; some are taken back, and the store is closed now and then.

use super::{
    model::{ModelGroup, ModelStream, compare, ids_of},
    references,
    support::{Home, run},
};
use crate::{resp::Reply, store::Txn, types::stream::StreamId};
use resp_tests::dice::Dice;

const GROUPS: [&str; 2] = ["g", "gg"];
const CONSUMERS: [&str; 3] = ["c", "cc", "d"];

fn pick<'a>(dice: &mut Dice, from: &[&'a str]) -> &'a str {
    from[dice.below(from.len() as u64) as usize]
}

fn some_id(dice: &mut Dice, model: &ModelStream) -> StreamId {
    match dice.below(6) {
        0 => StreamId::new(dice.below(model.last_id.ms + 2), dice.below(3)),
        1 => StreamId::MIN,
        _ => {
            let at = dice.below(model.entries.len().max(1) as u64) as usize;
            model.entries.keys().nth(at).copied().unwrap_or_default()
        }
    }
}

/// Runs one command on both.
fn step(dice: &mut Dice, txn: &mut Txn<'_>, ordinal: u32, model: &mut Option<ModelStream>) {
    let whole = model.get_or_insert_default();
    let (name, consumer) = (pick(dice, &GROUPS), pick(dice, &CONSUMERS));
    let id = some_id(dice, whole);
    match dice.below(14) {
        0..=3 => {
            let id = StreamId::new(whole.last_id.ms + dice.below(2), whole.last_id.seq + 1);
            let reply = run(txn, &format!("XADD s {id} n {ordinal}"));
            assert_eq!(reply, Reply::bulk(id.to_string()));
            whole.entries.insert(id, u64::from(ordinal));
            whole.last_id = id;
        }
        4 => {
            let reply = run(txn, &format!("XDEL s {id} {id}"));
            assert_eq!(reply, Reply::Int(i64::from(whole.entries.remove(&id).is_some())));
        }
        5 if dice.below(3) == 0 => {
            let before = whole.entries.len();
            match dice.below(2) {
                0 => whole.entries = whole.entries.split_off(&id),
                _ => drop(whole.entries.pop_first()),
            }
            let line = match whole.entries.len() + 1 == before {
                true => format!("XTRIM s MAXLEN {}", whole.entries.len()),
                false => format!("XTRIM s MINID {id}"),
            };
            assert_eq!(run(txn, &line), Reply::Int((before - whole.entries.len()) as i64), "{line}");
        }
        5 | 6 => match whole.groups.get_mut(name) {
            None => {
                assert_eq!(run(txn, &format!("XGROUP CREATE s {name} {id}")), Reply::Ok);
                whole.groups.insert(name.into(), ModelGroup { last_id: id, ..ModelGroup::default() });
            }
            Some(_) if dice.below(8) == 0 => {
                assert_eq!(run(txn, &format!("XGROUP DESTROY s {name}")), Reply::Int(1));
                whole.groups.remove(name);
            }
            Some(group) if dice.below(3) == 0 => {
                let had = group.pending.len();
                group.pending.retain(|_, (with, _)| with != consumer);
                group.consumers.remove(consumer);
                let reply = run(txn, &format!("XGROUP DELCONSUMER s {name} {consumer}"));
                assert_eq!(reply, Reply::Int((had - group.pending.len()) as i64));
            }
            Some(group) => {
                assert_eq!(run(txn, &format!("XGROUP SETID s {name} {id}")), Reply::Ok);
                group.last_id = id;
            }
        },
        7 | 8 => references::step(dice, txn, whole, name, id),
        _ => {
            let ModelStream { entries, groups, .. } = whole;
            if let Some(group) = groups.get_mut(name) {
                let known: Vec<StreamId> = entries.keys().copied().collect();
                of_group(dice, txn, group, &known, name, consumer, id);
            }
        }
    }
}

fn of_group(
    dice: &mut Dice,
    txn: &mut Txn<'_>,
    group: &mut ModelGroup,
    known: &[StreamId],
    name: &str,
    consumer: &str,
    id: StreamId,
) {
    match dice.below(5) {
        0 | 1 => {
            let count = 1 + dice.below(3) as usize;
            let line = format!("XREADGROUP GROUP {name} {consumer} COUNT {count} STREAMS s >");
            let reply = run(txn, &line);
            let new: Vec<StreamId> =
                known.iter().copied().filter(|id| *id > group.last_id).take(count).collect();
            match &reply {
                Reply::Keyed(found) => assert_eq!(ids_of(&found[0].1), new),
                reply => assert_eq!((reply, new.len()), (&Reply::NilArray, 0)),
            }
            group.consumers.insert(consumer.into());
            for id in new {
                group.last_id = id;
                group.pending.insert(id, (consumer.into(), 1));
            }
        }
        2 => {
            let reply = run(txn, &format!("XREADGROUP GROUP {name} {consumer} STREAMS s {id}"));
            group.consumers.insert(consumer.into());
            let theirs = group.pending.iter_mut().filter(|(at, (with, _))| **at > id && with == consumer);
            let Reply::Keyed(found) = reply else { panic!("{reply:?}") };
            let mut seen = Vec::new();
            for (id, (_, deliveries)) in theirs {
                seen.push(*id);
                *deliveries += u64::from(known.contains(id));
            }
            assert_eq!(ids_of(&found[0].1), seen);
        }
        3 => {
            let acknowledged = group.pending.remove(&id).is_some();
            let reply = run(txn, &format!("XACK s {name} {id} {id}"));
            assert_eq!(reply, Reply::Int(i64::from(acknowledged)));
        }
        _ if dice.below(2) == 0 => {
            let reply = run(txn, &format!("XCLAIM s {name} {consumer} 0 {id} FORCE"));
            group.consumers.insert(consumer.into());
            let mut claimed = Vec::new();
            if known.contains(&id) {
                let deliveries = group.pending.get(&id).map_or(1, |(_, deliveries)| *deliveries);
                group.pending.insert(id, (consumer.into(), deliveries + 1));
                claimed.push(id);
            } else {
                group.pending.remove(&id);
            }
            assert_eq!(ids_of(&reply), claimed);
        }
        _ => {
            let reply = run(txn, &format!("XAUTOCLAIM s {name} {consumer} 0 {id} COUNT 2 JUSTID"));
            group.consumers.insert(consumer.into());
            let upon: Vec<StreamId> = group.pending.keys().copied().filter(|at| *at >= id).collect();
            let (old, gone): (Vec<StreamId>, Vec<StreamId>) =
                upon.iter().take(2).partition(|id| known.contains(id));
            old.iter().for_each(|id| group.pending.get_mut(id).unwrap().0 = consumer.into());
            gone.iter().for_each(|id| drop(group.pending.remove(id)));
            let Reply::Array(parts) = reply else { panic!("{reply:?}") };
            let next = upon.get(2).copied().unwrap_or_default();
            assert_eq!(parts[0], Reply::bulk(next.to_string()));
            assert_eq!((ids_of(&parts[1]), ids_of(&parts[2])), (old, gone));
        }
    }
}

#[test]
fn streams_are_those_of_the_maps() {
    for seed in 0..6 {
        let mut dice = Dice::new(seed);
        let mut home = Home::new();
        home.call(1, "XGROUP CREATE s first 0 MKSTREAM");
        let first = ("first".to_owned(), ModelGroup::default());
        let mut model = Some(ModelStream { groups: [first].into(), ..ModelStream::default() });
        for round in 0..80_u64 {
            let mut txn = home.begin(round);
            for ordinal in 0..=dice.below(6) as u32 {
                if dice.below(60) == 0 {
                    assert_eq!(run(&mut txn, "DEL s"), Reply::Int(i64::from(model.is_some())));
                    model = None;
                } else if model.is_none() {
                    assert_eq!(run(&mut txn, "XGROUP CREATE s g 0 MKSTREAM"), Reply::Ok);
                    let group = ("g".to_owned(), ModelGroup::default());
                    model = Some(ModelStream { groups: [group].into(), ..ModelStream::default() });
                } else {
                    step(&mut dice, &mut txn, ordinal, &mut model);
                }
                compare(&txn.view(), b"s", model.as_ref());
            }
            txn.commit().unwrap();
            home.view(round, |view| compare(view, b"s", model.as_ref()));
            match dice.below(10) {
                0 => home = home.reopen(),
                1 => home.store.flush().unwrap(),
                _ => {}
            }
        }
    }
}
