//! A client with a cache, as client libraries build it: one connection; a thread takes what comes, in order.

use std::collections::{BTreeMap, VecDeque};
use std::io::Write;
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use resp_tests::connection::{Connection, Received};
use resp_tests::door::Door;
use resp_tests::value::{Value, encode};

/// How long a reply may take.
const REPLY_MAX: Duration = Duration::from_secs(5);

#[derive(Default)]
struct Cache {
    values: BTreeMap<String, Option<u64>>,
    /// Keys of GETs whose replies have not come.
    asked: VecDeque<Option<String>>,
    is_closed: bool,
    invalidations: u64,
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
        let mut connection = door.connect().ok()?;
        let words: Vec<&str> =
            ["CLIENT", "TRACKING", "ON"].into_iter().chain(options.iter().copied()).collect();
        for words in [&["HELLO", "3"][..], &words] {
            match connection.call(words).ok()? {
                Received::Reply(Value::Error(_)) | Received::Closed => return None,
                Received::Reply(_) => {}
            }
        }
        let stream = connection.stream().try_clone().ok()?;
        let (sender, replies) = channel();
        let cache = Arc::<Mutex<Cache>>::default();
        let shared = Arc::clone(&cache);
        let thread = Some(thread::spawn(move || receive(connection, &shared, &sender)));
        Some(Client { stream, cache, replies, thread, opts_in: options.contains(&"OPTIN") })
    }

    /// What the cache has of a key.
    pub fn cached(&self, key: &str) -> Option<Option<u64>> {
        self.cache.lock().unwrap().values.get(key).copied()
    }

    pub fn is_closed(&self) -> bool {
        self.cache.lock().unwrap().is_closed
    }

    pub fn invalidations(&self) -> u64 {
        self.cache.lock().unwrap().invalidations
    }

    /// Reads a key of the server, into the cache; false: it did not answer, or with an error.
    pub fn read(&mut self, key: &str) -> bool {
        let mut request = Vec::new();
        {
            let mut cache = self.cache.lock().unwrap();
            if self.opts_in {
                cache.asked.push_back(None);
                request.extend(encode(&["CLIENT", "CACHING", "YES"]));
            }
            cache.asked.push_back(Some(key.to_owned()));
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

fn receive(mut connection: Connection, cache: &Mutex<Cache>, replies: &Sender<Value>) {
    connection.set_deadline(Duration::from_secs(600));
    while let Ok(Received::Reply(value)) = connection.receive() {
        let mut cache = cache.lock().unwrap();
        match &value {
            Value::Push(words) => {
                cache.invalidations += 1;
                match words.get(1) {
                    Some(Value::Array(keys)) => {
                        for key in keys {
                            let Value::Bulk(key) = key else { panic!("{words:?}") };
                            cache.values.remove(&*String::from_utf8_lossy(key));
                        }
                    }
                    Some(Value::Null) => cache.values.clear(),
                    other => panic!("{other:?}"),
                }
                continue;
            }
            Value::Bulk(text) => {
                let number = String::from_utf8_lossy(text).parse().unwrap();
                if let Some(Some(key)) = cache.asked.pop_front() {
                    cache.values.insert(key, Some(number));
                }
            }
            Value::Null => {
                if let Some(Some(key)) = cache.asked.pop_front() {
                    cache.values.insert(key, None);
                }
            }
            _ => drop(cache.asked.pop_front()),
        }
        drop(cache);
        let _ = replies.send(value);
    }
    cache.lock().unwrap().is_closed = true;
}
