//! redis-rs: the blocking client does what the other programs do; the asynchronous one, with its connection manager,
//! goes on over restarts.

use std::collections::HashMap;
use std::fmt::Debug;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam::channel::{Sender, bounded};
use redis::aio::ConnectionManager;
use redis::{AsyncCommands, Client, Commands, Connection, RedisResult, cmd, pipe};
use resp_tests::server::Stop;

use crate::program::{Access, restart, start};

const DB: i64 = 3;
const WAIT: Duration = Duration::from_secs(40);
const PIPELINED: usize = 500;
const USERS: usize = 3000;
const OTHERS: usize = 1000;
const BEFORE_RESTART: usize = 20;
const UNICODE: &str = "Grüße, 世界 🚢";

/// Everything, with a server of its own. `protocol` is that of the library's URL, or none for its own choice.
pub fn holds(protocol: Option<&str>, access: Access) {
    let mut server = start(access);
    let place = format!("127.0.0.1:{}", server.port);
    let protocol = protocol.map_or(String::new(), |name| format!("?protocol={name}"));
    let credentials =
        access.password().map_or(String::new(), |word| format!(":{}@", word.replace(' ', "%20")));
    if access == Access::Password {
        authentication(&place, &protocol);
    }
    let client = Client::open(format!("redis://{credentials}{place}/{DB}{protocol}")).unwrap();
    let mut blocking = client.get_connection().unwrap();
    values(&mut blocking);
    pipelines(&mut blocking);
    transactions(&client, &mut blocking);
    expiry(&mut blocking);
    errors(&mut blocking);
    scans(&mut blocking);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let mut manager = runtime.block_on(client.get_connection_manager()).unwrap();
    runtime.block_on(multiplexed(&manager));
    for how in [Stop::Kill, Stop::Terminate] {
        let before = runtime.block_on(process_id(&mut manager)).unwrap();
        thread::scope(|scope| {
            let (server, (begin, begun)) = (&mut server, bounded(1));
            scope.spawn(move || begun.recv().map(|()| restart(server, how)));
            runtime.block_on(write_on(&mut manager, &before, &format!("{how:?}"), &begin));
        });
    }
}

/// The server's error surfaces as the library's, with its first word as the code.
fn refused<T: Debug>(what: &str, code: &str, words: &str, result: RedisResult<T>) {
    let error = result.expect_err(what);
    assert_eq!(error.code(), Some(code), "{what}: {error}");
    assert!(
        error.detail().is_some_and(|text| text.contains(words)),
        "{what}: '{error}' does not say '{words}'"
    );
}

fn authentication(place: &str, protocol: &str) {
    let connect = |credentials: &str| {
        Client::open(format!("redis://{credentials}{place}/0{protocol}")).unwrap().get_connection()
    };
    // With RESP2 the library asks for nothing at connecting but what may fail, so that the first command is refused.
    let unknown = connect("").and_then(|mut connection| connection.get::<_, Option<String>>("k"));
    assert!(unknown.as_ref().is_err_and(|error| error.to_string().contains("uthentica")), "{unknown:?}");
    let mistaken = connect(":x@").err().map(|error| error.to_string()).unwrap_or_default();
    assert!(mistaken.contains("uthentication failed") || mistaken.contains("WRONGPASS"), "{mistaken}");
}

