//! The commands queued between MULTI and EXEC.

use crate::limits::MULTI_BYTES_MAX;

/// One queued call, already checked against its row.
#[derive(Debug, Clone)]
pub struct QueuedCall {
    /// Number of its row (`command::Table::at`).
    pub row: usize,
    pub argv: Vec<Vec<u8>>,
}

/// An open transaction.
#[derive(Clone, Default)]
pub struct Transaction {
    pub calls: Vec<QueuedCall>,
    /// Some of the calls write.
    pub writes: bool,
    /// A command was refused while queueing: EXEC must answer EXECABORT.
    pub aborted: bool,
    /// The database that the queued calls so far have selected.
    pub db: u32,
    bytes: usize,
}

impl Transaction {
    /// Begins with this database selected.
    pub fn at(db: u32) -> Self {
        Transaction { db, ..Transaction::default() }
    }

    /// Queues a call; false if the transaction has grown beyond its limit (it is then aborted).
    pub fn push(&mut self, row: usize, writes: bool, argv: &[&[u8]]) -> bool {
        let words = argv.iter().map(|word| allocated(word.len()).saturating_add(size_of::<Vec<u8>>()));
        let size: usize = words.fold(size_of::<QueuedCall>(), usize::saturating_add);
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes > MULTI_BYTES_MAX {
            (self.aborted, self.writes) = (true, false);
            self.calls = Vec::new();
            return false;
        }
        self.writes |= writes;
        self.calls.push(QueuedCall { row, argv: argv.iter().map(|word| word.to_vec()).collect() });
        true
    }

    /// Memory that the queue takes; nothing once it was given up.
    pub fn bytes(&self) -> usize {
        if self.calls.is_empty() { 0 } else { self.bytes }
    }
}

/// What the allocator takes for so many bytes, about.
fn allocated(bytes: usize) -> usize {
    bytes.checked_next_multiple_of(16).unwrap_or(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_words_count_with_what_it_takes_to_keep_them() {
        let mut transaction = Transaction::default();
        assert_eq!(transaction.bytes(), 0);
        let argv: Vec<&[u8]> = vec![b"x"; 1000];
        assert!(transaction.push(0, false, &argv));
        assert!(transaction.bytes() >= 1000 * (size_of::<Vec<u8>>() + 16), "{}", transaction.bytes());
        let large = vec![b'x'; MULTI_BYTES_MAX];
        assert!(!transaction.push(0, true, &[&large]) && transaction.aborted && !transaction.writes);
        assert_eq!(transaction.bytes(), 0, "the queue is dropped at once");
    }
}
