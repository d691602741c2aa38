//! Requests: for any bytes, in any pieces, the decoder reads the same and stays within the buffer.

use flotilla::resp::{Decoded, Decoder, Limits, ProtocolError};

/// First byte: limits (lowest bit) and the size of the pieces; the rest is the client's input.
pub fn run(data: &[u8]) {
    let Some((control, input)) = data.split_first() else { return };
    let limits = if control & 1 == 0 {
        Limits { argc_max: 1000, bulk_bytes_max: 1 << 16, inline_bytes_max: 32, ..Limits::default() }
    } else {
        Limits { inline_bytes_max: 32, ..Limits::pre_auth() }
    };
    let piece = usize::from(control >> 1) + 1;
    let whole = decode(input, &limits, input.len().max(1));
    let pieces = decode(input, &limits, piece);
    assert_eq!(whole, pieces, "in pieces of {piece}");
}

type Requests = Vec<Vec<Vec<u8>>>;

/// The requests, how many bytes they took, and the error that ended them.
fn decode(input: &[u8], limits: &Limits, piece: usize) -> (Requests, usize, Option<ProtocolError>) {
    let (mut decoder, mut requests) = (Decoder::new(), Vec::new());
    let (mut at, mut seen) = (0, piece.min(input.len()));
    loop {
        let buffer = &input[at..seen];
        let mut argv = Vec::new();
        let used = match decoder.next(buffer, limits, &mut argv) {
            Err(error) => return (requests, at, Some(error)),
            Ok(Decoded::Incomplete { need }) => {
                assert!(need > buffer.len(), "wants {need} and has {}", buffer.len());
                if seen == input.len() {
                    return (requests, at, None);
                }
                seen = (seen + piece).min(input.len());
                continue;
            }
            Ok(Decoded::Skip { used }) => used,
            Ok(Decoded::Inline { used, argv }) => {
                assert!(!argv.is_empty());
                requests.push(argv);
                used
            }
            Ok(Decoded::Request { used }) => {
                assert!(!argv.is_empty() && argv.len() <= limits.argc_max);
                for word in &argv {
                    assert!(word.len() <= limits.bulk_bytes_max);
                    assert_eq!(&buffer[word.end..word.end + 2], b"\r\n");
                }
                requests.push(argv.into_iter().map(|word| buffer[word].to_vec()).collect());
                used
            }
        };
        assert!(used > 0 && used <= buffer.len());
        at += used;
    }
}
