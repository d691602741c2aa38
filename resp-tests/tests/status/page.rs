//! The page in headless Chromium: light, dark, on a phone; live; with names of keys that would like to be markup.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use resp_tests::cluster::Cluster;
use resp_tests::edge::support::{edge, upstream};
use resp_tests::installed::installed;
use resp_tests::server::Program;
use resp_tests::support::{call, eventually, ok};
use serde_json::Value;

use super::{ask, told};

const HOSTILE: [&str; 3] =
    ["<script>alert(1)</script>", "\"><img src=x onerror=alert(2)>", "</code><style>*{display:none}</style>"];

#[test]
fn it_shows_core_and_edges_live_without_running_what_clients_named() {
    let core = Cluster::start(&Program::product(), 3, &["--slowlog-log-slower-than", "0"]).unwrap();
    core.wait_until_agreed().unwrap();
    let edge = edge("fra", &upstream(&core), &[]);
    let mut client = core.nodes[0].connect().unwrap();
    call(&mut client, &["HOTKEYS", "START", "METRICS", "2", "CPU", "NET"]);
    for (size, key) in HOSTILE.iter().enumerate() {
        assert_eq!(call(&mut client, &["SET", key, &"x".repeat(5000 * (size + 1))]), ok());
        call(&mut client, &["GET", key]);
    }
    call(&mut client, &["MEMORY", "LARGEST"]);
    eventually("all nodes and the edge are told of", || {
        let told = told(&core.nodes[0]);
        let nodes = told["nodes"].as_array().unwrap();
        nodes.len() == 3
            && nodes.iter().all(|node| node["report"].is_object())
            && told["edges"][0]["site"] == "fra"
    });
    let history = || ask(&core.nodes[0], "/status/history.json", &[]);
    eventually("there is a history", || history().body.contains("\"commands\":["));
    let pictures = tempfile::tempdir().unwrap();
    let done = AtomicBool::new(false);
    let looks: Vec<Value> = thread::scope(|scope| {
        // What is live has to change.
        scope.spawn(|| {
            while !done.load(Ordering::SeqCst) {
                call(&mut client, &["GET", HOSTILE[0]]);
                call(&mut client, &["SET", "other", "x"]);
                thread::sleep(Duration::from_millis(5));
            }
        });
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/node/status_page.js");
        let browser = Command::new("node")
            .env("NODE_PATH", installed("browser/node_modules"))
            .arg(script)
            .arg(format!("http://127.0.0.1:{}/status", core.nodes[0].http_port()))
            .arg(pictures.path())
            .output()
            .unwrap();
        done.store(true, Ordering::SeqCst);
        let said = String::from_utf8_lossy(&browser.stdout).into_owned();
        assert!(browser.status.success(), "{said}{}", String::from_utf8_lossy(&browser.stderr));
        serde_json::from_str(&said).unwrap()
    });
    let names: Vec<&Value> = looks.iter().map(|look| &look["name"]).collect();
    assert_eq!(names, ["light", "dark", "phone", "phone-dark"]);
    let none = Value::Array(vec![]);
    for look in &looks {
        let name = &look["name"];
        assert_eq!(look["violations"], none, "{name}: of accessibility");
        assert!(look["rules"].as_u64().unwrap() > 25, "{name}: only {} rules were checked", look["rules"]);
        assert_eq!(look["complaints"], none, "{name}: of the browser");
        assert_eq!(look["dialogs"], none, "{name}: a script of a client has run");
        assert_eq!(look["strangers"], none, "{name}: it asked other hosts");
        assert_eq!(look["overflow"], 0, "{name}: it scrolls sideways");
        assert_eq!((&look["nodes"], &look["images"]), (&3.into(), &0.into()), "{name}");
        assert_eq!(look["scripts"], serde_json::json!(["/status/charts.js", "/status/status.js"]), "{name}");
        assert!(
            look["charts"].as_u64().unwrap() >= 8 && look["lines"].as_u64().unwrap() >= 8,
            "{name}: {look}"
        );
        let keys: Vec<&str> =
            look["keys"].as_array().unwrap().iter().map(|key| key.as_str().unwrap()).collect();
        for key in HOSTILE {
            assert!(keys.contains(&key), "{name}: {key} is not among {keys:?}");
        }
    }
    assert_ne!(looks[0]["ground"], looks[1]["ground"], "dark is another one");
    // An edge shows its own site.
    let own = told(&edge);
    let report = &own["nodes"][0]["report"];
    assert_eq!((&report["edge"]["site"], &report["role"]), (&"fra".into(), &"edge".into()), "{own}");
}
