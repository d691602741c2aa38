//! The metrics behind it: histograms by class and stage, the store, memory, certificates, the build.

use resp_tests::certificates::Authority;
use resp_tests::server::Server;
use resp_tests::support::{call, eventually, ok};

use super::{product, product_with_tls};

fn metrics(server: &Server) -> String {
    server.http("/metrics").unwrap().1
}

fn value(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name}")).parse().unwrap()
}

#[test]
fn latencies_are_counted_by_class_and_stage_in_buckets_that_add_up() {
    let server = product(&[]);
    let mut client = server.connect().unwrap();
    for number in 0..50 {
        assert_eq!(call(&mut client, &["SET", &format!("key:{number}"), "value"]), ok());
        call(&mut client, &["GET", "key:1"]);
    }
    call(&mut client, &["EVAL", "return 1", "0"]);
    call(&mut client, &["MULTI"]);
    call(&mut client, &["EXEC"]);
    let text = metrics(&server);
    for (class, calls) in
        [("read", 50.0), ("write", 50.0), ("script", 1.0), ("transaction", 2.0), ("blocking", 0.0)]
    {
        let of = |part: &str, more: &str| {
            format!("flotilla_command_duration_seconds_{part}{{{more}class=\"{class}\"}}")
        };
        assert!(value(&text, &of("count", "")) >= calls, "{class}: {text}");
        // Cumulative, and the last bucket has all.
        let buckets: Vec<f64> = text
            .lines()
            .filter(|line| {
                line.starts_with("flotilla_command_duration_seconds_bucket")
                    && line.contains(&format!("class=\"{class}\""))
            })
            .map(|line| line.rsplit_once(' ').unwrap().1.parse().unwrap())
            .collect();
        assert!(buckets.len() == 22 && buckets.is_sorted(), "{class}: {buckets:?}");
        assert_eq!(buckets[21], value(&text, &of("count", "")), "{class}");
        assert!(value(&text, &of("sum", "")) >= 0.0);
    }
    for stage in ["commit", "log_sync", "apply"] {
        let count = value(&text, &format!("flotilla_stage_duration_seconds_count{{stage=\"{stage}\"}}"));
        assert!(count >= 50.0, "{stage}: {count}");
    }
    // A reader that takes differences is not misled.
    assert_eq!(call(&mut client, &["CONFIG", "RESETSTAT"]), ok());
    let name = "flotilla_command_duration_seconds_count{class=\"write\"}";
    assert!(value(&metrics(&server), name) >= 50.0);
}

#[test]
fn the_store_memory_certificates_and_the_build_are_told_of() {
    let authority = Authority::new();
    let (server, _) = product_with_tls(&authority.files("server", &["127.0.0.1"], |_| {}), &[]);
    let mut client = server.connect().unwrap();
    assert_eq!(call(&mut client, &["SET", "key", &"v".repeat(100_000)]), ok());
    assert_eq!(call(&mut client, &["SAVE"]), ok());
    eventually("there is a file in a level", || {
        metrics(&server).contains("flotilla_store_level_files{level=\"")
    });
    let text = metrics(&server);
    for owner in
        ["hot_cache", "block_cache", "memtables", "table_readers", "clients", "proposals", "recent_changes"]
    {
        value(&text, &format!("flotilla_memory_bytes{{owner=\"{owner}\"}}"));
    }
    assert!(value(&text, "flotilla_certificate_expiry_timestamp_seconds{port=\"clients\"}") > 1.8e9);
    assert!(value(&text, "flotilla_memory_limit_bytes") > 1e6);
    assert_eq!(value(&text, "flotilla_store_writes_stopped"), 0.0);
    let build = text.lines().find(|line| line.starts_with("flotilla_build_info{")).unwrap();
    assert!(build.contains("role=\"core\"") && build.contains("version=\""), "{build}");
}
