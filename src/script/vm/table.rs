//! Tables: an array and a hash part, which grow and shrink by the rules of Lua 5.1, so that `pairs`, `#` and with them
//! cjson and cmsgpack give the order that Redis gives.
//!
//! A node's key stays when its value becomes nil, so that `next` can go on from it; the next growth drops it.

use super::{
    strings::Strings,
    value::{Id, Value},
};

#[derive(Clone, Copy)]
struct Node {
    key: Value,
    value: Value,
    next: Option<u32>,
}

const FREE: Node = Node { key: Value::Nil, value: Value::Nil, next: None };

pub struct Table {
    array: Vec<Value>,
    /// None, or a power of two.
    nodes: Vec<Node>,
    /// All nodes from here on are in use.
    last_free: usize,
    pub meta: Option<Id>,
}

/// What a table takes at least.
pub const TABLE_BYTES: usize = 96;

/// Arrays have at most 2^26 elements, as in Lua 5.1.
const LOG_MAX: usize = 26;

impl Table {
    pub const EMPTY: Table = Table { array: Vec::new(), nodes: Vec::new(), last_free: 0, meta: None };

    pub fn new(array: usize, hash: usize) -> Self {
        let mut table = Table { array: vec![Value::Nil; array], ..Table::EMPTY };
        table.set_nodes(hash);
        table
    }

    pub fn with_meta(meta: Id) -> Self {
        Table { meta: Some(meta), ..Table::EMPTY }
    }

    pub fn bytes(&self) -> usize {
        let array = self.array.len().saturating_mul(size_of::<Value>());
        let nodes = self.nodes.len().saturating_mul(size_of::<Node>());
        TABLE_BYTES.saturating_add(array).saturating_add(nodes)
    }

    fn set_nodes(&mut self, count: usize) {
        let count = if count == 0 { 0 } else { count.next_power_of_two() };
        self.nodes = vec![FREE; count];
        self.last_free = count;
    }

    fn main_position(&self, strings: &Strings, key: Value) -> usize {
        let count = self.nodes.len();
        if count == 0 {
            return 0;
        }
        let by_remainder = |hash: u32| hash as usize % (count.saturating_sub(1) | 1);
        let by_power = |hash: u32| hash as usize & count.saturating_sub(1);
        match key {
            Value::Number(0.0) => 0,
            Value::Number(number) => {
                let bits = number.to_bits();
                by_remainder((bits as u32).wrapping_add((bits >> 32) as u32))
            }
            Value::Str(id) => by_power(strings.hash(id)),
            Value::Bool(is) => by_power(u32::from(is)),
            other => by_remainder(other.identity()),
        }
    }

    fn is_key(strings: &Strings, a: Value, b: Value) -> bool {
        match (a, b) {
            (Value::Str(a), Value::Str(b)) => strings.equal(a, b),
            _ => a.is_same(b),
        }
    }

    fn find_node(&self, strings: &Strings, key: Value) -> Option<usize> {
        let mut at = self.main_position(strings, key);
        let mut steps = 0_usize;
        loop {
            let node = self.nodes.get(at)?;
            if Self::is_key(strings, node.key, key) {
                return Some(at);
            }
            steps = steps.saturating_add(1);
            if steps & 7 == 0 {
                strings.spend(2);
            }
            at = node.next? as usize;
        }
    }

    fn array_index(key: Value) -> Option<usize> {
        let Value::Number(number) = key else { return None };
        let index = number as usize;
        (index as f64 == number && index > 0).then_some(index)
    }

    pub fn get(&self, strings: &Strings, key: Value) -> Value {
        if let Some(index) = Self::array_index(key)
            && let Some(value) = self.array.get(index.saturating_sub(1))
        {
            return *value;
        }
        if key.is_nil() {
            return Value::Nil;
        }
        let found = self.find_node(strings, key).and_then(|at| self.nodes.get(at));
        found.map_or(Value::Nil, |node| node.value)
    }

