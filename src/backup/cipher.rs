//! Encrypted objects: AES-256-GCM in frames, so that a file of any size is read and written piece by piece.
//!
//! ```text
//! MAGIC, 8 bytes │ salt, 32 bytes │ frame │ frame │ … │ last frame
//! frame = up to 1 MiB of plain text, encrypted, and 16 bytes of tag; only the last one is shorter
//! ```
//!
//! Each object has a key of its own: HKDF-SHA-256 of the operator's key with the object's salt (RFC 5869). The nonce of a
//! frame is its number and whether it is the last, so frames can be neither moved, left out nor cut off (the STREAM
//! construction of Hoang, Reyhanitabar, Rogaway and Vizár, 2015).

use super::{BackupError, Result, damaged};
use ring::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    hkdf::{HKDF_SHA256, Salt},
    rand::{SecureRandom, SystemRandom},
};
use std::{fs, path::Path};

const MAGIC: &[u8; 8] = b"FLOTENC1";
const SALT_BYTES: usize = 32;
pub const HEAD_BYTES: usize = MAGIC.len() + SALT_BYTES;
pub const FRAME_BYTES: usize = 1 << 20;
const TAG_BYTES: usize = 16;
const INFO: &[u8] = b"flotilla backup";

/// The operator's key.
#[derive(Clone)]
pub struct Key([u8; 32]);

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Key")
    }
}

impl Key {
    /// A file with 64 hexadecimal digits.
    pub fn read(path: &Path) -> Result<Key> {
        let what = || format!("key file {}", path.display());
        let text = fs::read_to_string(path).map_err(super::io(what()))?;
        let refused = || {
            BackupError::Refused(format!(
                "{}: not 64 hexadecimal digits; make one with: openssl rand -hex 32",
                what()
            ))
        };
        let digits = text.trim().as_bytes();
        if digits.len() != 64 {
            return Err(refused());
        }
        let mut key = [0; 32];
        for (byte, pair) in key.iter_mut().zip(digits.chunks(2)) {
            let pair = std::str::from_utf8(pair).ok();
            *byte = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok()).ok_or_else(refused)?;
        }
        Ok(Key(key))
    }

    fn of_object(&self, salt: &[u8]) -> Result<LessSafeKey> {
        let failed = |_| BackupError::Refused("the key cannot be used".into());
        let pseudorandom = Salt::new(HKDF_SHA256, salt).extract(&self.0);
        let expanded = pseudorandom.expand(&[INFO], &AES_256_GCM).map_err(failed)?;
        Ok(LessSafeKey::new(UnboundKey::from(expanded)))
    }
}

/// Of frame `number`.
fn nonce(number: u64, is_last: bool) -> Nonce {
    let mut bytes = [0; NONCE_LEN];
    for (to, from) in bytes.iter_mut().zip(number.to_be_bytes()) {
        *to = from;
    }
    if let Some(last) = bytes.last_mut() {
        *last = u8::from(is_last);
    }
    Nonce::assume_unique_for_key(bytes)
}

/// Encrypts one object.
pub struct Sealing {
    key: LessSafeKey,
    number: u64,
}

impl Sealing {
    /// And what the object begins with.
    pub fn begin(key: &Key) -> Result<(Sealing, Vec<u8>)> {
        let mut salt = [0; SALT_BYTES];
        SystemRandom::new().fill(&mut salt).map_err(|_| BackupError::Refused("no random numbers".into()))?;
        Ok((Sealing { key: key.of_object(&salt)?, number: 0 }, [&MAGIC[..], &salt].concat()))
    }

    /// The next frame: `FRAME_BYTES`, or fewer if it is the last.
    pub fn seal(&mut self, mut frame: Vec<u8>, is_last: bool) -> Result<Vec<u8>> {
        let nonce = nonce(self.number, is_last);
        self.number = self.number.saturating_add(1);
        self.key
            .seal_in_place_append_tag(nonce, Aad::empty(), &mut frame)
            .map_err(|_| BackupError::Refused("cannot encrypt".into()))?;
        Ok(frame)
    }
}

/// Turns the bytes of an object, however they come, into plain text; with a key only objects of that key pass.
pub struct Opening<'a> {
    object: &'a str,
    key: Option<&'a Key>,
    opened: Option<LessSafeKey>,
    number: u64,
    held: Vec<u8>,
    /// Whether the first bytes were looked at.
    began: bool,
}

impl<'a> Opening<'a> {
    pub fn new(object: &'a str, key: Option<&'a Key>) -> Self {
        Opening { object, key, opened: None, number: 0, held: Vec::new(), began: false }
    }

    /// More bytes of the object; returns what is plain now.
    pub fn take(&mut self, bytes: &[u8]) -> Result<Vec<u8>> {
        self.held.extend_from_slice(bytes);
        if !self.began {
            if self.held.len() < HEAD_BYTES {
                return Ok(Vec::new());
            }
            self.begin()?;
        }
        match self.opened {
            None => Ok(std::mem::take(&mut self.held)),
            Some(_) => {
                let mut plain = Vec::new();
                // One more byte says that it is not the last.
                while self.held.len() > FRAME_BYTES + TAG_BYTES {
                    let rest = self.held.split_off(FRAME_BYTES + TAG_BYTES);
                    let frame = std::mem::replace(&mut self.held, rest);
                    plain.extend_from_slice(&self.open(frame, false)?);
                }
                Ok(plain)
            }
        }
    }

