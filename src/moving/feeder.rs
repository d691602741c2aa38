//! Reads a source, on a thread of its own: shakes hands as a replica does, and makes steps of the RDB and of the commands behind it.
//!
//! ```text
//! source ─▶ link ─▶ RDB: reader, plan ──┐
//!                   commands: translate ┴─▶ steps ─▶ channel of 2 ─▶ keeper ─▶ log
//!        ◀─ REPLCONF ACK position, every second ◀─ applied ◀──────────┘
//! ```
//! It holds at most one value of the RDB or one transaction of the stream, and the steps in the channel; while that is full it
//! reads nothing, and the source keeps what is to come (`client-output-buffer-limit replica` there).

use super::{
    link::Link,
    load::{Loaded, load},
    translate::{Asked, Translator},
};
use crate::{
    limits::{ARGC_MAX, BULK_BYTES_MAX, ENTRY_BYTES_MAX, ENTRY_BYTES_TARGET},
    replica::StepBuilder,
    resp::{Decoded, Decoder, Limits},
    session::SourceSettings,
};
use crossbeam::channel::{SendTimeoutError, Sender};
use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

/// Between two reports of the position.
const ACK_INTERVAL: Duration = Duration::from_secs(1);
/// Between two looks at whether to stop.
const TICK: Duration = Duration::from_millis(100);
/// A source pings its replicas every ten seconds, and sends a line as often while it makes an RDB.
const SILENCE_MAX: Duration = Duration::from_secs(60);
/// One command and some room: less than an entry may have.
const COMMAND_BYTES_MAX: usize = ENTRY_BYTES_MAX - (16 << 20);

/// What the feeder and its keeper share.
#[derive(Debug, Default)]
pub struct Shared {
    /// The position up to which all is applied.
    pub applied: AtomicU64,
    pub stop: AtomicBool,
}

/// What is to be read.
#[derive(Debug, Clone)]
pub struct Wanted {
    pub settings: SourceSettings,
    /// The replication id, the position and the database of a stream that is to go on; `None`: all.
    pub go_on: Option<(String, u64, u32)>,
    pub bytes_per_second: u64,
    /// The feeder's port as the source shows it.
    pub port: u16,
}

/// What it has read.
pub enum Fed {
    /// An RDB follows: the data as of this place of this stream. `bytes`: 0 = not known.
    Begins {
        replid: String,
        offset: u64,
        bytes: u64,
    },
    /// The stream goes on, under this replication id.
    GoesOn {
        replid: Option<String>,
    },
    Step {
        step: StepBuilder,
        rdb_bytes: u64,
    },
    /// All of the RDB was sent.
    Whole(Loaded),
    Ended(Trouble),
}

/// Why it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trouble {
    /// Trying again may help.
    Passing(String),
    /// It will not.
    Lasting(String),
    /// Nobody wants it any more.
    Unwanted,
}

impl From<String> for Trouble {
    fn from(why: String) -> Self {
        Trouble::Passing(why)
    }
}

/// See the module.
pub struct Feeder {
    wanted: Wanted,
    shared: Arc<Shared>,
    to: Sender<Fed>,
    acked: Instant,
}

impl Feeder {
    pub fn new(wanted: Wanted, shared: Arc<Shared>, to: Sender<Fed>) -> Self {
        Feeder { wanted, shared, to, acked: Instant::now() }
    }

    /// Runs until the source, or whoever takes the steps, has had enough.
    pub fn run(mut self) {
        let trouble = match self.feed() {
            Ok(never) => match never {},
            Err(trouble) => trouble,
        };
        let _ = self.to.send_timeout(Fed::Ended(trouble), SILENCE_MAX);
    }

    fn feed(&mut self) -> Result<std::convert::Infallible, Trouble> {
        let mut link = Link::open(&self.wanted.settings)?;
        link.done(&[b"PING"])?;
        link.done(&[b"REPLCONF", b"listening-port", self.wanted.port.to_string().as_bytes()])?;
        link.done(&[b"REPLCONF", b"capa", b"eof", b"capa", b"psync2"])?;
        let db = self.synchronize(&mut link)?;
        link.limit(0);
        self.follow(&mut link, db)
    }

    /// Asks for the stream from where it is wanted, and loads the RDB if the source no longer has that; the database that the stream
    /// has selected.
    fn synchronize(&mut self, link: &mut Link) -> Result<u32, Trouble> {
        let (replid, from) = match &self.wanted.go_on {
            Some((replid, position, _)) => (replid.clone(), position.saturating_add(1).to_string()),
            None => ("?".to_owned(), "-1".to_owned()),
        };
        link.wait_at_most(SILENCE_MAX)?;
        link.send(&[b"PSYNC", replid.as_bytes(), from.as_bytes()])?;
        let line = self.line(link)?;
        let words: Vec<&str> = line.split(' ').collect();
        match (words.as_slice(), &self.wanted.go_on) {
            (["+FULLRESYNC", replid, offset], _) => {
                let wrong = || Trouble::Passing(link.failed(&std::io::Error::other("a wrong FULLRESYNC")));
                let replid = checked_replid(replid).ok_or_else(wrong)?;
                let offset = offset.parse::<u64>().ok().filter(|offset| *offset <= i64::MAX.cast_unsigned());
                let offset = offset.ok_or_else(wrong)?;
                link.limit(self.wanted.bytes_per_second);
                self.load(link, replid, offset)?;
                Ok(0)
            }
            (["+CONTINUE", rest @ ..], Some((_, _, db))) => {
                let replid = rest.first().and_then(|replid| checked_replid(replid));
                self.give(Fed::GoesOn { replid })?;
                Ok(*db)
            }
            _ => Err(Trouble::Passing(format!(
                "{}: PSYNC: {}",
                self.wanted.settings.address(),
                line.trim_start_matches('-').chars().take(200).collect::<String>()
            ))),
        }
    }

