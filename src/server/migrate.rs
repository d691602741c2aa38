//! MIGRATE: one key after the other is read here, restored on another server, and deleted here, unless it has changed
//! meanwhile; then it is sent again. Only the deletion goes through the log.
//!
//! **Bounds.** A node holds one value of each call, `AT_A_TIME` calls at most; a large one counts as a reply that its client
//! has yet to take (`long_reads.rs`), so it may not take longer than such a client may.

use super::{
    connection::{Close, Connection},
    read::Attempt,
};
use crate::{
    commands::generic::{self, Movable},
    error::Error,
    replica::ProposalBuilder,
    resp::{ErrorReply, Reply},
    session::Migration,
    state::Work,
    store::Condition,
};
use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
    sync::Semaphore,
    time::{timeout, timeout_at},
};

/// Calls of a process at a time: each may take a thread that looks a name up.
const AT_A_TIME: usize = 16;
static CALLS: Semaphore = Semaphore::const_new(AT_A_TIME);
/// Longest way of one key, whatever the call says about signs of life.
const KEY_MAX: Duration = Duration::from_secs(60);
/// A key that changes is sent so many times.
const ATTEMPTS_MAX: u32 = 3;
/// Longest line of a reply.
const LINE_BYTES_MAX: u64 = 1024;
/// Of the payload, handed to the socket at once: what passes within the timeout is a sign of life.
const WRITE_BYTES: usize = 64 * 1024;

/// Why a key was not moved.
enum Failure {
    /// The others may be.
    OfKey(ErrorReply),
    OfAll(ErrorReply),
}

impl Connection {
    pub(super) async fn migrate(&mut self, order: Migration) -> Result<Reply, Close> {
        let Ok(_permit) = CALLS.try_acquire() else {
            return Ok(Reply::Error(ErrorReply::try_again(
                "too many calls of MIGRATE run; nothing was moved",
            )));
        };
        let client = Arc::clone(&self.session.client);
        let _blocked = client.block();
        let (mut target, mut is_any_here, mut refused) = (None, false, None);
        for key in &order.keys {
            let moved = self.migrate_key(&order, key, &mut target).await?;
            self.hold = None;
            match moved {
                Ok(was_here) => is_any_here |= was_here,
                Err(Failure::OfKey(error)) => refused = refused.or(Some(error)),
                Err(Failure::OfAll(error)) => return Ok(Reply::Error(error)),
            }
        }
        Ok(match refused {
            Some(error) => Reply::Error(error),
            None if is_any_here => Reply::Ok,
            None => Reply::Simple("NOKEY".into()),
        })
    }

    /// Whether the key was here.
    async fn migrate_key(
        &mut self,
        order: &Migration,
        key: &[u8],
        target: &mut Option<Target>,
    ) -> Result<Result<bool, Failure>, Close> {
        for attempt in 1..=ATTEMPTS_MAX {
            let movable = match self.movable(key).await? {
                Ok(Some(movable)) => movable,
                Ok(None) if attempt == 1 => return Ok(Ok(false)),
                Ok(None) => {
                    let text = "the key was deleted while it was moved; the target instance has it";
                    return Ok(Err(Failure::OfKey(ErrorReply::err(text))));
                }
                Err(error) => return Ok(Err(Failure::OfKey(error))),
            };
            // What an earlier attempt has put there is replaced.
            let replaces = order.replaces || attempt > 1;
            let restored = self
                .unless_gone(async {
                    let target = match target {
                        Some(target) => target,
                        None => target.insert(Target::connect(order).await?),
                    };
                    target.restore(key, &movable, replaces).await
                })
                .await?;
            self.clock.waited();
            self.hold = None;
            if let Err(failure) = restored {
                return Ok(Err(failure));
            }
            if order.copies {
                return Ok(Ok(true));
            }
            match self.delete_unchanged(movable.condition).await {
                Ok(true) => return Ok(Ok(true)),
                Ok(false) => {}
                Err(error) => return Ok(Err(Failure::OfAll(error))),
            }
        }
        let text = "the key kept changing while it was moved; it is still here, and the target instance has what it was";
        Ok(Err(Failure::OfKey(ErrorReply::err(text))))
    }

