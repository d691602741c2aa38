//! `QUARANTINED`: keeps a node that found damage in its own files from starting with them as if nothing were.
//!
//! It is written before the node stops, and removed when the damaged part has been replaced (`repair.rs`), or by a human. A
//! sealed text (`checked.rs`): a description for people, then `part` and `attempt`. A text without these lines was written
//! by an older program; a damaged one counts as the worst case.

use crate::{
    checked,
    fail::{Damage, Part},
    replication::wal::LogError,
};
use std::{fs, io, path::Path};

/// The record that a file of the node is damaged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantine {
    /// The part to repair; `None`: unknown, so a human must act.
    pub part: Option<Part>,
    /// The number of the next attempt at repair, from 1; earlier ones found damage again.
    pub attempt: u32,
    /// A description of the damage.
    pub text: String,
}

impl Quarantine {
    /// Its name in the data directory.
    pub const NAME: &str = "QUARANTINED";

    /// That of this data directory, if it is quarantined.
    pub fn read(directory: &Path) -> Result<Option<Self>, LogError> {
        let path = directory.join(Self::NAME);
        match fs::read(&path) {
            Ok(bytes) => Ok(Some(Self::parse(&String::from_utf8_lossy(&bytes)))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(LogError::io("read", &path)(error)),
        }
    }

    /// Writes down that this directory has damage.
    pub fn write(directory: &Path, damage: &Damage) -> Result<(), LogError> {
        let attempt = Self::read(directory)?.map_or(1, |before| before.attempt.saturating_add(1));
        let part = match damage.part {
            Part::Store => "store",
            Part::Log => "log",
        };
        let text = format!("{damage}\npart: {part}\nattempt: {attempt}");
        let path = directory.join(Self::NAME);
        checked::replace_file(&path, checked::seal(&text).as_bytes()).map_err(LogError::io("write", &path))
    }

    /// Keeps any node from starting with a directory that is not complete yet; `text` is one line.
    pub fn begin(directory: &Path, text: &str) -> Result<(), LogError> {
        let path = directory.join(Self::NAME);
        checked::replace_file(&path, text.as_bytes()).map_err(LogError::io("write", &path))
    }

    /// Removes the record, once the damaged part has been replaced.
    pub fn lift(directory: &Path) -> Result<(), LogError> {
        let path = directory.join(Self::NAME);
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(LogError::io("remove", &path)(error)),
        }
        fs::File::open(directory).and_then(|file| file.sync_all()).map_err(LogError::io("sync", directory))
    }

    fn parse(sealed: &str) -> Self {
        let read = checked::unseal(sealed);
        let text = read.as_ref().map_or(sealed.trim(), |read| read.text);
        let mut lines = text.lines().rev();
        let mut tagged = |tag: &str| lines.next().and_then(|line| line.strip_prefix(tag)).map(str::to_owned);
        let attempt = tagged("attempt: ").and_then(|text| text.parse().ok());
        let part = tagged("part: ");
        let said = text.split("\npart: ").next().unwrap_or_default().to_owned();
        let part = match (&read, part.as_deref(), attempt) {
            (Ok(read), Some("store"), Some(_)) if read.is_checked => Some(Part::Store),
            // By an older program.
            (Ok(read), None, None) if !read.is_checked && !text.contains('\n') => None,
            _ => Some(Part::Log),
        };
        Quarantine { part, attempt: attempt.unwrap_or(1), text: said }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quarantine_says_what_to_repair_and_how_often_that_was_tried() {
        let home = tempfile::tempdir().unwrap();
        let of = |part| Damage { part, file: "a/b.sst".into(), detail: "a block".into() };
        assert_eq!(Quarantine::read(home.path()).unwrap(), None);
        for attempt in 1..=2 {
            Quarantine::write(home.path(), &of(Part::Store)).unwrap();
            let read = Quarantine::read(home.path()).unwrap().unwrap();
            let text = "a/b.sst is damaged: a block".to_owned();
            assert_eq!(read, Quarantine { part: Some(Part::Store), attempt, text });
        }
        Quarantine::write(home.path(), &of(Part::Log)).unwrap();
        assert_eq!(Quarantine::read(home.path()).unwrap().unwrap().part, Some(Part::Log));
        Quarantine::lift(home.path()).unwrap();
        Quarantine::lift(home.path()).unwrap();
        assert_eq!(Quarantine::read(home.path()).unwrap(), None);
    }

    #[test]
    fn an_old_one_waits_for_a_human_and_a_damaged_one_is_taken_for_the_worst() {
        let old = Quarantine::parse("the state of this node differs\n");
        assert_eq!((old.part, old.text.as_str()), (None, "the state of this node differs"));
        let sealed = checked::seal("x is damaged: y\npart: store\nattempt: 1");
        assert_eq!(Quarantine::parse(&sealed).part, Some(Part::Store));
        for bad in [sealed.replace("store", "stare"), sealed[..30].to_owned(), "\0\0\0\n\0".to_owned()] {
            assert_eq!(Quarantine::parse(&bad).part, Some(Part::Log), "{bad:?}");
        }
    }
}
