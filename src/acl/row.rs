//! Users as rows of the system's database.
//!
//! | key | value |
//! |---|---|
//! | `a` ‖ name | version u8 (1) ‖ log index u64 at which the user was created ‖ 1 if its password is each node's `requirepass`, else 0 ‖ selectors u32 ‖ per selector: words u32 ‖ words |
//!
//! A word is its length (u32) and its bytes. Words are rules, as ACL LIST shows them; those of the first selector begin with the
//! user's flags and hashes. Numbers are big-endian. Rules, and not what they mean: a build that knows more commands reads them as
//! well.

use super::{Definition, SelectorRules};

/// What keys of users begin with.
pub const USER_ROWS: u8 = b'a';

const VERSION: u8 = 1;

/// A user's row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Tells a user from a later one of the same name. 0: it has always been there (`default`).
    pub created: u64,
    pub definition: Definition,
}

/// The key of a user's row.
pub fn key_of(name: &str) -> Vec<u8> {
    [&[USER_ROWS], name.as_bytes()].concat()
}

/// The user whose row has this key.
pub fn name_of(key: &[u8]) -> Option<&str> {
    std::str::from_utf8(key.strip_prefix(&[USER_ROWS])?).ok()
}

impl Record {
    pub fn encode(&self) -> Vec<u8> {
        let definition = &self.definition;
        let flags = definition.flags().into_iter().map(|flag| flag.as_bytes().to_vec());
        let hashes = definition.passwords.iter().map(|hash| format!("#{hash}").into_bytes());
        let root: Vec<Vec<u8>> = flags.chain(hashes).chain(rules(&definition.root)).collect();
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&self.created.to_be_bytes());
        bytes.push(u8::from(definition.password_is_configured));
        put_count(&mut bytes, definition.others.len().saturating_add(1));
        put_words(&mut bytes, &root);
        for selector in &definition.others {
            put_words(&mut bytes, &rules(selector));
        }
        bytes
    }

    /// `None`: damaged, or of a later build.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(&[VERSION])?;
        let (created, tail) = rest.split_first_chunk::<8>()?;
        let (is_configured, tail) = tail.split_first()?;
        rest = tail;
        let mut definition = Definition::new();
        let selectors = take_count(&mut rest)?;
        for at in 0..selectors {
            let mut selector = SelectorRules::default();
            for _ in 0..take_count(&mut rest)? {
                let word = take_word(&mut rest)?;
                match at {
                    0 => definition.apply(word, None).ok()?,
                    _ => selector.apply(word, None).ok()?,
                }
            }
            if at > 0 {
                definition.others.push(selector);
            }
        }
        definition.password_is_configured = match is_configured {
            0 => false,
            1 => true,
            _ => return None,
        };
        rest.is_empty().then_some(Record { created: u64::from_be_bytes(*created), definition })
    }
}

/// A selector's words, one rule each.
fn rules(selector: &SelectorRules) -> Vec<Vec<u8>> {
    let mut words = selector.words(true);
    // The last one is all rules of commands together.
    if let Some(commands) = words.pop() {
        words.extend(commands.split(|byte| *byte == b' ').map(<[u8]>::to_vec));
    }
    words
}

fn put_count(bytes: &mut Vec<u8>, count: usize) {
    bytes.extend_from_slice(&u32::try_from(count).unwrap_or(u32::MAX).to_be_bytes());
}

fn put_words(bytes: &mut Vec<u8>, words: &[Vec<u8>]) {
    put_count(bytes, words.len());
    for word in words {
        put_count(bytes, word.len());
        bytes.extend_from_slice(word);
    }
}

fn take_count(rest: &mut &[u8]) -> Option<usize> {
    let (count, tail) = rest.split_first_chunk::<4>()?;
    *rest = tail;
    usize::try_from(u32::from_be_bytes(*count)).ok()
}

fn take_word<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = take_count(rest)?;
    let (word, tail) = rest.split_at_checked(len)?;
    *rest = tail;
    Some(word)
}
