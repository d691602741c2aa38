//! Writes keys before anything is measured.

use crate::workload::{command, key, random_value, value};
use resp_tests::dice::Dice;
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    ops::Range,
    time::Duration,
};

/// Keys whose replies are awaited together, and keys of one MSET.
const BATCH: u64 = 2_000;
const CALL: u64 = 10;
/// How long a batch may take.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// What is written, and under which keys.
#[derive(Debug, Clone, Copy)]
pub enum Values {
    /// The same value of so many bytes that compress as text does, under keys in their order.
    Text(usize),
    /// Values of so many random bytes each, which do not compress, under keys out of order.
    Random(usize),
    /// Documents, under keys in their order.
    Json,
}

/// A document of about 560 bytes as shops keep them: half of it field names, the rest names, numbers, and ids that nothing
/// compresses.
pub fn json(number: u64, dice: &mut Dice) -> Vec<u8> {
    const NAMES: [&str; 8] = ["Alice", "Bob", "Carla", "Dmitri", "Eun-ji", "Fatima", "Goran", "Hanako"];
    const WORDS: [&str; 8] = ["quick", "order", "delivery", "window", "garden", "market", "silver", "river"];
    let mut pick = |from: &[&'static str; 8]| from.get(dice.below(8) as usize).copied().unwrap_or_default();
    let (name, word, other) = (pick(&NAMES), pick(&WORDS), pick(&WORDS));
    let mut hex = |digits: usize| (0..digits).map(|_| format!("{:x}", dice.below(16))).collect::<String>();
    let (id, session, token, address) = (hex(32), hex(32), hex(64), hex(12));
    let (price, stock, created) =
        (dice.below(1_000_000), dice.below(10_000), 1_700_000_000_000 + dice.below(1 << 36));
    format!(
        "{{\"id\":\"{id}\",\"number\":{number},\"customer\":{{\"name\":\"{name}\",\"email\":\"{name}.{number}@example.org\",\
         \"address\":{{\"street\":\"{address}\",\"city\":\"{word}ville\",\"country\":\"NL\"}},\"active\":{}}},\
         \"session\":{{\"id\":\"{session}\",\"token\":\"{token}\",\"created_at\":{created},\"expires_in\":86400}},\
         \"items\":[{{\"sku\":\"{word}-{stock}\",\"quantity\":{},\"price_cents\":{price}}},\
         {{\"sku\":\"{other}-{price}\",\"quantity\":{},\"price_cents\":{stock}}}],\"status\":\"delivered\",\"currency\":\"EUR\"}}",
        dice.below(2) == 0,
        dice.below(10),
        dice.below(100),
    )
    .into_bytes()
}

impl Values {
    /// The key with number `n`.
    fn key(self, n: u64) -> Vec<u8> {
        match self {
            Values::Text(_) | Values::Json => key(n),
            // An odd factor permutes the numbers below a power of two.
            Values::Random(_) => key(n.wrapping_mul(0x9e37_79b9_7f4a_7c15) & ((1 << 39) - 1)),
        }
    }
}

/// Writes the keys with these numbers, in pipelines.
pub fn fill(address: SocketAddr, numbers: Range<u64>, values: Values) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("loading: {e}");
    let mut stream = TcpStream::connect(address).map_err(failed)?;
    stream.set_read_timeout(Some(ANSWER_MAX)).map_err(failed)?;
    stream.set_write_timeout(Some(ANSWER_MAX)).map_err(failed)?;
    let mut dice = Dice::new(numbers.start + 1);
    let mut one = match values {
        Values::Text(len) => value(len),
        Values::Random(_) | Values::Json => Vec::new(),
    };
    let (mut next, mut out, mut buffer) = (numbers.start, Vec::new(), vec![0; 64 * 1024]);
    while next < numbers.end {
        out.clear();
        let end = (next + BATCH).min(numbers.end);
        let mut calls = 0_usize;
        while next < end {
            let mut pairs = Vec::new();
            for n in next..(next + CALL).min(end) {
                match values {
                    Values::Text(_) => {}
                    Values::Random(len) => one = random_value(len, &mut dice),
                    Values::Json => one = json(n, &mut dice),
                }
                pairs.push((values.key(n), one.clone()));
            }
            next += pairs.len() as u64;
            let mut words: Vec<&[u8]> = vec![b"MSET"];
            for (name, value) in &pairs {
                words.extend([name.as_slice(), value.as_slice()]);
            }
            command(&mut out, &words);
            calls += 1;
        }
        stream.write_all(&out).map_err(failed)?;
        let mut received = 0;
        while received < calls * b"+OK\r\n".len() {
            let n = stream.read(&mut buffer).map_err(failed)?;
            let bytes = buffer.get(..n).unwrap_or_default();
            if n == 0 || bytes.contains(&b'-') {
                return Err(format!("loading failed: {}", String::from_utf8_lossy(bytes).trim()));
            }
            received += n;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn keys_of_random_values_differ_and_are_out_of_order() {
        let keys: Vec<Vec<u8>> = (0..10_000).map(|n| Values::Random(1).key(n)).collect();
        assert_eq!(keys.iter().collect::<BTreeSet<_>>().len(), keys.len());
        assert!(keys.windows(2).any(|pair| pair[0] > pair[1]));
        assert!(keys.iter().all(|key| key.len() == b"key:".len() + 12));
    }
}
