//! PFSELFTEST: whether registers keep their values, and estimates are as close as the theory says.

use super::{REGISTERS, Sketch, dense};

/// Most elements added.
const ELEMENTS: u64 = 1_000_000;
/// Rounds of random registers.
const ROUNDS: u64 = 20;
/// Below this both representations must still be there to compare.
const SPARSE_FOR_SURE: u64 = 1000;

/// The first error found, if any. Takes a good part of a second.
pub fn self_test() -> Result<(), String> {
    for round in 0..ROUNDS {
        registers_keep_what_they_are_given(round)?;
    }
    estimates_are_near()
}

fn registers_keep_what_they_are_given(round: u64) -> Result<(), String> {
    let rank = |register: usize| (scramble(round << 32 | register as u64) % 64) as u8;
    let mut packed = vec![0; REGISTERS * 6 / 8];
    (0..REGISTERS).for_each(|register| {
        dense::raise(&mut packed, register, rank(register));
    });
    let wrong = dense::registers(&packed).enumerate().find(|(register, found)| *found != rank(*register));
    match wrong {
        Some((register, found)) => {
            Err(format!("TESTFAILED Register {register} should be {} but is {found}", rank(register)))
        }
        None => Ok(()),
    }
}

fn estimates_are_near() -> Result<(), String> {
    let corrupt = |_| "TESTFAILED a sketch is corrupt".to_owned();
    let (mut dense, mut natural) = (Sketch::default(), Sketch::default());
    dense.make_dense().map_err(corrupt)?;
    let mut checkpoint = 1;
    for number in 1..=ELEMENTS {
        let element = scramble(number).to_le_bytes();
        dense.add(&element).map_err(corrupt)?;
        natural.add(&element).map_err(corrupt)?;
        if number != checkpoint {
            continue;
        }
        checkpoint *= 10;
        if number < SPARSE_FOR_SURE && natural.is_dense() {
            return Err("TESTFAILED sparse encoding not used".into());
        }
        let (a, b) = (dense.cardinality().map_err(corrupt)?, natural.cardinality().map_err(corrupt)?);
        if a != b {
            return Err(format!("TESTFAILED dense says {a}, sparse {b}"));
        }
        // Six standard errors; with few elements, one collision.
        let error_max = (6.0 * 1.04 / (REGISTERS as f64).sqrt() * number as f64).ceil() as u64;
        if a.abs_diff(number) > error_max {
            return Err(format!("TESTFAILED Too big error. card:{number} abserr:{}", a.abs_diff(number)));
        }
    }
    Ok(())
}

/// A pseudo-random number (splitmix64).
fn scramble(number: u64) -> u64 {
    let mut z = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
