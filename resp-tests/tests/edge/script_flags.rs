//! Flags of scripts in cluster mode.

use resp_tests::cluster::Cluster;
use resp_tests::connection::Connection;
use resp_tests::server::Program;
use resp_tests::support::{bulk, call, error_code, next, ok};
use resp_tests::value::Value;

fn eval(node: &mut Connection, body: &str, keys: &[&str]) -> Value {
    let count = keys.len().to_string();
    call(node, &[&["EVAL", body, &count][..], keys].concat())
}

fn text(reply: &Value) -> String {
    match reply {
        Value::Error(text) => String::from_utf8_lossy(text).into_owned(),
        other => format!("{other:?}"),
    }
}

#[test]
fn in_a_cluster_scripts_with_flags_keep_to_what_they_say() {
    let core = Cluster::start(&Program::product(), 1, &["--cluster-enabled", "yes"]).unwrap();
    core.wait_until_agreed().unwrap();
    let mut node = core.nodes[0].connect().unwrap();
    let no_cluster = "ERR Can not run script on cluster, 'no-cluster' flag is set.";
    assert_eq!(text(&eval(&mut node, "#!lua flags=no-cluster\nreturn 1", &[])), no_cluster);
    let library = "#!lua name=lib\n\
        redis.register_function{function_name='never', callback=function() return 1 end, flags={'no-cluster'}}\n\
        redis.register_function('sets', function(keys) for _, key in ipairs(keys) do redis.call('set', key, 'v') end \
        redis.call('set', 'other', 'v') return 1 end)";
    call(&mut node, &["FUNCTION", "LOAD", library]);
    assert_eq!(text(&call(&mut node, &["FCALL", "never", "0"])), no_cluster);
    assert_eq!(text(&call(&mut node, &["FCALL_RO", "never", "0"])), no_cluster);
    // Behind its SCRIPT LOAD, in one chunk.
    let (body, sha1) = ("#!lua flags=no-cluster\nreturn 2", "02cc52c2c536fd15336e1bc52c58b4555e8a6332");
    let chunk = [
        resp_tests::value::encode(&["SCRIPT", "LOAD", body]),
        resp_tests::value::encode(&["EVALSHA", sha1, "0"]),
    ];
    node.send_raw(&chunk.concat()).unwrap();
    assert_eq!(next(&mut node), bulk(sha1));
    assert_eq!(text(&next(&mut node)), no_cluster);

    // Two slots: of declared keys never, of others as flags say.
    let slots = "Script attempted to access keys that do not hash to the same slot";
    let two =
        "redis.call('set', KEYS[1], 'v') redis.call('set', 'other', 'v') return redis.call('get', 'other')";
    let reads = "redis.call('get', KEYS[1]) return redis.call('get', 'other')";
    assert_eq!(error_code(&eval(&mut node, "return 1", &["a", "b"])), "CROSSSLOT");
    let flagged = "#!lua flags=allow-cross-slot-keys\nreturn 1";
    assert_eq!(error_code(&eval(&mut node, flagged, &["a", "b"])), "CROSSSLOT");
    // Each twice: what is known of a script makes no difference.
    for _ in 0..2 {
        let refused = text(&eval(&mut node, &format!("#!lua\n{two}"), &["a"]));
        assert!(refused.contains(slots), "{refused}");
        let refused = text(&call(&mut node, &["FCALL", "sets", "1", "a"]));
        assert!(refused.contains(slots), "{refused}");
        assert_eq!(call(&mut node, &["EXISTS", "a"]), Value::Integer(0), "nothing of it stands");
        let refused = text(&eval(&mut node, &format!("#!lua\n{reads}"), &["a"]));
        assert!(refused.contains(slots), "{refused}");
        let one = "#!lua\nredis.call('set', KEYS[1], 'v') redis.call('append', '{a}2', 'x') return redis.call('del', KEYS[1])";
        assert_eq!(eval(&mut node, one, &["a"]), Value::Integer(1));
    }
    let set = bulk("v");
    for _ in 0..2 {
        assert_eq!(eval(&mut node, &format!("#!lua flags=allow-cross-slot-keys\n{two}"), &["a"]), set);
        assert_eq!(eval(&mut node, two, &["a"]), set, "without flags all goes");
    }
    assert_eq!(call(&mut node, &["CONFIG", "SET", "cluster-allow-cross-slot", "yes"]), ok());
    assert_eq!(eval(&mut node, &format!("#!lua\n{two}"), &["a"]), set);
    assert_eq!(call(&mut node, &["FCALL", "sets", "1", "a"]), Value::Integer(1));
}
