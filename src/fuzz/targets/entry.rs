//! Log entries: damaged bytes are an error, never a panic; what can be read is the same after it was written again.

use flotilla::replica::{
    Batch, BatchBuilder, CallRef, CountRows, EntryError, Evict, FromSource, Proposal, ProposalBuilder, Raise,
    SourceChange, StepBuilder, Victim,
};
use flotilla::store::{Condition, Origin};

/// What it covers, the database behind it, and the calls with their databases.
type Unit = (u64, u32, Vec<(u32, Vec<Vec<u8>>)>);

type Call = (u32, Option<Vec<u8>>, Option<Origin>, Vec<Vec<u8>>);

#[derive(Debug, PartialEq)]
enum Read {
    Commands(Vec<Call>),
    Transaction(Vec<Condition>, Vec<Call>),
    Sweep(u32),
    Mark,
    MarkSums,
    Count(u32, Vec<u8>),
    Evict(u64, Vec<Victim<Vec<u8>>>),
    Change(u64, [bool; 2], Vec<u8>, Option<Vec<u8>>),
    /// Version, position, keys, bytes.
    Step([u64; 4], Vec<Unit>),
}

pub fn run(data: &[u8]) {
    if let Ok(raise) = Raise::decode(data) {
        let again = raise.encode();
        assert_eq!(Raise::decode(&again), Ok(raise));
    }
    let Ok((at, seed, proposals)) = read(data) else { return };
    let mut batch = BatchBuilder::with_capacity(data.len());
    for proposal in &proposals {
        batch.push(&write(proposal));
    }
    let again = read(&batch.finish(at, seed)).expect("what was written can be read");
    assert_eq!(again, (at, seed, proposals));
}

fn read(data: &[u8]) -> Result<(u64, u64, Vec<Read>), EntryError> {
    let mut batch = Batch::decode(data)?;
    let (at, seed, mut proposals) = (batch.at, batch.seed, Vec::new());
    while let Some(proposal) = batch.next_proposal()? {
        proposals.push(match proposal {
            Proposal::Commands(mut found) => Read::Commands(calls(|| found.next_call())?),
            Proposal::Transaction { conditions, calls: mut found } => {
                Read::Transaction(conditions, calls(|| found.next_call())?)
            }
            Proposal::Sweep { keys_max } => Read::Sweep(keys_max),
            Proposal::Mark => Read::Mark,
            Proposal::MarkSums => Read::MarkSums,
            Proposal::Count(CountRows { rows_max, from }) => Read::Count(rows_max, from.to_vec()),
            Proposal::Evict(mut evict) => {
                let (target, mut victims) = (evict.bytes_target(), Vec::new());
                while let Some(Victim { namespace, key, revision }) = evict.next_victim()? {
                    victims.push(Victim { namespace, key: key.to_vec(), revision });
                }
                Read::Evict(target, victims)
            }
            Proposal::Source(FromSource::Change(change)) => Read::Change(
                change.version,
                [change.takes_position, change.only_if_empty],
                change.record.to_vec(),
                change.settings.map(<[u8]>::to_vec),
            ),
            Proposal::Source(FromSource::Step(mut step)) => {
                let mut units = Vec::new();
                while let Some(unit) = step.next_unit()? {
                    let (mut found, mut of_unit) = (unit.calls, Vec::new());
                    while let Some(call) = found.next_call()? {
                        of_unit.push((call.db, call.argv.iter().map(|word| word.to_vec()).collect()));
                    }
                    units.push((unit.span, unit.db, of_unit));
                }
                Read::Step([step.version, step.from, step.keys, step.bytes], units)
            }
        });
    }
    Ok((at, seed, proposals))
}

fn calls<'a>(
    mut next: impl FnMut() -> Result<Option<CallRef<'a>>, EntryError>,
) -> Result<Vec<Call>, EntryError> {
    let mut found = Vec::new();
    while let Some(call) = next()? {
        found.push((call.db, call.user.map(<[u8]>::to_vec), call.origin, call.argv.iter().map(|word| word.to_vec()).collect()));
    }
    Ok(found)
}

fn write(proposal: &Read) -> Vec<u8> {
    let (mut builder, calls) = match proposal {
        Read::Commands(calls) => (ProposalBuilder::commands(), calls),
        Read::Transaction(conditions, calls) => (ProposalBuilder::transaction(conditions), calls),
        Read::Sweep(keys_max) => return ProposalBuilder::sweep(*keys_max).to_vec(),
        Read::Mark => return ProposalBuilder::mark().to_vec(),
        Read::MarkSums => return ProposalBuilder::mark_sums().to_vec(),
        Read::Count(rows_max, from) => return CountRows { rows_max: *rows_max, from }.encode().to_vec(),
        Read::Change(version, [takes_position, only_if_empty], record, settings) => {
            let (version, takes_position, only_if_empty) = (*version, *takes_position, *only_if_empty);
            let settings = settings.as_deref();
            let change = SourceChange { version, takes_position, only_if_empty, record, settings };
            return change.encode().to_vec();
        }
        Read::Step([version, from, keys, bytes], units) => {
            let mut step = StepBuilder::default();
            units.iter().for_each(|(span, db, calls)| step.push(*span, *db, calls));
            step.keys = *keys;
            return step.finish(*version, *from, *bytes).to_vec();
        }
        Read::Evict(target, victims) => return Evict::encode(*target, victims).to_vec(),
    };
    for (db, user, origin, argv) in calls {
        let words: Vec<&[u8]> = argv.iter().map(Vec::as_slice).collect();
        builder.push_as(*db, user.as_deref(), *origin, &words);
    }
    builder.finish().to_vec()
}
