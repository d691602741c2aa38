//! redis-rs as a client of a cluster and of sentinels while the leader dies: the same client object goes on.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::sentinel::{SentinelClient, SentinelServerType};
use redis::{AsyncCommands, Commands, Connection, RedisResult};
use resp_tests::ports::free_port;
use resp_tests::server::Stop;
use tokio::runtime::Runtime;

use super::failover::{core, wait_until_told};

const WAIT: Duration = Duration::from_secs(30);
const ANSWER_MAX: Duration = Duration::from_secs(8);

/// What the test does with either kind.
trait Client {
    fn set(&mut self, key: &str, value: usize) -> RedisResult<()>;
    fn get(&mut self, key: &str) -> RedisResult<Option<usize>>;
}

/// The library's blocking cluster client never looks for another leader when the one it knew refuses connections; the
/// asynchronous one does.
struct OfCluster {
    runtime: Runtime,
    connection: ClusterConnection,
}

impl Client for OfCluster {
    fn set(&mut self, key: &str, value: usize) -> RedisResult<()> {
        self.runtime.block_on(AsyncCommands::set(&mut self.connection, key, value))
    }

    fn get(&mut self, key: &str) -> RedisResult<Option<usize>> {
        self.runtime.block_on(AsyncCommands::get(&mut self.connection, key))
    }
}

/// The library's sentinel client makes a connection to the master of the moment; one that broke is asked for again.
struct OfSentinels {
    client: SentinelClient,
    connection: Option<Connection>,
}

impl OfSentinels {
    fn run<T>(&mut self, call: impl FnOnce(&mut Connection) -> RedisResult<T>) -> RedisResult<T> {
        if self.connection.is_none() {
            let connection = self.client.get_connection()?;
            connection.set_read_timeout(Some(ANSWER_MAX))?;
            self.connection = Some(connection);
        }
        let answer = self.connection.as_mut().map(call).expect("connected above");
        if answer.is_err() {
            self.connection = None;
        }
        answer
    }
}

impl Client for OfSentinels {
    fn set(&mut self, key: &str, value: usize) -> RedisResult<()> {
        self.run(|connection| Commands::set(connection, key, value))
    }

    fn get(&mut self, key: &str) -> RedisResult<Option<usize>> {
        self.run(|connection| Commands::get(connection, key))
    }
}

/// Writes, loses the leader, writes on, finds everything.
fn goes_on(client: &mut dyn Client, kill: impl FnOnce()) {
    let mut acknowledged = BTreeMap::new();
    for number in 0..200 {
        let key = format!("before:{number}");
        client.set(&key, number).unwrap();
        acknowledged.insert(key, number);
    }
    kill();
    let deadline = Instant::now() + WAIT;
    for number in 0..200 {
        let key = format!("after:{number}");
        patiently(deadline, || client.set(&key, number));
        acknowledged.insert(key, number);
    }
    for (key, value) in acknowledged {
        assert_eq!(patiently(deadline + WAIT, || client.get(&key)), Some(value), "{key}");
    }
}

fn patiently<T>(deadline: Instant, mut call: impl FnMut() -> RedisResult<T>) -> T {
    loop {
        match call() {
            Ok(answer) => return answer,
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn redis_rs_as_a_cluster_client() {
    let (mut cluster, leader, ports) = core("cluster");
    let nodes = ports.map(|port| format!("redis://127.0.0.1:{port}"));
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let client = ClusterClient::builder(nodes).response_timeout(ANSWER_MAX).build().unwrap();
    let connection = runtime.block_on(client.get_async_connection()).unwrap();
    goes_on(&mut OfCluster { runtime, connection }, || {
        cluster.nodes[leader].stop(Stop::Kill).unwrap();
    });
}

#[test]
fn redis_rs_as_a_sentinel_client() {
    let (mut cluster, _, _) = core("sentinel");
    // It wants to see sentinels.
    let nodes: Vec<String> = (0..cluster.nodes.len())
        .map(|node| {
            let port = free_port().unwrap();
            cluster.nodes[node].add_args(&["--sentinel-port".to_owned(), port.to_string()]);
            cluster.nodes[node].stop(Stop::Terminate).unwrap();
            cluster.nodes[node].start_again().unwrap();
            format!("redis://127.0.0.1:{port}")
        })
        .collect();
    let leader = cluster.wait_until_agreed().unwrap();
    wait_until_told(&cluster, "sentinel");
    let client = SentinelClient::build(nodes, "flotilla", None, SentinelServerType::Master).unwrap();
    let mut client = OfSentinels { client, connection: None };
    goes_on(&mut client, || {
        cluster.nodes[leader].stop(Stop::Kill).unwrap();
    });
}