    fn load(&mut self, link: &mut Link, replid: String, offset: u64) -> Result<(), Trouble> {
        let head = self.line(link)?;
        let wrong = |text: &str| Trouble::Passing(format!("{}: {text}", self.wanted.settings.address()));
        let (mark, bytes) = match head.strip_prefix('$').map(|head| (head.strip_prefix("EOF:"), head)) {
            Some((Some(mark), _)) if mark.len() == 40 => (Some(mark.as_bytes().to_vec()), 0),
            Some((None, length)) => {
                (None, length.parse::<u64>().map_err(|_| wrong("an RDB of no known length"))?)
            }
            _ => return Err(wrong("neither an RDB nor its length follows FULLRESYNC")),
        };
        self.give(Fed::Begins { replid, offset, bytes })?;
        let loaded = load(self, link, mark.as_deref(), bytes)?;
        self.give(Fed::Whole(loaded))
    }

    /// The next line that is not empty: empty ones say that the source is still at it.
    fn line(&self, link: &mut Link) -> Result<String, Trouble> {
        loop {
            if self.shared.stop.load(Ordering::Relaxed) {
                return Err(Trouble::Unwanted);
            }
            let line = link.line()?;
            if !line.is_empty() {
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
        }
    }

    fn follow(&mut self, link: &mut Link, db: u32) -> Result<std::convert::Infallible, Trouble> {
        link.wait_at_most(TICK)?;
        let limits = Limits {
            argc_max: ARGC_MAX,
            bulk_bytes_max: BULK_BYTES_MAX,
            query_bytes_max: COMMAND_BYTES_MAX,
            ..Limits::default()
        };
        let (mut decoder, mut translator, mut ranges) = (Decoder::new(), Translator::new(db), Vec::new());
        let mut heard = Instant::now();
        loop {
            let mut step = StepBuilder::default();
            let mut is_asked = false;
            while step.len() < ENTRY_BYTES_TARGET {
                let unused = link.unused();
                let decoded = decoder.next(unused, &limits, &mut ranges);
                let broken =
                    |why: String| Trouble::Passing(format!("{}: {why}", self.wanted.settings.address()));
                let used = match decoded.map_err(|error| broken(error.to_string()))? {
                    Decoded::Incomplete { .. } => break,
                    Decoded::Skip { used } => {
                        translator.take(&[b"PING"], used, &mut step).map_err(Trouble::Lasting)?;
                        used
                    }
                    Decoded::Inline { .. } => return Err(broken("the stream is no list of commands".into())),
                    Decoded::Request { used } => {
                        let words = ranges.iter().filter_map(|range| unused.get(range.clone()));
                        let argv: Vec<&[u8]> = words.collect();
                        let asked = translator.take(&argv, used, &mut step).map_err(Trouble::Lasting)?;
                        is_asked |= asked == Asked::Position;
                        used
                    }
                };
                std::io::BufRead::consume(link, used);
            }
            translator.finish(&mut step);
            if !step.is_empty() {
                self.give_and_acknowledge(link, Fed::Step { step, rdb_bytes: 0 })?;
            }
            self.acknowledge(link, is_asked)?;
            match link.more() {
                Ok(true) => heard = Instant::now(),
                Ok(false) if heard.elapsed() > SILENCE_MAX => {
                    let silent = std::io::Error::other("sent nothing for a minute");
                    return Err(link.failed(&silent).into());
                }
                Ok(false) => {}
                Err(error) => return Err(link.failed(&error).into()),
            }
        }
    }

    /// Hands it on, once there is room.
    pub(super) fn give(&self, fed: Fed) -> Result<(), Trouble> {
        let mut fed = fed;
        while let Some(again) = self.try_give(fed)? {
            fed = again;
        }
        Ok(())
    }

    /// As `give`; while there is no room, the source is still told how far this is.
    fn give_and_acknowledge(&mut self, link: &mut Link, fed: Fed) -> Result<(), Trouble> {
        let mut fed = fed;
        while let Some(again) = self.try_give(fed)? {
            fed = again;
            self.acknowledge(link, false)?;
        }
        Ok(())
    }

    fn try_give(&self, fed: Fed) -> Result<Option<Fed>, Trouble> {
        if self.shared.stop.load(Ordering::Relaxed) {
            return Err(Trouble::Unwanted);
        }
        match self.to.send_timeout(fed, TICK) {
            Ok(()) => Ok(None),
            Err(SendTimeoutError::Disconnected(_)) => Err(Trouble::Unwanted),
            Err(SendTimeoutError::Timeout(again)) => Ok(Some(again)),
        }
    }

    fn acknowledge(&mut self, link: &mut Link, at_once: bool) -> Result<(), Trouble> {
        if !at_once && self.acked.elapsed() < ACK_INTERVAL {
            return Ok(());
        }
        self.acked = Instant::now();
        let applied = self.shared.applied.load(Ordering::Relaxed).to_string();
        Ok(link.send(&[b"REPLCONF", b"ACK", applied.as_bytes()])?)
    }
}

/// A replication id: 40 hexadecimal digits.
fn checked_replid(text: &str) -> Option<String> {
    (text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| text.to_owned())
}