fn values(client: &mut Connection) {
    let binary: Vec<u8> = (0..=255).chain(*b"\r\n$-1\r\n\0").collect();
    assert_eq!(cmd("PING").query::<String>(client).unwrap(), "PONG");
    let me: String = cmd("CLIENT").arg("INFO").query(client).unwrap();
    assert!(me.contains(&format!(" db={DB} ")) && me.contains("lib-name=redis-rs"), "{me}");
    let config: HashMap<String, String> = cmd("CONFIG").arg("GET").arg("maxclients").query(client).unwrap();
    assert!(config.contains_key("maxclients"), "{config:?}");
    client.flushdb::<()>().unwrap();
    client.set::<_, _, ()>("text", "value").unwrap();
    assert_eq!(client.get::<_, String>("text").unwrap(), "value");
    assert_eq!(client.get::<_, Option<String>>("nothing").unwrap(), None);
    client.set::<_, _, ()>(&binary, &binary).unwrap();
    assert_eq!(client.get::<_, Vec<u8>>(&binary).unwrap(), binary);
    client.set::<_, _, ()>(UNICODE, UNICODE).unwrap();
    assert_eq!(client.get::<_, String>(UNICODE).unwrap(), UNICODE);
    let large = vec![b'x'; 1 << 20];
    client.set::<_, _, ()>("large", &large).unwrap();
    assert!(client.get::<_, Vec<u8>>("large").unwrap() == large, "GET large: another value");
    assert!(!client.set_nx::<_, _, bool>("text", "new").unwrap());
    assert_eq!(client.incr::<_, _, i64>("count", i64::MAX - 1).unwrap(), i64::MAX - 1);
    assert_eq!(client.incr::<_, _, i64>("count", 1).unwrap(), i64::MAX);
    assert_eq!(client.incr::<_, _, f64>("float", 1.5).unwrap(), 1.5);
    client.mset::<_, _, ()>(&[("a", 1), ("b", 2)]).unwrap();
    let several: Vec<Option<i64>> = client.mget(&["a", "nothing", "b"]).unwrap();
    assert_eq!(several, [Some(1), None, Some(2)]);
    assert_eq!(client.del::<_, i64>(&["a", "nothing"]).unwrap(), 1);
}

fn pipelines(client: &mut Connection) {
    let mut pipeline = pipe();
    for index in 0..PIPELINED {
        pipeline.set(format!("pipe:{index}"), index).ignore().get(format!("pipe:{index}"));
    }
    let got: Vec<usize> = pipeline.query(client).unwrap();
    assert_eq!(got, (0..PIPELINED).collect::<Vec<_>>());
    let got: RedisResult<Vec<String>> =
        pipe().set("text", "word").incr("text", 1).set("after", "error").query(client);
    let error = got.expect_err("an error in a pipeline").to_string();
    assert!(error.contains("value is not an integer or out of range"), "{error}");
    assert_eq!(client.get::<_, String>("after").unwrap(), "error");
}

fn transactions(client: &Client, connection: &mut Connection) {
    let mut other = client.get_connection().unwrap();
    connection.set::<_, _, ()>("balance", 10).unwrap();
    let mut attempts = 0;
    let (balance,): (i64,) = redis::transaction(connection, &["balance"], |connection, pipeline| {
        attempts += 1;
        let balance: i64 = connection.get("balance")?;
        if attempts == 1 {
            other.set::<_, _, ()>("balance", 100)?;
        }
        pipeline.set("balance", balance - 1).ignore().get("balance").query(connection)
    })
    .unwrap();
    assert_eq!((balance, attempts), (99, 2), "the first EXEC is refused, the second is not");
    let got: RedisResult<()> = pipe().atomic().set("balance", 1).cmd("INCR").query(connection);
    let error = got.expect_err("EXEC of a bad command").to_string();
    assert!(error.contains("wrong number of arguments") || error.contains("EXECABORT"), "{error}");
    assert_eq!(connection.get::<_, i64>("balance").unwrap(), 99);
}

fn expiry(client: &mut Connection) {
    client.pset_ex::<_, _, ()>("brief", "v", 400).unwrap();
    client.set_ex::<_, _, ()>("long", "v", 100).unwrap();
    let ttl: i64 = client.ttl("long").unwrap();
    assert!((91..=100).contains(&ttl), "TTL {ttl}");
    let deadline = Instant::now() + WAIT;
    while client.get::<_, Option<String>>("brief").unwrap().is_some() {
        assert!(Instant::now() < deadline, "the key does not expire");
        thread::sleep(Duration::from_millis(10));
    }
    assert_eq!(client.ttl::<_, i64>("brief").unwrap(), -2);
    assert!(client.persist::<_, bool>("long").unwrap());
    assert_eq!(client.ttl::<_, i64>("long").unwrap(), -1);
}

