//! A source's RDB as steps. They stand in the place of all data: the first one empties what is there.

use super::{
    feeder::{Fed, Feeder, Trouble},
    link::Link,
    plan::{Argv, argv, build},
};
use crate::{
    limits::{DATABASES, ENTRY_BYTES_TARGET, RDB_PAYLOAD_OBJECT_BYTES_MAX},
    rdb::{Fault, RdbError, Reader, Record},
    replica::StepBuilder,
};
use std::io::Read;

/// What was in it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Loaded {
    pub keys: u64,
    pub libraries: u64,
    /// With no elements, from old servers; they are nothing here.
    pub empty_keys: u64,
}

/// Reads the RDB that is next on the link, of so many bytes, or up to a mark.
pub fn load(feeder: &Feeder, link: &mut Link, mark: Option<&[u8]>, bytes: u64) -> Result<Loaded, Trouble> {
    let mut loading = Loading { step: StepBuilder::default(), loaded: Loaded::default() };
    loading.push(&[(0, argv(&[b"FLUSHALL"]))]);
    loading.push(&[(0, argv(&[b"FUNCTION", b"FLUSH"]))]);
    let length = if mark.is_some() { u64::MAX } else { bytes };
    let broken = |error: RdbError| match error.fault {
        // The connection, perhaps.
        Fault::Truncated | Fault::Read(_) => Trouble::Passing(format!("the RDB: {error}")),
        _ => Trouble::Lasting(format!("the RDB cannot be read: {error}")),
    };
    let source = link.by_ref().take(length);
    let mut reader = Reader::of_stream(source, RDB_PAYLOAD_OBJECT_BYTES_MAX).map_err(broken)?;
    loop {
        let record = reader.next();
        for text in reader.take_functions() {
            loading.loaded.libraries = loading.loaded.libraries.saturating_add(1);
            loading.push(&[(0, argv(&[b"FUNCTION", b"LOAD", b"REPLACE", &text]))]);
        }
        let Some(record) = record else { break };
        let record = record.map_err(broken)?;
        let rdb_bytes = reader.position();
        loading.record(record, |step| feeder.give(Fed::Step { step, rdb_bytes }))?;
    }
    let (skipped, position) = (reader.skipped().clone(), reader.position());
    drop(reader);
    if let Some((module, count)) = skipped.module_keys.iter().next() {
        return Err(Trouble::Lasting(format!(
            "it has {count} keys of the module {module}, which cannot be carried: delete them there first"
        )));
    }
    loading.loaded.empty_keys = skipped.empty_keys;
    match mark {
        None if position < length => {
            let left = length.saturating_sub(position);
            return Err(Trouble::Passing(format!("{left} bytes are left behind the end of the RDB")));
        }
        None => {}
        Some(mark) => {
            let mut found = vec![0; mark.len()];
            link.read_exact(&mut found).map_err(|error| link.failed(&error))?;
            if found != mark {
                return Err(Trouble::Passing("no mark stands behind the end of the RDB".to_owned()));
            }
        }
    }
    let Loading { step, loaded } = loading;
    feeder.give(Fed::Step { step, rdb_bytes: position })?;
    Ok(loaded)
}

struct Loading {
    step: StepBuilder,
    loaded: Loaded,
}

impl Loading {
    /// A unit. While an RDB is read, the position counts them.
    fn push(&mut self, calls: &[(u32, Argv)]) {
        self.step.push(1, 0, calls);
    }

    fn record(
        &mut self,
        record: Record,
        mut give: impl FnMut(StepBuilder) -> Result<(), Trouble>,
    ) -> Result<(), Trouble> {
        let db = record.db;
        if db >= DATABASES {
            let text =
                format!("it has a database {db}, and here there are {DATABASES}: 0 to {}", DATABASES - 1);
            return Err(Trouble::Lasting(text));
        }
        let commands = build(&record);
        drop(record);
        for command in commands {
            self.push(&[(db, command)]);
            if self.step.len() >= ENTRY_BYTES_TARGET {
                give(std::mem::take(&mut self.step))?;
            }
        }
        self.step.keys = self.step.keys.saturating_add(1);
        self.loaded.keys = self.loaded.keys.saturating_add(1);
        Ok(())
    }
}
