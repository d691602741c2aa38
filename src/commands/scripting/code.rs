//! Compiled scripts and libraries, kept by this node so that a text is not compiled for each of its calls. What is compiled
//! follows from the text alone, so it makes no difference who has it.

use super::{LIMITS, sha1::Sha1};
use crate::{
    error::Result,
    resp::ErrorReply,
    script::{Library, Script},
};
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, HashMap},
    sync::LazyLock,
};

/// What all of one kind may take in memory.
const BYTES_MAX: usize = 16 << 20;
/// What one takes beside its own bytes.
const ENTRY_BYTES: usize = 512;

/// Values by their text's SHA-1; the one that was used longest ago goes.
struct Cache<T> {
    entries: HashMap<Sha1, (u64, usize, T)>,
    by_use: BTreeMap<u64, Sha1>,
    uses: u64,
    bytes: usize,
}

impl<T> Default for Cache<T> {
    fn default() -> Self {
        Cache { entries: HashMap::new(), by_use: BTreeMap::new(), uses: 0, bytes: 0 }
    }
}

impl<T: Clone> Cache<T> {
    fn get(&mut self, sha1: &Sha1) -> Option<T> {
        let (used, _, value) = self.entries.get_mut(sha1)?;
        self.by_use.remove(used);
        self.uses = self.uses.saturating_add(1);
        *used = self.uses;
        self.by_use.insert(self.uses, *sha1);
        Some(value.clone())
    }

    fn put(&mut self, sha1: Sha1, bytes: usize, value: T) {
        let bytes = bytes.saturating_add(ENTRY_BYTES);
        if bytes > BYTES_MAX / 4 {
            return;
        }
        self.remove(&sha1);
        while self.bytes.saturating_add(bytes) > BYTES_MAX
            && let Some((_, oldest)) = self.by_use.pop_first()
        {
            self.remove(&oldest);
        }
        self.uses = self.uses.saturating_add(1);
        self.by_use.insert(self.uses, sha1);
        self.bytes = self.bytes.saturating_add(bytes);
        self.entries.insert(sha1, (self.uses, bytes, value));
    }

    fn remove(&mut self, sha1: &Sha1) {
        if let Some((used, bytes, _)) = self.entries.remove(sha1) {
            self.by_use.remove(&used);
            self.bytes = self.bytes.saturating_sub(bytes);
        }
    }
}

static SCRIPTS: LazyLock<Mutex<Cache<Script>>> = LazyLock::new(Mutex::default);
static LIBRARIES: LazyLock<Mutex<Cache<Library>>> = LazyLock::new(Mutex::default);

/// The script of a text, which has this name.
pub(super) fn script(sha1: &Sha1, text: &[u8]) -> Result<Script, ErrorReply> {
    if let Some(script) = SCRIPTS.lock().get(sha1) {
        return Ok(script);
    }
    let script = Script::new(text)?;
    SCRIPTS.lock().put(*sha1, script.memory_bytes(), script.clone());
    Ok(script)
}

/// The library of a text, which has this name.
pub(super) fn library(sha1: &Sha1, text: &[u8]) -> Result<Library, ErrorReply> {
    if let Some(library) = LIBRARIES.lock().get(sha1) {
        return Ok(library);
    }
    let library = Library::load(text, &LIMITS)?;
    LIBRARIES.lock().put(*sha1, library.memory_bytes(), library.clone());
    Ok(library)
}

/// What is compiled on this node takes so many bytes: scripts, and libraries.
pub fn compiled_bytes() -> (usize, usize) {
    (SCRIPTS.lock().bytes, LIBRARIES.lock().bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_used_longest_ago_goes_and_bytes_are_bounded() {
        let mut cache = Cache::default();
        let names: Vec<Sha1> = (0..6).map(|n| Sha1::parse(format!("{n:040}").as_bytes()).unwrap()).collect();
        let quarter = BYTES_MAX / 4 - ENTRY_BYTES;
        for (name, value) in names.iter().zip(0..4) {
            cache.put(*name, quarter, value);
        }
        assert_eq!(cache.get(&names[0]), Some(0));
        cache.put(names[4], quarter, 4);
        assert_eq!(
            (cache.get(&names[1]), cache.get(&names[0]), cache.get(&names[4])),
            (None, Some(0), Some(4))
        );
        assert_eq!((cache.bytes, cache.by_use.len()), (BYTES_MAX, cache.entries.len()));
        cache.put(names[5], quarter + 1, 5);
        assert_eq!(cache.get(&names[5]), None, "too large");
    }
}
