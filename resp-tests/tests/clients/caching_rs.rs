//! The client-side cache of redis-rs: hits without asking, and no value beyond its change, also over a reconnection.

use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::caching::CacheConfig;
use redis::{AsyncCommands, Client, RedisResult, cmd};
use resp_tests::server::Stop;
use resp_tests::support::eventually;

use crate::program::{Access, restart, start};

const KEYS: usize = 200;

/// What the cache has, or the server.
async fn get(manager: &mut ConnectionManager, key: &str) -> Option<String> {
    for _ in 0..400 {
        let value: RedisResult<Option<String>> = manager.get(key).await;
        match value {
            Ok(value) => return value,
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    panic!("no answer for 20 s");
}

fn hits(manager: &ConnectionManager) -> usize {
    manager.get_cache_statistics().unwrap().hit
}

pub fn holds() {
    let mut server = start(Access::Open);
    let client = Client::open(format!("redis://127.0.0.1:{}/?protocol=resp3", server.port)).unwrap();
    let mut other = client.get_connection().unwrap();
    let mut set =
        |key: &str, value: &str| -> () { cmd("SET").arg(key).arg(value).query(&mut other).unwrap() };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let config = ConnectionManagerConfig::new().set_cache_config(CacheConfig::new());
    let mut manager = runtime.block_on(client.get_connection_manager_with_config(config)).unwrap();
    let name = |at: usize| format!("key:{at}");
    (0..KEYS).for_each(|at| set(&name(at), "first"));
    for round in 0..3 {
        for at in 0..KEYS {
            let found = runtime.block_on(get(&mut manager, &name(at)));
            assert_eq!(found.as_deref(), Some("first"), "round {round}");
        }
    }
    assert!(hits(&manager) >= 2 * KEYS, "{} hits", hits(&manager));
    let (mut stale, before) = (0, hits(&manager));
    for at in 0..KEYS {
        set(&name(at), "second");
        eventually("the change is told", || {
            let found = runtime.block_on(get(&mut manager, &name(at)));
            stale += usize::from(found.as_deref() == Some("first"));
            found.as_deref() == Some("second")
        });
    }
    assert!(hits(&manager) - before <= stale, "a key that has changed is read anew");
    // The cache does not outlive its connection.
    assert_eq!(runtime.block_on(get(&mut manager, "key:0")).as_deref(), Some("second"));
    restart(&mut server, Stop::Kill);
    let mut other = client.get_connection().unwrap();
    cmd("SET").arg("key:0").arg("third").exec(&mut other).unwrap();
    eventually("the new connection reads it", || {
        runtime.block_on(get(&mut manager, "key:0")).as_deref() == Some("third")
    });
}
