//! BITOP's arithmetic: strings combined bit by bit, the shorter ones continued with zeros.

/// How bits are combined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operation {
    And,
    Or,
    Xor,
    /// Of one string only.
    Not,
}

impl Operation {
    /// By its name, whatever the case.
    pub fn parse(word: &[u8]) -> Option<Self> {
        let names = [
            ("AND", Operation::And),
            ("OR", Operation::Or),
            ("XOR", Operation::Xor),
            ("NOT", Operation::Not),
        ];
        let found = names.into_iter().find(|(name, _)| word.eq_ignore_ascii_case(name.as_bytes()));
        found.map(|(_, operation)| operation)
    }
}

/// The result is as long as the longest source.
pub fn combine(operation: Operation, sources: &[&[u8]]) -> Vec<u8> {
    let len = sources.iter().map(|source| source.len()).max().unwrap_or(0);
    let Some((first, others)) = sources.split_first() else { return Vec::new() };
    let mut out = first.to_vec();
    out.resize(len, 0);
    if operation == Operation::Not {
        out.iter_mut().for_each(|byte| *byte = !*byte);
    }
    for other in others {
        let (shared, beyond) = out.split_at_mut(other.len().min(len));
        let pairs = shared.iter_mut().zip(*other);
        match operation {
            Operation::And => {
                pairs.for_each(|(byte, other)| *byte &= other);
                beyond.fill(0);
            }
            Operation::Or => pairs.for_each(|(byte, other)| *byte |= other),
            Operation::Xor => pairs.for_each(|(byte, other)| *byte ^= other),
            Operation::Not => {}
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shorter_strings_count_as_padded_with_zeros() {
        let (long, short): (&[u8], &[u8]) = (&[0xf0, 0xff, 0x01], &[0x33]);
        assert_eq!(combine(Operation::And, &[long, short]), [0x30, 0, 0]);
        assert_eq!(combine(Operation::And, &[short, long]), [0x30, 0, 0]);
        assert_eq!(combine(Operation::Or, &[short, long]), [0xf3, 0xff, 0x01]);
        assert_eq!(combine(Operation::Xor, &[short, long, long]), [0x33, 0, 0]);
        assert_eq!(combine(Operation::Not, &[long]), [0x0f, 0x00, 0xfe]);
        assert!(combine(Operation::Or, &[b"", b""]).is_empty());
    }
}
