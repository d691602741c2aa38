//! A client with a cache, as client libraries build it: one connection; a thread takes what comes, in order. It may end and go on
//! with what it had on another connection.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use resp_tests::connection::{Connection, Received};
use resp_tests::door::Door;
use resp_tests::value::{Value, encode};

/// How long a reply may take.
const REPLY_MAX: Duration = Duration::from_secs(5);

/// What a request was about whose reply has not come.
enum Asked {
    Key(String),
    Revision,
    Other,
}

/// What a client keeps when its connection ends.
#[derive(Clone, Default)]
pub struct Kept {
    pub values: BTreeMap<String, Option<u64>>,
    /// Up to where it was told of changes.
    revision: Option<String>,
}

#[derive(Default)]
struct Cache {
    kept: Kept,
    asked: VecDeque<Asked>,
    is_closed: bool,
    invalidations: u64,
    /// When this connection got a key's value.
    read_at: BTreeMap<String, Instant>,
}

/// See the module.
pub struct Client {
    stream: TcpStream,
    cache: Arc<Mutex<Cache>>,
    replies: Receiver<Value>,
    thread: Option<JoinHandle<()>>,
    opts_in: bool,
}

impl Client {
    /// Connects, and tracks with these options.
    pub fn open(door: &Door, options: &[&str]) -> Option<Client> {
        Client::go_on(door, options, Kept::default())
    }

    /// As `open`, with what an earlier connection had, to this node or another one.
    pub fn go_on(door: &Door, options: &[&str], mut kept: Kept) -> Option<Client> {
        let mut connection = door.connect().ok()?;
        // Nobody is asked about nothing, and so nobody says whether this node is as far.
        if kept.values.is_empty() {
            kept = Kept::default();
        }
        // It stays true until there is a later one.
        let revision = kept.revision.clone();
        let mut words = [&["CLIENT", "TRACKING", "ON"], options].concat();
        let is_broadcast = options.contains(&"BCAST");
        match &revision {
            Some(revision) if is_broadcast => words.extend(["SINCE", revision]),
            Some(_) => {}
            None => kept.values.clear(),
        }
        for words in [&["HELLO", "3"][..], &words] {
            answer(&mut connection, words, &mut kept)?;
        }
        if let Some(revision) = revision.filter(|_| !is_broadcast && !kept.values.is_empty()) {
            let names: Vec<String> = kept.values.keys().cloned().collect();
            let names = names.iter().map(String::as_str);
            let words: Vec<&str> = ["CLIENT", "CACHED", &revision].into_iter().chain(names).collect();
            match answer(&mut connection, &words, &mut kept)? {
                Value::Array(changed) => changed.iter().for_each(|key| kept.drop_key(key)),
                Value::Null => kept = Kept::default(),
                other => panic!("{other:?}"),
            }
        }
        let stream = connection.stream().try_clone().ok()?;
        let (sender, replies) = channel();
        let cache = Arc::new(Mutex::new(Cache { kept, ..Cache::default() }));
        let shared = Arc::clone(&cache);
        let thread = Some(thread::spawn(move || receive(connection, &shared, &sender)));
        Some(Client { stream, cache, replies, thread, opts_in: options.contains(&"OPTIN") })
    }

    /// What the cache has of a key.
    pub fn cached(&self, key: &str) -> Option<Option<u64>> {
        self.cache.lock().unwrap().kept.values.get(key).copied()
    }

    /// How it may have come to a value that it should not have.
    pub fn explain(&mut self, key: &str) -> String {
        let (read, revision) = {
            let cache = self.cache.lock().unwrap();
            (cache.read_at.get(key).map(Instant::elapsed), cache.kept.revision.clone())
        };
        let now = self.read(key).then(|| self.cached(key)).flatten();
        format!("read by this connection {read:?} ago, a read says {now:?} now, its revision is {revision:?}")
    }

