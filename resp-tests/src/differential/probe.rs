//! What is more than one reply to one command: walks with a cursor, values carried from one server to the other, and
//! clients that wait for others.
//!
//! A probe has connections of its own. What it left behind is compared with all other data afterwards.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::time::{Duration, Instant};

use super::catalogue::Catalogue;
use super::explained::{self, Case};
use super::line::Line;
use super::pools::{self, Kind};
use super::random::Random;
use super::run::{Both, Pair};
use super::verdict::{Mismatch, Verdict};
use super::{Argv, describe, shape, words};
use crate::script::one_line;
use crate::value::{Value, encode};

/// A walk that takes longer does not end.
const WALK_CALLS_MAX: usize = 10_000;
/// How long the number of waiting clients may take to become what it must be.
const SETTLE_WITHIN: Duration = Duration::from_secs(1);
const SERVE_WITHIN: Duration = Duration::from_secs(5);

#[derive(Clone, Debug, PartialEq)]
pub enum Probe {
    /// A cursor is followed to the end; both servers must have shown the same, in whatever order and parts.
    Walk { database: &'static str, argv: Argv, options: Argv },
    /// What each server dumps is restored by the other one.
    Carry { database: &'static str, from: Vec<u8>, to: Vec<u8> },
    /// Clients wait, one after the other; then somebody does things that serve them.
    Wait { database: &'static str, waiters: Vec<Argv>, serving: Vec<Argv>, cleaning: Argv },
}

impl Probe {
    /// `None`: a command that it needs is not there.
    pub fn draw(random: &mut Random, catalogue: &Catalogue) -> Option<Probe> {
        let database = ["0", "0", "0", "1"][random.below(4)];
        let any_key = |random: &mut Random| {
            let kind = Kind::ALL[random.below(Kind::ALL.len())];
            random.pick(kind.keys()).to_vec()
        };
        let probe = match random.below(4) {
            0 | 1 => {
                let (name, kind) = [
                    ("SCAN", Kind::Any),
                    ("HSCAN", Kind::Hash),
                    ("SSCAN", Kind::Set),
                    ("SSCAN", Kind::Integers),
                    ("ZSCAN", Kind::Sorted),
                    ("ZSCAN", Kind::Geo),
                ][random.below(6)];
                let mut argv = words(&[name]);
                if name != "SCAN" {
                    argv.push(if random.one_in(16) {
                        any_key(random)
                    } else {
                        random.pick(kind.keys()).to_vec()
                    });
                }
                let mut options = Vec::new();
                if random.one_in(2) {
                    options.extend([b"MATCH".to_vec(), random.pick(pools::PATTERNS.items).to_vec()]);
                }
                if random.one_in(2) {
                    options
                        .extend([b"COUNT".to_vec(), random.pick(&[b"1".as_slice(), b"7", b"100"]).to_vec()]);
                }
                if name == "SCAN" && random.one_in(3) {
                    options.extend([b"TYPE".to_vec(), random.pick(pools::TYPES.items).to_vec()]);
                }
                Probe::Walk { database, argv, options }
            }
            2 => Probe::Carry { database, from: any_key(random), to: any_key(random) },
            _ => wait(random, database),
        };
        probe.needs().iter().all(|name| catalogue.has(name)).then_some(probe)
    }

    fn needs(&self) -> BTreeSet<String> {
        let names: Vec<&[u8]> = match self {
            Probe::Walk { argv, .. } => vec![&argv[0]],
            Probe::Carry { .. } => vec![b"dump", b"restore"],
            Probe::Wait { waiters, serving, .. } => {
                waiters.iter().chain(serving).map(|argv| argv[0].as_slice()).collect()
            }
        };
        names.iter().map(|name| String::from_utf8_lossy(name).to_lowercase()).collect()
    }

    /// As it can be read.
    pub fn describe(&self) -> String {
        match self {
            Probe::Walk { database, argv, options } => {
                format!("[walk, db {database}] {} cursor {}", describe(argv), describe(options))
            }
            Probe::Carry { database, from, to } => {
                let (from, to) = (from.escape_ascii(), to.escape_ascii());
                format!(
                    "[carry, db {database}] DUMP \"{from}\" here, RESTORE \"{to}\" there, and the other way round"
                )
            }
            Probe::Wait { database, waiters, serving, .. } => {
                let all =
                    |calls: &[Argv]| calls.iter().map(|argv| describe(argv)).collect::<Vec<_>>().join("; ");
                format!("[wait, db {database}] {} | served by {}", all(waiters), all(serving))
            }
        }
    }

    /// How many commands it counts as.
    pub fn operations(&self) -> u64 {
        match self {
            Probe::Walk { .. } | Probe::Carry { .. } => 2,
            Probe::Wait { waiters, serving, .. } => (waiters.len() + serving.len()) as u64,
        }
    }

    pub fn run(&self, pair: &mut Pair) -> io::Result<Verdict> {
        match self {
            Probe::Walk { database, argv, options } => {
                let walk = |line: &mut Line| walk(line, database, argv, options);
                let product = walk(&mut pair.prober.product)?;
                let reference = walk(&mut pair.prober.reference)?;
                Ok(verdict(argv, product, reference))
            }
            Probe::Carry { database, from, to } => carry(pair, database, from, to),
            Probe::Wait { database, waiters, serving, cleaning } => {
                let (product, reference) =
                    Waiting::start(pair, database, waiters, cleaning)?.serve(pair, serving)?;
                pair.ask(cleaning)?;
                Ok(verdict(&waiters[0], product, reference))
            }
        }
    }
}

fn verdict(argv: &Argv, product: Value, reference: Value) -> Verdict {
    if product == reference {
        return Verdict::Same;
    }
    match explained::find(&Case {
        argv,
        product: &product,
        reference: &reference,
        before: None,
        is_group_changed: false,
    }) {
        Some(difference) => Verdict::Explained(difference),
        None => Verdict::Differs(Mismatch { argv: argv.clone(), fault: None, product, reference }),
    }
}

fn call(line: &mut Line, argv: &[Vec<u8>]) -> io::Result<Value> {
    line.send(&encode(argv))?;
    line.receive().map(|(value, _)| value)
}

fn walk(line: &mut Line, database: &str, argv: &Argv, options: &Argv) -> io::Result<Value> {
    call(line, &words(&["SELECT", database]))?;
    let is_paired = matches!(argv[0].as_slice(), b"HSCAN" | b"ZSCAN");
    let mut cursor = b"0".to_vec();
    let mut seen = BTreeMap::new();
    for _ in 0..WALK_CALLS_MAX {
        let whole: Argv = argv.iter().chain([&cursor]).chain(options).cloned().collect();
        let Value::Array(parts) = call(line, &whole)? else { return call(line, &whole) };
        let [Value::Bulk(next), Value::Array(items)] = parts.as_slice() else {
            return Ok(Value::Array(parts));
        };
        // Shown twice is shown once.
        let chunks = items.chunks(if is_paired { 2 } else { 1 });
        seen.extend(chunks.map(|chunk| (one_line(&chunk[0]), chunk.to_vec())));
        if next == b"0" {
            return Ok(Value::Array(seen.into_values().flatten().collect()));
        }
        cursor = next.clone();
    }
    Ok(Value::Error(b"the cursor never came back to 0".to_vec()))
}

fn carry(pair: &mut Pair, database: &str, from: &[u8], to: &[u8]) -> io::Result<Verdict> {
    let prober = &mut pair.prober;
    let dump = vec![b"DUMP".to_vec(), from.to_vec()];
    let take = |line: &mut Line| {
        call(line, &words(&["SELECT", database]))?;
        call(line, &dump)
    };
    let (product, reference) = (take(&mut prober.product)?, take(&mut prober.reference)?);
    let shown = words(&["OBJECT", "ENCODING"]).into_iter().chain([from.to_vec()]).collect::<Argv>();
    let is_table = call(&mut prober.reference, &shown)? == Value::Bulk(b"hashtable".to_vec());
    let (Value::Bulk(of_product), Value::Bulk(of_reference)) = (&product, &reference) else {
        return Ok(verdict(&dump, product, reference));
    };
    let restore = |payload: &Vec<u8>| {
        vec![b"RESTORE".to_vec(), to.to_vec(), b"0".to_vec(), payload.clone(), b"REPLACE".to_vec()]
    };
    let product = call(&mut prober.product, &restore(of_reference))?;
    let reference = call(&mut prober.reference, &restore(of_product))?;
    if is_table && product == reference {
        // Each server has the other one's order now, in a hash that is small again.
        let all = vec![b"HGETALL".to_vec(), to.to_vec()];
        let (mut product, mut reference) = prober.ask(&all)?;
        if !matches!(product, Value::Error(_)) {
            shape::normalise(&all, &mut product);
            shape::normalise(&all, &mut reference);
            prober.ask(&[b"DEL".to_vec(), to.to_vec()])?;
        }
        return Ok(verdict(&all, product, reference));
    }
    Ok(verdict(&restore(of_product), product, reference))
}

/// Draws who waits for what, and what happens then.
fn wait(random: &mut Random, database: &'static str) -> Probe {
    let kind = [Kind::List, Kind::List, Kind::Sorted, Kind::Stream][random.below(4)];
    let [key, other] = [kind.keys()[0], kind.keys()[1]].map(|key| String::from_utf8_lossy(key).into_owned());
    let (key, other) = (key.as_str(), other.as_str());
    let waits: &[&[&str]] = match kind {
        Kind::List => &[
            &["BLPOP", key, "5"],
            &["BLPOP", other, key, "5"],
            &["BRPOP", key, "5.5"],
            &["BLMOVE", key, "moved", "LEFT", "RIGHT", "5"],
            &["BRPOPLPUSH", key, "moved", "5"],
            &["BLMPOP", "5", "2", other, key, "RIGHT", "COUNT", "2"],
        ],
        Kind::Sorted => &[
            &["BZPOPMIN", key, "5"],
            &["BZPOPMAX", other, key, "5"],
            &["BZMPOP", "5", "2", other, key, "MIN", "COUNT", "2"],
        ],
        _ => &[
            &["XREAD", "BLOCK", "5000", "STREAMS", key, "$"],
            &["XREAD", "COUNT", "1", "BLOCK", "5000", "STREAMS", other, key, "0", "0"],
        ],
    };
    let waiters: Vec<Argv> = (0..=random.below(3)).map(|_| words(waits[random.below(waits.len())])).collect();
    let (add, item): (&[&str], &str) = match kind {
        Kind::List => (&["RPUSH", key, "a"], "a"),
        Kind::Sorted => (&["ZADD", key, "1.5", "a"], "a"),
        _ => (&["XADD", key, "7-*", "f", "v"], "f"),
    };
    let renamed: Argv = words(add)
        .into_iter()
        .enumerate()
        .map(|(at, word)| if at == 1 { b"fresh".to_vec() } else { word })
        .collect();
    let mut serving: Vec<Argv> = match random.below(6) {
        0 => vec![words(add), words(add)],
        1 => vec![words(&["SET", key, "x"]), words(&["DEL", key]), words(add)],
        2 => vec![renamed, words(&["RENAME", "fresh", key])],
        3 => vec![words(&["MULTI"]), words(add), words(&["DEL", key]), words(&["EXEC"])],
        4 => vec![words(&["MULTI"]), words(add), words(add), words(&["TYPE", key]), words(&["EXEC"])],
        _ => vec![renamed, words(&["COPY", "fresh", key]), words(&["TYPE", "fresh"])],
    };
    // At last everybody is served.
    for round in 0..waiters.len() {
        let round = round.to_string();
        serving.push(match kind {
            Kind::List => words(&["RPUSH", key, "x", "y", &round]),
            Kind::Sorted => words(&["ZADD", key, "1", "x", "2", "y", &round, item]),
            _ => words(&["XADD", key, &format!("90{round}-*"), "f", "v"]),
        });
    }
    let cleaning = words(&["DEL", key, other, "moved", "fresh"]);
    Probe::Wait { database, waiters, serving, cleaning }
}

/// Clients of both servers that wait.
struct Waiting {
    lines: Vec<Both<Line>>,
    /// Sees how many wait, also while the prober is in a transaction.
    watcher: Both<Line>,
}

impl Waiting {
    fn start(pair: &mut Pair, database: &str, waiters: &[Argv], cleaning: &Argv) -> io::Result<Waiting> {
        pair.ask(&words(&["SELECT", database]))?;
        pair.ask(cleaning)?;
        let (product_port, reference_port) = (pair.product_port, pair.reference_port);
        let open = || {
            Ok::<_, io::Error>(Both {
                product: Line::open(product_port)?,
                reference: Line::open(reference_port)?,
            })
        };
        let (mut lines, mut watcher): (_, Both<Line>) = (Vec::new(), open()?);
        for (index, waiter) in waiters.iter().enumerate() {
            let mut both: Both<Line> = open()?;
            both.ask(&words(&["SELECT", database]))?;
            both.product.send(&encode(waiter))?;
            both.reference.send(&encode(waiter))?;
            lines.push(both);
            // Who comes first is served first: the next one must not overtake.
            settle(&mut watcher.reference, index + 1)?;
            settle(&mut watcher.product, index + 1)?;
        }
        Ok(Waiting { lines, watcher })
    }

    /// All replies of those who waited, then of the one who served, of both servers.
    fn serve(mut self, pair: &mut Pair, serving: &[Argv]) -> io::Result<(Value, Value)> {
        let (mut of_product, mut of_reference) = (Vec::new(), Vec::new());
        for argv in serving {
            let (product, reference) = pair.ask(argv)?;
            of_product.push(product);
            of_reference.push(reference);
            // Who waits is served after the command, and other clients may be quicker: nobody shall be here.
            let left = blocked(&mut self.watcher.reference)?;
            settle(&mut self.watcher.product, left)?;
        }
        let mut served = |line: fn(&mut Both<Line>) -> &mut Line| {
            let nothing = || Value::Error(b"never served".to_vec());
            let mut reply = |both| Ok(line(both).receive_within(SERVE_WITHIN)?.unwrap_or_else(nothing));
            self.lines.iter_mut().map(&mut reply).collect::<io::Result<Vec<Value>>>()
        };
        let product = vec![Value::Array(served(|both| &mut both.product)?), Value::Array(of_product)];
        let reference = vec![Value::Array(served(|both| &mut both.reference)?), Value::Array(of_reference)];
        Ok((Value::Array(product), Value::Array(reference)))
    }
}

/// Waits until so many clients wait, but not for ever: the replies will tell.
fn settle(line: &mut Line, count: usize) -> io::Result<()> {
    let deadline = Instant::now() + SETTLE_WITHIN;
    while blocked(line)? != count && Instant::now() < deadline {}
    Ok(())
}

fn blocked(line: &mut Line) -> io::Result<usize> {
    let reply = call(line, &words(&["INFO", "clients"]))?;
    let Value::Bulk(text) = reply else { return Ok(0) };
    let text = String::from_utf8_lossy(&text).into_owned();
    let count = text.lines().find_map(|line| line.strip_prefix("blocked_clients:")?.trim().parse().ok());
    Ok(count.unwrap_or(0))
}