fn errors(client: &mut Connection) {
    refused("arity", "ERR", "wrong number of arguments for 'get'", cmd("GET").exec(client));
    refused("unknown command", "ERR", "unknown command 'NOSUCH'", cmd("NOSUCH").exec(client));
    client.set::<_, _, ()>("word", "word").unwrap();
    refused("INCR of a word", "ERR", "value is not an integer", client.incr::<_, _, i64>("word", 1));
    refused("database", "ERR", "DB index is out of range", cmd("SELECT").arg(16).exec(client));
    assert_eq!(client.get::<_, String>("word").unwrap(), "word");
}

fn scans(client: &mut Connection) {
    client.flushdb::<()>().unwrap();
    let mut users: Vec<String> = (0..USERS).map(|index| format!("user:{index}")).collect();
    let mut filling = pipe();
    for key in &users {
        filling.set(key, "v").ignore();
    }
    for index in 0..OTHERS {
        filling.set(format!("other:{index}"), "v").ignore();
    }
    filling.exec(client).unwrap();
    let mut found: Vec<String> = client.scan_match("user:*").unwrap().collect::<RedisResult<_>>().unwrap();
    found.sort();
    users.sort();
    assert_eq!(found, users);
    assert_eq!(client.scan::<String>().unwrap().count(), USERS + OTHERS);
}

/// Many tasks over one connection.
async fn multiplexed(manager: &ConnectionManager) {
    let tasks: Vec<_> = (0..PIPELINED)
        .map(|_| {
            let mut manager = manager.clone();
            tokio::spawn(async move { manager.incr::<_, _, usize>("shared", 1).await.unwrap() })
        })
        .collect();
    let mut counts = Vec::new();
    for task in tasks {
        counts.push(task.await.unwrap());
    }
    counts.sort_unstable();
    assert_eq!(counts, (1..=PIPELINED).collect::<Vec<_>>());
}

/// Writes, has the server restarted, and writes on until another process answers: what was acknowledged is there afterwards.
async fn write_on(manager: &mut ConnectionManager, before: &str, how: &str, begin: &Sender<()>) {
    let deadline = Instant::now() + WAIT;
    let mut acknowledged: Vec<usize> = Vec::new();
    loop {
        assert!(Instant::now() < deadline, "no new process after {how} answers");
        let number = acknowledged.len();
        match manager.set::<_, _, ()>(format!("{how}:{number}"), number).await {
            Ok(()) => {
                acknowledged.push(number);
                if acknowledged.len() == BEFORE_RESTART {
                    begin.send(()).unwrap();
                }
            }
            // The connection is gone; the manager makes a new one.
            Err(error) if error.is_io_error() => tokio::time::sleep(Duration::from_millis(10)).await,
            Err(error) => panic!("{how}: {error}"),
        }
        if process_id(manager).await.is_ok_and(|now| now != before) {
            break;
        }
    }
    assert_eq!(manager.get::<_, String>("user:0").await.unwrap(), "v", "keys before {how}");
    let keys: Vec<String> = acknowledged.iter().map(|number| format!("{how}:{number}")).collect();
    let got: Vec<Option<usize>> = manager.mget(&keys).await.unwrap();
    let expected: Vec<_> = acknowledged.into_iter().map(Some).collect();
    assert_eq!(got, expected, "values acknowledged around {how}");
}

async fn process_id(manager: &mut ConnectionManager) -> RedisResult<String> {
    let info: String = cmd("INFO").arg("server").query_async(manager).await?;
    Ok(info
        .lines()
        .find_map(|line| line.strip_prefix("process_id:"))
        .expect("INFO has a process_id")
        .to_owned())
}