    pub fn get_index(&self, strings: &Strings, index: usize) -> Value {
        match self.array.get(index.wrapping_sub(1)) {
            Some(value) => *value,
            None if self.nodes.is_empty() => Value::Nil,
            None => self.get(strings, Value::Number(index as f64)),
        }
    }

    /// The value of a text key, which is no string of the heap.
    pub fn get_text(&self, strings: &Strings, text: &[u8]) -> Value {
        let count = self.nodes.len();
        if count == 0 {
            return Value::Nil;
        }
        let mut at = super::strings::hash(text) as usize & count.saturating_sub(1);
        while let Some(node) = self.nodes.get(at) {
            if let Value::Str(id) = node.key
                && strings.bytes(id) == text
            {
                return node.value;
            }
            let Some(next) = node.next else { break };
            at = next as usize;
        }
        Value::Nil
    }

    /// Stores a value; the key is neither nil nor NaN.
    pub fn set(&mut self, strings: &Strings, key: Value, value: Value) {
        if let Some(index) = Self::array_index(key)
            && let Some(slot) = self.array.get_mut(index.saturating_sub(1))
        {
            *slot = value;
            return;
        }
        match self.find_node(strings, key) {
            Some(at) => {
                if let Some(node) = self.nodes.get_mut(at) {
                    node.value = value;
                }
            }
            None => self.insert(strings, key, value),
        }
    }

    fn free_node(&mut self) -> Option<usize> {
        while self.last_free > 0 {
            self.last_free = self.last_free.saturating_sub(1);
            if self.nodes.get(self.last_free).is_some_and(|node| node.key.is_nil()) {
                return Some(self.last_free);
            }
        }
        None
    }

    /// A new key. Brent's variation: a node in the way is moved if it is not in its own main position.
    fn insert(&mut self, strings: &Strings, key: Value, value: Value) {
        let main = self.main_position(strings, key);
        let Some(there) = self.nodes.get(main).copied() else { return self.grow(strings, key, value) };
        if there.value.is_nil() {
            // Its chain goes on.
            return self.put(main, Node { key, value, next: there.next });
        }
        let Some(free) = self.free_node() else { return self.grow(strings, key, value) };
        let free_link = u32::try_from(free).ok();
        let other = self.main_position(strings, there.key);
        if other == main {
            self.put(free, Node { key, value, next: there.next });
            self.put(main, Node { next: free_link, ..there });
            return;
        }
        let mut before = other;
        while let Some(next) = self.nodes.get(before).and_then(|node| node.next) {
            if next as usize == main {
                break;
            }
            before = next as usize;
        }
        if let Some(node) = self.nodes.get_mut(before) {
            node.next = free_link;
        }
        self.put(free, there);
        self.put(main, Node { key, value, next: None });
    }

    fn put(&mut self, at: usize, node: Node) {
        if let Some(slot) = self.nodes.get_mut(at) {
            *slot = node;
        }
    }

    /// Counts the keys that there are, gives both parts the sizes that suit them, and stores the new key.
    fn grow(&mut self, strings: &Strings, key: Value, value: Value) {
        let mut by_log = [0_usize; LOG_MAX + 1];
        let mut candidates = 0_usize;
        let mut count = |index: usize| {
            let log = index.saturating_sub(1).checked_ilog2().map_or(0, |log| log as usize + 1);
            if let Some(slot) = by_log.get_mut(log) {
                *slot = slot.saturating_add(1);
                candidates = candidates.saturating_add(1);
            }
        };
        let mut total = 1_usize;
        for (at, value) in self.array.iter().enumerate() {
            if !value.is_nil() {
                count(at.saturating_add(1));
                total = total.saturating_add(1);
            }
        }
        for node in self.nodes.iter().filter(|node| !node.value.is_nil()) {
            total = total.saturating_add(1);
            Self::array_index(node.key).into_iter().for_each(&mut count);
        }
        Self::array_index(key).into_iter().for_each(&mut count);
        strings.spend(self.array.len().saturating_add(self.nodes.len().saturating_mul(8)));
        let (size, inside) = array_size(&by_log, candidates);
        self.resize(strings, size, total.saturating_sub(inside));
        self.set(strings, key, value);
    }

