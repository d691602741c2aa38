//! Passwords: only their SHA-256 is kept, as by Redis, and compared in time that does not depend on where they differ.

use sha2::{Digest, Sha256};
use std::fmt;
use subtle::{Choice, ConstantTimeEq};

/// Of a password. Its text is 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Hash([u8; 32]);

impl Hash {
    pub fn of(password: &[u8]) -> Self {
        Hash(Sha256::digest(password).into())
    }

    /// Reads 64 digits in lower case.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let (digits, rest) = text.as_chunks::<2>();
        let mut bytes = [0; 32];
        if digits.len() != bytes.len() || !rest.is_empty() {
            return None;
        }
        let value = |digit: u8| match digit {
            b'0'..=b'9' => Some(digit.wrapping_sub(b'0')),
            b'a'..=b'f' => Some(digit.wrapping_sub(b'a').wrapping_add(10)),
            _ => None,
        };
        for (byte, [high, low]) in bytes.iter_mut().zip(digits) {
            *byte = value(*high)? << 4 | value(*low)?;
        }
        Some(Hash(bytes))
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(out, "{byte:02x}"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Hash(…)")
    }
}

/// Whether a password is one of these. All are compared.
pub fn is_one_of(password: &[u8], hashes: &[Hash]) -> bool {
    let hash = Hash::of(password);
    hashes.iter().fold(Choice::from(0), |found, known| found | known.0.ct_eq(&hash.0)).into()
}

/// So many random hexadecimal digits that nobody can guess. `seeds`: random ids of the operating system's generator.
pub fn random_hex(digits: usize, mut seeds: impl FnMut() -> [u8; 16]) -> String {
    let mut text = String::with_capacity(digits.saturating_add(64));
    while text.len() < digits {
        let seed = [seeds(), seeds(), seeds()].concat();
        text.push_str(&Hash::of(&seed).to_string());
    }
    text.truncate(digits);
    text
}
