//! Runs of equal registers.
//!
//! | first byte | run |
//! |---|---|
//! | `00nnnnnn` | n + 1 registers that are 0 |
//! | `01nnnnnn nnnnnnnn` | the same for up to 16384 registers |
//! | `1vvvvvnn` | n + 1 registers (up to 4) that are v + 1 (up to 32) |
//!
//! Setting a register splits its run; then equal neighbours of the changed position are joined, never others: runs that
//! Redis does not join stay apart, so that the bytes are the same.

use super::{HEADER_LEN, REGISTERS, SPARSE_BYTES_MAX};
use smallvec::SmallVec;

/// Highest rank that a run can have.
pub(super) const RANK_MAX: u8 = 32;
/// Registers that one run of equal ranks covers.
const RANKED_MAX: usize = 4;
/// Registers that a one-byte run of zeros covers.
const SHORT_ZEROS_MAX: usize = 64;
/// Runs looked at for joining, from the one before the change on.
const JOINED_RUNS: usize = 5;

/// So many registers of one rank (0 or 1 to 32).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Run {
    pub(super) rank: u8,
    pub(super) registers: usize,
    /// Bytes it takes.
    len: usize,
    /// Written in the two-byte form.
    pub(super) long: bool,
}

impl Run {
    /// The run at the beginning of `bytes`; a missing second byte counts as 0.
    fn read(bytes: &[u8]) -> Option<Self> {
        let (first, rest) = bytes.split_first()?;
        let low = usize::from(first & 0x3f);
        Some(match first >> 6 {
            0 => Run { rank: 0, registers: low + 1, len: 1, long: false },
            1 => {
                let second = rest.first().copied().unwrap_or(0);
                Run { rank: 0, registers: (low << 8 | usize::from(second)) + 1, len: 2, long: true }
            }
            _ => Run { rank: (first >> 2 & 0x1f) + 1, registers: low % 4 + 1, len: 1, long: false },
        })
    }
}

type Runs = SmallVec<[u8; 8]>;

fn write_zeros(out: &mut Runs, registers: usize) {
    match registers.checked_sub(1) {
        None => {}
        Some(n) if registers <= SHORT_ZEROS_MAX => out.push(n as u8),
        Some(n) => out.extend_from_slice(&[0x40 | (n >> 8) as u8, n as u8]),
    }
}

fn write_ranked(out: &mut Runs, rank: u8, registers: usize) {
    if let Some(n) = registers.checked_sub(1) {
        out.push(0x80 | (rank - 1) << 2 | n as u8);
    }
}

/// The runs of an empty sketch.
pub(super) fn empty() -> SmallVec<[u8; 8]> {
    let mut out = Runs::new();
    write_zeros(&mut out, REGISTERS);
    out
}

/// All runs, whether or not they make a complete sketch.
pub(super) fn runs(mut bytes: &[u8]) -> impl Iterator<Item = Run> {
    std::iter::from_fn(move || {
        let run = Run::read(bytes)?;
        bytes = bytes.get(run.len..).unwrap_or_default();
        Some(run)
    })
}

/// The result of setting a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Raised {
    Yes,
    /// It was that high already.
    No,
    /// The result cannot be sparse; nothing was changed.
    TooMuch,
    /// The runs end before the register.
    Corrupt,
}

/// Sets a register of a sparse sketch (header included) if that raises it.
pub(super) fn raise(sketch: &mut Vec<u8>, register: usize, rank: u8) -> Raised {
    if rank > RANK_MAX {
        return Raised::TooMuch;
    }
    let (mut at, mut first, mut before) = (HEADER_LEN, 0, None);
    let run = loop {
        let Some(run) = Run::read(sketch.get(at..).unwrap_or_default()) else { return Raised::Corrupt };
        if register < first + run.registers {
            break run;
        }
        before = Some(at);
        at += run.len;
        first += run.registers;
    };
    if run.rank >= rank {
        return Raised::No;
    }
    let (left, right) = (register - first, first + run.registers - register - 1);
    let mut new = Runs::new();
    if run.rank == 0 {
        write_zeros(&mut new, left);
        write_ranked(&mut new, rank, 1);
        write_zeros(&mut new, right);
    } else {
        write_ranked(&mut new, run.rank, left);
        write_ranked(&mut new, rank, 1);
        write_ranked(&mut new, run.rank, right);
    }
    let end = (at + run.len).min(sketch.len());
    if new.len() > run.len && sketch.len() + new.len() - run.len > SPARSE_BYTES_MAX {
        return Raised::TooMuch;
    }
    sketch.splice(at..end, new);
    join(sketch, before.unwrap_or(HEADER_LEN));
    Raised::Yes
}

/// Joins neighbours of equal rank, from a run on.
fn join(sketch: &mut Vec<u8>, from: usize) {
    let mut at = from;
    for _ in 0..JOINED_RUNS {
        let Some(run) = Run::read(sketch.get(at..).unwrap_or_default()) else { return };
        let next = Run::read(sketch.get(at + run.len..).unwrap_or_default());
        match next.filter(|next| run.rank != 0 && next.rank == run.rank) {
            Some(next) if run.registers + next.registers <= RANKED_MAX => {
                let mut joined = Runs::new();
                write_ranked(&mut joined, run.rank, run.registers + next.registers);
                sketch.splice(at..at + 2, joined);
            }
            _ => at += run.len,
        }
    }
}
