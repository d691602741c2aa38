//! The position of a client's write in the log of its group: LASTREV returns it, WAITREV waits for it.
//!
//! Clients see a number. The index is in its lower 48 bits, the group above them, so a token of the first group is the index
//! itself, as it was when a node had one group.

/// The token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteToken {
    pub group: u64,
    pub index: u64,
}

const INDEX_BITS: u32 = 48;
const INDEX_MAX: u64 = (1 << INDEX_BITS) - 1;
/// Tokens are integers of RESP, which have a sign.
const GROUP_MAX: u64 = (1 << (63 - INDEX_BITS)) - 1;

impl WriteToken {
    /// As a number for clients.
    pub fn number(self) -> u64 {
        (self.group.min(GROUP_MAX) << INDEX_BITS) | self.index.min(INDEX_MAX)
    }

    /// Parses a client's number.
    pub fn of(number: u64) -> Self {
        WriteToken { group: number >> INDEX_BITS, index: number & INDEX_MAX }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_the_first_group_is_its_index_and_others_come_back() {
        assert_eq!(WriteToken { group: 0, index: 5 }.number(), 5);
        for (group, index) in [(0, 0), (0, INDEX_MAX), (1, 7), (GROUP_MAX, INDEX_MAX)] {
            let token = WriteToken { group, index };
            assert_eq!(WriteToken::of(token.number()), token);
            assert!(i64::try_from(token.number()).is_ok());
        }
    }
}
