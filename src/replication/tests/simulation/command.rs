//! The one command that simulated nodes apply: it tells the checker, and chains what it was given, so that the state
//! says which writes it has seen and in which order.

use crate::{
    command::{Args, Command, Flags, KeyRange, Run, Table},
    error::Result,
    replica::ProposalBuilder,
    replication::tests::simulation::checker,
    resp::Reply,
    store::{NewRow, Store, Txn},
    tests::stage,
};
use bytes::Bytes;
use std::sync::LazyLock;

static COMMANDS: &[Command] = &[Command {
    name: "NOTE",
    arity: 2,
    keys: KeyRange::ONE,
    run: Run::Write(note),
    flags: Flags::WRITE,
    ..Command::BASE
}];

pub(super) static TABLE: LazyLock<Table> = LazyLock::new(|| Table::new(&[COMMANDS]));

const CHAIN: &[u8] = b"chain";

/// The value of a state with these writes in this order.
pub(super) fn chain_of(writes: &[u64]) -> String {
    writes.iter().fold(String::new(), |chain, write| link(&chain, *write))
}

fn link(chain: &str, write: u64) -> String {
    let count: u64 = chain.split_once(':').map_or(0, |(count, _)| count.parse().unwrap());
    format!("{}:{:08x}", count + 1, crc32c::crc32c(format!("{chain} {write}").as_bytes()))
}

pub(super) fn chain_in(store: &Store) -> String {
    let published = store.published();
    let row = store.blocking_view(&published, 0, crate::store::ReadTime::At(0)).get(CHAIN).unwrap();
    row.map_or(String::new(), |row| String::from_utf8(row.body.to_vec()).unwrap())
}

pub(super) fn proposal(write: u64) -> Bytes {
    let mut proposal = ProposalBuilder::commands();
    proposal.push(0, &[b"NOTE", write.to_string().as_bytes()]);
    proposal.finish()
}

fn note(txn: &mut Txn<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let key = args.next_word()?;
    let write: u64 = std::str::from_utf8(key).unwrap().parse().unwrap();
    let before = txn.get(CHAIN)?.map_or(String::new(), |row| String::from_utf8(row.body.to_vec()).unwrap());
    let (place, term) = (txn.position(), txn.state().applied.map_or(0, |applied| applied.term));
    let stage = stage::current().unwrap();
    stage.note(format_args!("applies {write} at {}.{} of term {term}", place.index, place.ordinal));
    checker::with(|checker| checker.applies(stage.node(), term, place, write));
    txn.put(key, NewRow::string(b"x"))?;
    txn.put(CHAIN, NewRow::string(link(&before, write).as_bytes()))?;
    Ok(Reply::Ok)
}