    /// There is no more.
    pub fn end(mut self) -> Result<Vec<u8>> {
        if !self.began {
            self.begin()?;
        }
        let last = std::mem::take(&mut self.held);
        match self.opened {
            None => Ok(last),
            Some(_) => self.open(last, true),
        }
    }

    fn begin(&mut self) -> Result<()> {
        self.began = true;
        let is_encrypted = self.held.starts_with(MAGIC) && self.held.len() >= HEAD_BYTES;
        match (self.key, is_encrypted) {
            (None, false) => Ok(()),
            (None, true) => Err(BackupError::Refused(format!("{} is encrypted: give its key", self.object))),
            (Some(_), false) => damaged(self.object, "it is not encrypted, although a key was given"),
            (Some(key), true) => {
                let rest = self.held.split_off(HEAD_BYTES);
                let head = std::mem::replace(&mut self.held, rest);
                self.opened = Some(key.of_object(head.get(MAGIC.len()..).unwrap_or_default())?);
                Ok(())
            }
        }
    }

    fn open(&mut self, mut frame: Vec<u8>, is_last: bool) -> Result<Vec<u8>> {
        let nonce = nonce(self.number, is_last);
        self.number = self.number.saturating_add(1);
        let opened = self
            .opened
            .as_ref()
            .and_then(|key| key.open_in_place(nonce, Aad::empty(), &mut frame).ok().map(|plain| plain.len()));
        match opened {
            Some(len) => {
                frame.truncate(len);
                Ok(frame)
            }
            None => damaged(self.object, "it was not encrypted with this key, or was changed"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sealed(key: &Key, plain: &[u8]) -> Vec<u8> {
        let (mut sealing, mut out) = Sealing::begin(key).unwrap();
        let mut frames = plain.chunks(FRAME_BYTES).peekable();
        if plain.is_empty() {
            out.extend(sealing.seal(Vec::new(), true).unwrap());
        }
        while let Some(frame) = frames.next() {
            out.extend(sealing.seal(frame.to_vec(), frames.peek().is_none()).unwrap());
        }
        out
    }

    fn opened(key: Option<&Key>, bytes: &[u8], step: usize) -> Result<Vec<u8>> {
        let mut opening = Opening::new("object", key);
        let mut plain = Vec::new();
        for part in bytes.chunks(step) {
            plain.extend(opening.take(part)?);
        }
        plain.extend(opening.end()?);
        Ok(plain)
    }

    #[test]
    fn what_was_sealed_is_opened_by_its_key_and_by_no_other() {
        let (key, other) = (Key([1; 32]), Key([2; 32]));
        for len in [0, 1, FRAME_BYTES - 1, FRAME_BYTES, FRAME_BYTES + 1, 2 * FRAME_BYTES] {
            let plain: Vec<u8> = (0..len).map(|at| at as u8).collect();
            let object = sealed(&key, &plain);
            for step in [1 << 16, 700_001, object.len()] {
                assert!(opened(Some(&key), &object, step).unwrap() == plain, "{len} {step}");
            }
            assert!(opened(Some(&other), &object, 1 << 16).is_err());
            assert!(opened(None, &object, 1 << 16).is_err());
        }
        assert!(opened(Some(&key), b"plain", 2).is_err());
        assert_eq!(opened(None, b"plain", 2).unwrap(), b"plain");
        assert_ne!(sealed(&key, b"same"), sealed(&key, b"same"));
    }

    #[test]
    fn a_cut_a_change_and_another_order_are_noticed() {
        let key = Key([7; 32]);
        let object = sealed(&key, &[5; 2 * FRAME_BYTES + 10]);
        let (frame, head) = (FRAME_BYTES + TAG_BYTES, HEAD_BYTES);
        for cut in [head, head + 1, head + frame, head + 2 * frame, object.len() - 1] {
            assert!(opened(Some(&key), &object[..cut], 1 << 16).is_err(), "cut at {cut}");
        }
        for bit in [8 * 9, 8 * head, 8 * (head + frame) + 3, 8 * object.len() - 1] {
            let mut changed = object.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(opened(Some(&key), &changed, 1 << 16).is_err(), "bit {bit}");
        }
        let (first, second) = (head..head + frame, head + frame..head + 2 * frame);
        let swapped =
            [&object[..head], &object[second], &object[first], &object[head + 2 * frame..]].concat();
        assert!(opened(Some(&key), &swapped, 1 << 16).is_err());
    }

    #[test]
    fn a_key_is_64_hexadecimal_digits() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("key");
        for (text, is_good) in [
            ("ab".repeat(32), true),
            ("ab".repeat(32) + "\n", true),
            ("ab".repeat(31), false),
            ("zz".repeat(32), false),
        ] {
            fs::write(&path, text).unwrap();
            assert_eq!(Key::read(&path).is_ok(), is_good);
        }
        assert!(Key::read(&home.path().join("none")).is_err());
    }
}