    /// How many keys it has.
    pub fn keys(&self) -> usize {
        self.cache.lock().unwrap().kept.values.len()
    }

    pub fn is_closed(&self) -> bool {
        self.cache.lock().unwrap().is_closed
    }

    pub fn invalidations(&self) -> u64 {
        self.cache.lock().unwrap().invalidations
    }

    /// Ends the connection; what is still on its way is lost.
    pub fn end(self) -> Kept {
        let _ = self.stream.shutdown(Shutdown::Both);
        self.cache.lock().unwrap().kept.clone()
    }

    /// Asks up to where it has been told of changes; false: the server did not answer.
    pub fn ask_revision(&mut self) -> bool {
        self.cache.lock().unwrap().asked.push_back(Asked::Revision);
        self.stream.write_all(&encode(&["CLIENT", "REVISION"])).is_ok()
            && matches!(self.replies.recv_timeout(REPLY_MAX), Ok(Value::Bulk(_)))
    }

    /// Reads a key of the server, into the cache; false: it did not answer, or with an error.
    pub fn read(&mut self, key: &str) -> bool {
        let mut request = Vec::new();
        {
            let mut cache = self.cache.lock().unwrap();
            if self.opts_in {
                cache.asked.push_back(Asked::Other);
                request.extend(encode(&["CLIENT", "CACHING", "YES"]));
            }
            cache.asked.push_back(Asked::Key(key.to_owned()));
        }
        request.extend(encode(&["GET", key]));
        if self.stream.write_all(&request).is_err() {
            return false;
        }
        (0..=usize::from(self.opts_in)).all(|_| {
            matches!(self.replies.recv_timeout(REPLY_MAX), Ok(reply) if !matches!(reply, Value::Error(_)))
        })
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Kept {
    fn drop_key(&mut self, key: &Value) {
        let Value::Bulk(key) = key else { panic!("{key:?}") };
        self.values.remove(&*String::from_utf8_lossy(key));
    }

    /// A message says that keys have changed.
    fn drop_told(&mut self, words: &[Value]) {
        match words.get(1) {
            Some(Value::Array(keys)) => keys.iter().for_each(|key| self.drop_key(key)),
            // What is read from now on may be older than the revision: on an edge that is behind.
            Some(Value::Null) => *self = Kept::default(),
            other => panic!("{other:?}"),
        }
    }
}

/// The reply to a call, behind messages; `None`: there is none, or it is an error.
fn answer(connection: &mut Connection, words: &[&str], kept: &mut Kept) -> Option<Value> {
    connection.send(words).ok()?;
    loop {
        match connection.receive().ok()? {
            Received::Reply(Value::Push(words)) => kept.drop_told(&words),
            Received::Reply(Value::Error(_)) | Received::Closed => return None,
            Received::Reply(reply) => return Some(reply),
        }
    }
}

fn receive(mut connection: Connection, cache: &Mutex<Cache>, replies: &Sender<Value>) {
    connection.set_deadline(Duration::from_secs(600));
    while let Ok(Received::Reply(value)) = connection.receive() {
        let mut cache = cache.lock().unwrap();
        match &value {
            Value::Push(words) => {
                cache.invalidations += 1;
                cache.kept.drop_told(words);
                continue;
            }
            reply => match (cache.asked.pop_front(), reply) {
                (Some(Asked::Key(key)), Value::Bulk(_) | Value::Null) => {
                    let number = match reply {
                        Value::Bulk(text) => Some(String::from_utf8_lossy(text).parse().unwrap()),
                        _ => None,
                    };
                    cache.read_at.insert(key.clone(), Instant::now());
                    cache.kept.values.insert(key, number);
                }
                (Some(Asked::Revision), Value::Bulk(text)) => {
                    cache.kept.revision = Some(String::from_utf8_lossy(text).into_owned());
                }
                _ => {}
            },
        }
        drop(cache);
        let _ = replies.send(value);
    }
    cache.lock().unwrap().is_closed = true;
}
