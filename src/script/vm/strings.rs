//! Strings, and the work that was spent on comparing and hashing what can be long.

use super::value::{BASE, Id};
use std::{cell::Cell, sync::Arc};

/// Bytes that count as one instruction where they are copied, compared or scanned.
pub const BYTES_PER_STEP: usize = 64;

pub enum Text {
    Own(Box<[u8]>),
    Shared(Arc<[u8]>),
    Value(crate::value::Value),
}

impl Text {
    pub fn bytes(&self) -> &[u8] {
        match self {
            Text::Own(bytes) => bytes,
            Text::Shared(bytes) => bytes,
            Text::Value(bytes) => bytes,
        }
    }
}

pub struct Str {
    pub text: Text,
    pub hash: u32,
}

impl Str {
    pub fn new(text: Text) -> Self {
        let hash = hash(text.bytes());
        Str { text, hash }
    }
}

/// Lua 5.1's hash, which looks at 32 bytes of a long string at most: the order of `pairs` follows from it.
pub fn hash(bytes: &[u8]) -> u32 {
    let mut hash = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let step = (bytes.len() >> 5).saturating_add(1);
    let mut at = bytes.len();
    while at >= step {
        let byte = bytes.get(at.saturating_sub(1)).copied().unwrap_or(0);
        hash ^= (hash << 5).wrapping_add(hash >> 2).wrapping_add(u32::from(byte));
        at = at.saturating_sub(step);
    }
    hash
}

/// Objects of one kind, with places that are used again.
pub struct Slots<T> {
    items: Vec<Option<T>>,
    free: Vec<u32>,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Slots { items: Vec::new(), free: Vec::new() }
    }
}

impl<T> Slots<T> {
    pub fn add(&mut self, item: T) -> Id {
        if let Some(id) = self.free.pop() {
            if let Some(slot) = self.items.get_mut(id as usize) {
                *slot = Some(item);
            }
            return id;
        }
        self.items.push(Some(item));
        u32::try_from(self.items.len()).unwrap_or(BASE).saturating_sub(1)
    }

    pub fn get(&self, id: Id) -> Option<&T> {
        self.items.get(id as usize)?.as_ref()
    }

    pub fn get_mut(&mut self, id: Id) -> Option<&mut T> {
        self.items.get_mut(id as usize)?.as_mut()
    }

    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Drops what is not marked.
    pub fn sweep(&mut self, marks: &[bool]) {
        for (id, slot) in (0_u32..).zip(self.items.iter_mut()) {
            if slot.is_some() && !marks.get(id as usize).copied().unwrap_or(false) {
                *slot = None;
                self.free.push(id);
            }
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.items.iter().flatten()
    }
}

#[derive(Default)]
pub struct Strings {
    pub slots: Slots<Str>,
    pub base: &'static [Str],
    /// Instructions' worth of work that has not been counted yet.
    work: Cell<u64>,
}

impl Strings {
    pub fn new(base: &'static [Str]) -> Self {
        Strings { base, ..Strings::default() }
    }

    pub fn get(&self, id: Id) -> Option<&Str> {
        if id & BASE != 0 { self.base.get((id & !BASE) as usize) } else { self.slots.get(id) }
    }

    pub fn bytes(&self, id: Id) -> &[u8] {
        self.get(id).map(|string| string.text.bytes()).unwrap_or_default()
    }

    pub fn hash(&self, id: Id) -> u32 {
        self.get(id).map_or(0, |string| string.hash)
    }

    pub fn equal(&self, a: Id, b: Id) -> bool {
        if a == b {
            return true;
        }
        let (Some(a), Some(b)) = (self.get(a), self.get(b)) else { return false };
        let (x, y) = (a.text.bytes(), b.text.bytes());
        if a.hash != b.hash || x.len() != y.len() {
            return false;
        }
        self.spend(x.len() / BYTES_PER_STEP);
        x == y
    }

    pub fn spend(&self, steps: usize) {
        self.work.set(self.work.get().saturating_add(steps as u64));
    }

    pub fn work(&self) -> u64 {
        self.work.get()
    }

    pub fn take_work(&self) -> u64 {
        self.work.replace(0)
    }
}
