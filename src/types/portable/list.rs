//! Lists.

use crate::{
    error::Result,
    rdb::Object,
    store::{Direction, Txn, View},
    types::list::{End, List},
};
use std::ops::ControlFlow;

pub(super) fn read(view: &View<'_>, key: &[u8]) -> Result<Object> {
    let mut elements = Vec::new();
    if let Some(list) = List::open(view, key)? {
        list.scan(view, 0..u64::MAX, Direction::Forward, |_, element| {
            elements.push(element.to_vec());
            Ok(ControlFlow::Continue(()))
        })?;
    }
    Ok(Object::List(elements))
}

pub(super) fn write(txn: &mut Txn<'_>, key: &[u8], elements: &[Vec<u8>]) -> Result<()> {
    let mut list = List::create(txn);
    let elements: Vec<&[u8]> = elements.iter().map(Vec::as_slice).collect();
    list.push(txn, End::Right, &elements)?;
    list.save(txn, key)?;
    Ok(())
}
