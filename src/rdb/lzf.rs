//! LZF, the compression of strings in RDB: literal runs and references into the last 8 KiB.
//!
//! ```text
//! 000LLLLL                    L + 1 literal bytes follow
//! LLLooooo oooooooo           L + 2 bytes (L in 1..=6) from o + 1 bytes back
//! 111ooooo LLLLLLLL oooooooo  L + 9 bytes
//! ```
//!
//! Our own implementation instead of a crate: DUMP must return Redis's bytes exactly, so the compressor must remember and
//! forget the same positions as Redis's; the existing crates choose others (or are unmaintained).

use std::cell::RefCell;

const HASH_BITS: u32 = 16;
const OFFSET_MAX: usize = 1 << 13;
const MATCH_MAX: usize = 264;
const LITERALS_MAX: usize = 32;
/// A reference is at most three bytes and stands for at most 264: no valid string is longer than this per compressed byte.
const GROWTH_MAX: usize = MATCH_MAX / 3;

/// Exactly `len` bytes, or nothing.
pub fn decompress(mut input: &[u8], len: usize) -> Option<Vec<u8>> {
    if len.div_ceil(GROWTH_MAX) > input.len() {
        return None;
    }
    let mut output = Vec::with_capacity(len);
    while let Some((&control, rest)) = input.split_first() {
        let control = usize::from(control);
        if control < LITERALS_MAX {
            let (literals, rest) = rest.split_at_checked(control.saturating_add(1))?;
            output.extend_from_slice(literals);
            input = rest;
        } else {
            let (more, rest) = if control >> 5 == 7 { rest.split_first()? } else { (&0, rest) };
            let (&low, rest) = rest.split_first()?;
            let count = (control >> 5).saturating_add(usize::from(*more)).saturating_add(2);
            let back = (((control & 31) << 8) | usize::from(low)).saturating_add(1);
            repeat(&mut output, back, count)?;
            input = rest;
        }
        if output.len() > len {
            return None;
        }
    }
    (output.len() == len).then_some(output)
}

/// Appends `count` bytes from `back` bytes before the end; source and copy may overlap.
fn repeat(output: &mut Vec<u8>, back: usize, count: usize) -> Option<()> {
    let start = output.len().checked_sub(back)?;
    let mut left = count;
    while left > 0 {
        let piece = left.min(output.len().checked_sub(start)?);
        output.extend_from_within(start..start.checked_add(piece)?);
        left = left.checked_sub(piece)?;
    }
    Some(())
}

/// Compressed to less than `len - 4` bytes, or nothing: then it is not worth it.
pub fn compress(input: &[u8]) -> Option<Vec<u8>> {
    let limit = input.len().checked_sub(4).filter(|limit| *limit > 0)?;
    let mut run = Output { bytes: Vec::with_capacity(limit), run_at: 0, run_len: 0, limit };
    run.open();
    SEEN.with_borrow_mut(|seen| {
        seen.forget(input.len())?;
        compress_runs(input, seen, &mut run)
    })?;
    Some(run.bytes)
}

fn compress_runs(input: &[u8], seen: &mut Seen, run: &mut Output) -> Option<()> {
    let last = input.len().checked_sub(2)?;
    let mut at = 0;
    while at < last {
        match find(input, at, seen)? {
            Some(back) => {
                let count = matching(input, at, back)?;
                run.reference(back, count)?;
                at = at.checked_add(count)?;
                if at >= last {
                    break;
                }
                // Within a match only the last two positions are remembered.
                for place in [at.checked_sub(2)?, at.checked_sub(1)?] {
                    seen.remember(input, place)?;
                }
            }
            None => {
                run.literal(*input.get(at)?)?;
                at = at.checked_add(1)?;
            }
        }
    }
    if run.bytes.len().checked_add(3)? > run.limit {
        return None;
    }
    for byte in input.get(at..)? {
        run.push(*byte);
    }
    run.close();
    Some(())
}

fn three(input: &[u8], at: usize) -> Option<[u8; 3]> {
    input.get(at..)?.first_chunk::<3>().copied()
}

/// The last position of three bytes with a given hash. It is kept from string to string, because clearing it takes longer
/// than compressing a short string: a position not above `base` belongs to an earlier string.
struct Seen {
    slots: Vec<u32>,
    base: u32,
    len: u32,
}