    async fn movable(&mut self, key: &[u8]) -> Result<Result<Option<Movable>, ErrorReply>, Close> {
        if let Err(refusal) = self.barrier().await {
            return Ok(Err(refusal));
        }
        let db = self.session.db;
        let found = self
            .attempt(
                self.read_time(),
                |attempt| generic::movable(&attempt.view(db), db, key),
                || {
                    let key = key.to_vec();
                    move |attempt: &Attempt<'_>| generic::movable(&attempt.view(db), db, &key)
                },
            )
            .await;
        match found {
            Ok(found) => Ok(Ok(found)),
            Err(Error::Client(error)) => Ok(Err(error)),
            Err(error) => self.reply_of(Err(error)).map(|_internal| Err(ErrorReply::err("internal error"))),
        }
    }

    /// False if the key has changed.
    async fn delete_unchanged(&mut self, condition: Condition) -> Result<bool, ErrorReply> {
        let words = generic::deletion(&condition.key);
        let mut builder = ProposalBuilder::transaction(std::slice::from_ref(&condition));
        let origin = self.session.tracking.as_ref().and_then(|tracking| tracking.origin(false));
        builder.push_as(condition.db, None, origin, &words);
        let delete = self.thread.table.resolve(&words)?;
        let work = Work { calls: 1, ..Work::NONE }.and(delete.work(&words));
        let replies = self.thread.propose(&self.session.client, builder.finish(), work).await.applied()?;
        self.note_writes();
        self.clock.waited();
        Ok(matches!(replies.first(), Some(Reply::Array(_))))
    }
}

/// The connection to the other server.
struct Target {
    stream: BufReader<TcpStream>,
    idle_max: Duration,
}

impl Target {
    async fn connect(order: &Migration) -> Result<Self, Failure> {
        let unreachable = || Failure::OfAll(generic::unreachable());
        let within = order.idle_max.min(KEY_MAX);
        let stream = match timeout(within, TcpStream::connect((order.host.as_str(), order.port))).await {
            Ok(Ok(stream)) => stream,
            // As by redis-server, which notices when it writes that nobody listens there.
            Ok(Err(error)) if error.raw_os_error().is_some() => return Err(broken("writing")),
            Ok(Err(_unknown)) => return Err(unreachable()),
            Err(_late) => return Err(unreachable()),
        };
        stream.set_nodelay(true).map_err(|_error| unreachable())?;
        let mut target = Target { stream: BufReader::new(stream), idle_max: within };
        let by = Instant::now() + KEY_MAX;
        for request in generic::greeting(order) {
            target.ask(&[&request], by).await?.map_err(Failure::OfAll)?;
        }
        Ok(target)
    }

    async fn restore(&mut self, key: &[u8], movable: &Movable, replaces: bool) -> Result<(), Failure> {
        let (begin, end) = generic::restoring(key, movable, replaces);
        self.ask(&[&begin, &movable.payload, end], Instant::now() + KEY_MAX).await?.map_err(Failure::OfKey)
    }

    /// Sends a request, in parts. The inner error is the other server's.
    async fn ask(&mut self, parts: &[&[u8]], by: Instant) -> Result<Result<(), ErrorReply>, Failure> {
        for part in parts.iter().flat_map(|part| part.chunks(WRITE_BYTES)) {
            let written = self.stream.get_mut().write_all(part);
            in_time(self.idle_max, by, written).await.map_err(|_error| broken("writing"))?;
        }
        let mut line = Vec::new();
        let mut bounded = (&mut self.stream).take(LINE_BYTES_MAX);
        let read = bounded.read_until(b'\n', &mut line);
        in_time(self.idle_max, by, read).await.map_err(|_error| broken("reading"))?;
        match line.strip_suffix(b"\r\n").and_then(<[u8]>::split_first) {
            Some((b'+', _)) => Ok(Ok(())),
            Some((b'-', text)) => {
                let text = String::from_utf8_lossy(text);
                Ok(Err(ErrorReply::err(format!("Target instance replied with error: {text}"))))
            }
            // It speaks something else, so it has not got the key.
            _ => Err(broken("reading")),
        }
    }
}

async fn in_time<T>(
    idle_max: Duration,
    by: Instant,
    work: impl Future<Output = io::Result<T>>,
) -> io::Result<T> {
    let by = by.min(Instant::now() + idle_max);
    timeout_at(by.into(), work).await.unwrap_or_else(|_late| Err(io::ErrorKind::TimedOut.into()))
}

fn broken(doing: &str) -> Failure {
    Failure::OfAll(ErrorReply::new("IOERR", format!("error or timeout {doing} to target instance")))
}
