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
    bytes: usize,
}

impl Transaction {
    /// Queues a call; false if the transaction has grown beyond its limit (it is then aborted).
    pub fn push(&mut self, row: usize, writes: bool, argv: &[&[u8]]) -> bool {
        let size: usize = argv.iter().map(|word| word.len().saturating_add(16)).sum();
        self.bytes = self.bytes.saturating_add(size);
        if self.bytes > MULTI_BYTES_MAX {
            (self.aborted, self.writes) = (true, false);
            self.calls.clear();
            return false;
        }
        self.writes |= writes;
        self.calls.push(QueuedCall { row, argv: argv.iter().map(|word| word.to_vec()).collect() });
        true
    }

    /// Bytes queued.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}
