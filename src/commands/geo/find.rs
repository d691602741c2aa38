//! Doing a search: find, order, then answer or store.

use super::{
    distance,
    query::{Form, Order, Query},
    shown,
};
use crate::{
    error::Result,
    resp::Reply,
    store::{Direction, EventClass, Txn, View},
    types::{
        geo::Point,
        sorted_set::{Scored, SortedSet, Span},
    },
};
use std::ops::{Bound, ControlFlow};

/// A member that a search has found.
struct Found {
    member: Vec<u8>,
    score: f64,
    place: Point,
    metres: f64,
}

/// The reply of a search that stores nothing.
pub(super) fn answer(view: &View<'_>, set: Option<&SortedSet>, query: &Query<'_>) -> Result<Reply> {
    let found = find(view, set, query)?;
    Ok(Reply::Array(found.into_iter().map(|found| reply(found, query)).collect()))
}

fn reply(found: Found, query: &Query<'_>) -> Reply {
    let mut parts = vec![Reply::Bulk(found.member.into())];
    if query.with_distance {
        parts.push(distance(found.metres, query.unit));
    }
    if query.with_hash {
        parts.push(Reply::Int(found.score as i64));
    }
    if query.with_place {
        parts.push(shown(found.place));
    }
    match parts.pop() {
        Some(member) if parts.is_empty() => member,
        last => {
            parts.extend(last);
            Reply::Array(parts)
        }
    }
}

/// Stores the result of a search under the query's target, if it has one, and returns its size.
pub(super) fn answer_or_store(
    txn: &mut Txn<'_>,
    set: Option<&SortedSet>,
    query: &Query<'_>,
    form: Form,
) -> Result<Reply> {
    let Some(target) = query.target else { return answer(&txn.view(), set, query) };
    let found = find(&txn.view(), set, query)?;
    let scored = |found: Found| Scored {
        score: if target.distances { found.metres / query.unit.metres() } else { found.score },
        member: found.member,
    };
    let members: Vec<Scored> = found.into_iter().map(scored).collect();
    let was_there = SortedSet::replace(txn, target.key, &members)?;
    if !members.is_empty() {
        let name = if form == Form::SearchStore { "geosearchstore" } else { "georadiusstore" };
        txn.event(EventClass::SortedSet, name, target.key);
    } else if was_there {
        txn.event(EventClass::Generic, "del", target.key);
    }
    Ok(Reply::count(members.len()))
}

fn find(view: &View<'_>, set: Option<&SortedSet>, query: &Query<'_>) -> Result<Vec<Found>> {
    let (Some(set), Some(search)) = (set, query.search()) else { return Ok(Vec::new()) };
    let enough = query.count.filter(|_| query.any).unwrap_or(usize::MAX);
    let mut found: Vec<Found> = Vec::new();
    for (from, to) in search.score_ranges() {
        if found.len() >= enough {
            break;
        }
        let span = Span::of_scores(Bound::Included(from), Bound::Excluded(to));
        set.scan_span(&view.in_passing(), &span, Direction::Forward, |member, score| {
            let place = Point::of_score(score);
            let cost = search.cost_of_test(place);
            if cost > 0 {
                view.count_bytes(cost)?;
            }
            if let Some(metres) = search.find(place) {
                view.keep(1, member.len())?;
                found.push(Found { member: member.to_vec(), score, place, metres });
            }
            Ok(if found.len() >= enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
    }
    // The nearest ones are meant, unless any will do.
    let order = query.order.or((query.count.is_some() && !query.any).then_some(Order::Ascending));
    match order {
        Some(Order::Ascending) => found.sort_by(|a, b| a.metres.total_cmp(&b.metres)),
        Some(Order::Descending) => found.sort_by(|a, b| b.metres.total_cmp(&a.metres)),
        None => {}
    }
    found.truncate(query.count.unwrap_or(usize::MAX));
    Ok(found)
}