thread_local! {
    static SEEN: RefCell<Seen> = const { RefCell::new(Seen { slots: Vec::new(), base: 0, len: 0 }) };
}

impl Seen {
    /// Makes it empty for a string of `len` bytes.
    fn forget(&mut self, len: usize) -> Option<()> {
        self.slots.resize(1 << HASH_BITS, 0);
        let len = u32::try_from(len).ok()?;
        match self.base.checked_add(self.len).filter(|base| base.checked_add(len).is_some()) {
            Some(base) => self.base = base,
            None => {
                self.slots.fill(0);
                self.base = 0;
            }
        }
        self.len = len;
        Some(())
    }

    /// The position with this hash before; 0: none. Position 0 itself is never found again, as in Redis.
    fn remember(&mut self, input: &[u8], at: usize) -> Option<usize> {
        let [a, b, c] = three(input, at)?;
        let value = u32::from_be_bytes([0, a, b, c]);
        let slot = (value >> (24 - HASH_BITS)).wrapping_sub(value.wrapping_mul(5)) & ((1 << HASH_BITS) - 1);
        let slot = self.slots.get_mut(usize::try_from(slot).ok()?)?;
        let place = self.base.checked_add(u32::try_from(at).ok()?)?;
        let before = std::mem::replace(slot, place);
        usize::try_from(before.saturating_sub(self.base)).ok()
    }
}

/// The distance back (less one) to the same three bytes, if they occurred. `None` cannot happen within the input.
fn find(input: &[u8], at: usize, seen: &mut Seen) -> Option<Option<usize>> {
    let before = seen.remember(input, at)?;
    let back = at.checked_sub(before).and_then(|distance| distance.checked_sub(1));
    let same = before > 0 && three(input, before) == three(input, at);
    Some(back.filter(|back| same && *back < OFFSET_MAX))
}

/// The number of equal bytes, at least three. At the end of the input it does as Redis: the last two bytes are left alone
/// unless the first sixteen are compared at once.
fn matching(input: &[u8], at: usize, back: usize) -> Option<usize> {
    let before = input.get(at.checked_sub(back)?.checked_sub(1)?..)?;
    let here = input.get(at..)?;
    // More than a match can have is not looked at: a long run of one byte would be compared again from each of its places.
    let agree = before.iter().zip(here).take(MATCH_MAX).take_while(|(a, b)| a == b).count();
    let bound = here.len().checked_sub(2)?.min(MATCH_MAX);
    let bound = match bound {
        0..=3 => 3,
        4..=16 => bound,
        17 | 18 => 19,
        _ => bound,
    };
    Some(agree.min(bound))
}

/// Compressed bytes with the literal run that is being written at their end.
struct Output {
    bytes: Vec<u8>,
    run_at: usize,
    run_len: usize,
    limit: usize,
}

impl Output {
    fn open(&mut self) {
        self.run_at = self.bytes.len();
        self.run_len = 0;
        self.bytes.push(0);
    }

    /// Writes the length of the run, or removes the byte reserved for it.
    fn close(&mut self) {
        if self.run_len == 0 {
            self.bytes.truncate(self.run_at);
        } else if let Some(control) = self.bytes.get_mut(self.run_at) {
            *control = u8::try_from(self.run_len.saturating_sub(1)).unwrap_or(0);
        }
    }

    fn push(&mut self, byte: u8) {
        self.bytes.push(byte);
        self.run_len = self.run_len.saturating_add(1);
        if self.run_len == LITERALS_MAX {
            self.close();
            self.open();
        }
    }

    fn literal(&mut self, byte: u8) -> Option<()> {
        (self.bytes.len() < self.limit).then(|| self.push(byte))
    }

    fn reference(&mut self, back: usize, count: usize) -> Option<()> {
        let unused = usize::from(self.run_len == 0);
        if self.bytes.len().checked_sub(unused)?.checked_add(4)? >= self.limit {
            return None;
        }
        self.close();
        let high = u8::try_from(back >> 8).ok()?;
        let low = u8::try_from(back & 0xff).ok()?;
        match u8::try_from(count.checked_sub(2)?) {
            Ok(count @ 0..7) => self.bytes.extend([(count << 5) | high, low]),
            _ => self.bytes.extend([(7 << 5) | high, u8::try_from(count.checked_sub(9)?).ok()?, low]),
        }
        self.open();
        Some(())
    }
}