    fn resize(&mut self, strings: &Strings, array: usize, hash: usize) {
        let old_nodes = std::mem::take(&mut self.nodes);
        let cut = self.array.split_off(array.min(self.array.len()));
        self.array.resize(array, Value::Nil);
        self.set_nodes(hash);
        for (at, value) in cut.into_iter().enumerate().filter(|(_, value)| !value.is_nil()) {
            let index = array.saturating_add(at).saturating_add(1);
            self.set(strings, Value::Number(index as f64), value);
        }
        for node in old_nodes.into_iter().rev().filter(|node| !node.value.is_nil()) {
            self.set(strings, node.key, node.value);
        }
    }

    /// Makes room for a list of values that is about to be stored.
    pub fn reserve_array(&mut self, strings: &Strings, last: usize) {
        if last > self.array.len() {
            let hash = self.nodes.len();
            if hash == 0 {
                self.array.resize(last, Value::Nil);
            } else {
                self.resize(strings, last, hash);
            }
        }
    }

    /// A border: an index with a value, behind which there is none.
    pub fn length(&self, strings: &Strings) -> usize {
        let size = self.array.len();
        let search = |mut low: usize, mut high: usize| {
            while high.saturating_sub(low) > 1 {
                let middle = low.midpoint(high);
                if self.get_index(strings, middle).is_nil() { high = middle } else { low = middle }
            }
            low
        };
        if self.array.last().is_some_and(|value| value.is_nil()) {
            return search(0, size);
        }
        if self.nodes.is_empty() {
            return size;
        }
        let (mut low, mut high) = (size, size.saturating_add(1));
        while !self.get_index(strings, high).is_nil() {
            low = high;
            high = high.saturating_mul(2);
        }
        search(low, high)
    }

    /// The first key with a value behind this one, in the order of `pairs`; `Err`: there is no such key.
    pub fn next(&self, strings: &Strings, key: Value) -> Result<Option<(Value, Value)>, ()> {
        let start = match key {
            Value::Nil => 0,
            _ => match Self::array_index(key).filter(|index| *index <= self.array.len()) {
                Some(index) => index,
                None => {
                    let at = self.find_node(strings, key).ok_or(())?;
                    self.array.len().saturating_add(at).saturating_add(1)
                }
            },
        };
        let mut steps = 0_usize;
        let array = self.array.iter().enumerate().skip(start);
        for (at, value) in array {
            if !value.is_nil() {
                strings.spend(steps / 8);
                return Ok(Some((Value::Number(at.saturating_add(1) as f64), *value)));
            }
            steps = steps.saturating_add(1);
        }
        for node in self.nodes.iter().skip(start.saturating_sub(self.array.len())) {
            if !node.value.is_nil() {
                strings.spend(steps / 8);
                return Ok(Some((node.key, node.value)));
            }
            steps = steps.saturating_add(1);
        }
        strings.spend(steps / 8);
        Ok(None)
    }

    /// All keys with values.
    pub fn for_each_pair(&self, mut visit: impl FnMut(Value, Value)) {
        for (at, value) in self.array.iter().enumerate().filter(|(_, value)| !value.is_nil()) {
            visit(Value::Number(at.saturating_add(1) as f64), *value);
        }
        self.nodes.iter().filter(|node| !node.value.is_nil()).for_each(|node| visit(node.key, node.value));
    }
}

/// The largest array of which more than half is used, and how many keys are in it.
fn array_size(by_log: &[usize; LOG_MAX + 1], candidates: usize) -> (usize, usize) {
    let (mut below, mut size, mut inside) = (0_usize, 0, 0);
    let mut power = 1_usize;
    for count in by_log {
        if power / 2 >= candidates {
            break;
        }
        if *count > 0 {
            below = below.saturating_add(*count);
            if below > power / 2 {
                (size, inside) = (power, below);
            }
        }
        if below == candidates {
            break;
        }
        power = power.saturating_mul(2);
    }
    (size, inside)
}
