//! Sets.

use crate::{
    error::Result,
    rdb::{Member, Object},
    store::{Txn, View},
    types::{
        collection::{element_of, hashed},
        set::Set,
    },
};
use std::ops::ControlFlow;

pub(super) fn read(view: &View<'_>, key: &[u8]) -> Result<Object> {
    let (mut members, mut expire) = (Vec::new(), false);
    if let Some(set) = Set::open(view, key)? {
        set.visit_with_expiries(view, |sub, expires_at| {
            expire |= expires_at != 0;
            members.push(Member {
                name: element_of(sub).to_vec(),
                expires_at_ms: (expires_at != 0).then_some(expires_at),
            });
            Ok(ControlFlow::Continue(()))
        })?;
    }
    Ok(match expire {
        true => Object::ExpiringSet(members),
        false => Object::Set(members.into_iter().map(|member| member.name).collect()),
    })
}

pub(super) fn write(txn: &mut Txn<'_>, key: &[u8], members: &[Vec<u8>]) -> Result<()> {
    let subs: Vec<Vec<u8>> = members.iter().map(|member| hashed(member)).collect();
    Set::store(txn, key, &subs)?;
    Ok(())
}

pub(super) fn write_expiring(txn: &mut Txn<'_>, key: &[u8], members: &[Member]) -> Result<()> {
    let now = txn.expiry_clock();
    let members = members.iter().filter(|member| member.expires_at_ms.is_none_or(|at| at > now));
    let subs: Vec<(Vec<u8>, u64)> =
        members.map(|member| (hashed(&member.name), member.expires_at_ms.unwrap_or(0))).collect();
    Set::store_with_expiries(txn, key, subs.iter().map(|(sub, expires_at)| (&sub[..], *expires_at)))?;
    Ok(())
}
