//! The names of scripts.

/// The SHA-1 of a script's text, in lower-case hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Sha1([u8; 40]);

impl Sha1 {
    /// That of a text.
    pub(super) fn of(text: &[u8]) -> Self {
        Sha1(crate::script::sha1_hex(text))
    }

    /// What stands for a function among scripts' names.
    pub(super) fn of_function(name: &[u8]) -> Self {
        Self::of(&[b"function ", &name.to_ascii_lowercase()[..]].concat())
    }

    /// One that a client or a row names, in digits of either case.
    pub(super) fn parse(word: &[u8]) -> Option<Self> {
        let mut digits: [u8; 40] = word.try_into().ok()?;
        digits.make_ascii_lowercase();
        Some(Sha1(digits))
    }

    pub(super) fn hex(&self) -> &[u8; 40] {
        &self.0
    }
}
