//! What DUMP gives, spoilt: with its checksum as it was, or made to fit again.

use super::random::Random;

/// The version, two bytes, and the checksum, eight.
const FOOTER_BYTES: usize = 10;

/// CRC-64/REDIS: polynomial ad93d23594c935a9, reflected, starting from 0.
pub fn crc64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |crc: u64, byte| {
        (0..8).fold(crc ^ u64::from(*byte), |crc, _| {
            if crc & 1 == 1 { (crc >> 1) ^ 0x95ac_9329_ac4b_c9b5 } else { crc >> 1 }
        })
    })
}

/// A payload whose checksum is right whatever its content.
pub fn seal(payload: &[u8]) -> Vec<u8> {
    let content = &payload[..payload.len().saturating_sub(8)];
    [content, &crc64(content).to_le_bytes()].concat()
}

/// Changes something, mostly in the content; the checksum is not mended.
pub fn spoil(payload: &[u8], others: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
    let mut spoilt = payload.to_vec();
    for _ in 0..=random.below(3) {
        let content = spoilt.len().saturating_sub(FOOTER_BYTES).max(1);
        let reach = if random.one_in(8) { spoilt.len() } else { content };
        let at = random.below(reach);
        match random.below(10) {
            _ if spoilt.is_empty() => spoilt.push(0),
            0 => spoilt[at] ^= 1 << random.below(8),
            1 => spoilt[at] = random.below(256) as u8,
            // Lengths and types like these.
            2 => {
                spoilt[at] = [0, 1, 0x3f, 0x40, 0x7f, 0x80, 0x81, 0xbf, 0xc0, 0xc1, 0xc2, 0xc3, 0xfe, 0xff]
                    [random.below(14)]
            }
            3 => spoilt[0] = random.below(32) as u8,
            4 => spoilt.insert(at, random.below(256) as u8),
            5 => drop(spoilt.remove(at)),
            6 => drop(spoilt.drain(at..(at + 1 + random.below(16)).min(spoilt.len()))),
            7 => {
                let copied = spoilt[at..(at + 1 + random.below(16)).min(spoilt.len())].to_vec();
                spoilt.splice(at..at, copied);
            }
            8 if !others.is_empty() => {
                let other = &others[random.below(others.len())];
                let from = random.below(other.len());
                spoilt.splice(at.., other[from..].iter().copied());
            }
            _ => {
                let number = (random.draw() >> random.below(64)).to_le_bytes();
                let length = [2, 4, 8][random.below(3)].min(spoilt.len() - at);
                spoilt[at..at + length].copy_from_slice(&number[..length]);
            }
        }
    }
    spoilt
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_of_the_format() {
        assert_eq!(crc64(b"123456789"), 0xe9c6_d914_c4b8_d9ca);
    }

    #[test]
    fn a_sealed_payload_differs_in_its_checksum_alone() {
        let sealed = seal(b"\0\x05hello\x0a\0........");
        assert_eq!(&sealed[..9], b"\0\x05hello\x0a\0");
        assert_eq!(sealed.len(), 17);
        assert_eq!(seal(&sealed), sealed);
    }
}
