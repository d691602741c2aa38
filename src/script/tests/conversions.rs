//! Replies to Lua values and back.

use super::{LIMITS, TestHost, reply, run_with, show};
use crate::resp::{ErrorReply, Reply};

/// What a script makes of a reply.
fn seen(gives: Reply, body: &str) -> String {
    let mut host = TestHost { gives: Some(gives), ..TestHost::default() };
    match run_with(&mut host, body, &LIMITS) {
        Ok(ran) => show(&ran.reply),
        Err(stop) => format!("{stop:?}"),
    }
}

fn pair() -> Vec<(Reply, Reply)> {
    vec![(Reply::bulk("a"), Reply::Int(1))]
}

#[test]
fn replies_in_resp2() {
    let give = "local r = redis.call('give') ";
    for (gives, body, expected) in [
        (Reply::Ok, "return r.ok", "\"OK\""),
        (Reply::simple("list"), "return {type(r), r.ok}", "[\"table\", \"list\"]"),
        (Reply::Nil, "return tostring(r)", "\"false\""),
        (Reply::NilArray, "return tostring(r)", "\"false\""),
        (Reply::Int(7), "return r + 1", ":8"),
        (Reply::bulk("x"), "return r .. 'y'", "\"xy\""),
        (Reply::Double(1.5), "return type(r) .. r", "\"string1.5\""),
        (Reply::DoubleText("1.50".into()), "return r", "\"1.50\""),
        (Reply::Bool(true), "return r", ":1"),
        (Reply::BigNumber("123".into()), "return type(r) .. r", "\"string123\""),
        (Reply::Verbatim("txt", "hi".into()), "return r", "\"hi\""),
        (
            Reply::Array(vec![Reply::Int(1), Reply::Nil]),
            "return {#r, r[1], tostring(r[2])}",
            "[:2, :1, \"false\"]",
        ),
        (Reply::Set(vec![Reply::bulk("a")]), "return r", "[\"a\"]"),
        (Reply::Map(pair()), "return r", "[\"a\", :1]"),
        (Reply::Pairs(pair()), "return r", "[\"a\", :1]"),
        (Reply::Keyed(pair()), "return r", "[[\"a\", :1]]"),
    ] {
        assert_eq!(seen(gives.clone(), &format!("{give}{body}")), expected, "{gives:?}");
    }
}

#[test]
fn replies_in_resp3() {
    let give = "redis.setresp(3) local r = redis.call('give') ";
    for (gives, body, expected) in [
        (Reply::Ok, "return r.ok", "\"OK\""),
        (Reply::Nil, "return tostring(r)", "\"nil\""),
        (Reply::Double(1.5), "return tostring(r.double)", "\"1.5\""),
        (Reply::DoubleText("2.5".into()), "return tostring(r.double)", "\"2.5\""),
        (Reply::Bool(true), "return tostring(r)", "\"true\""),
        (Reply::Bool(false), "return tostring(r)", "\"false\""),
        (Reply::BigNumber("123".into()), "return r.big_number", "\"123\""),
        (
            Reply::Verbatim("txt", "hi".into()),
            "return r.verbatim_string.format .. r.verbatim_string.string",
            "\"txthi\"",
        ),
        (Reply::Set(vec![Reply::bulk("a")]), "return tostring(r.set.a)", "\"true\""),
        (Reply::Map(pair()), "return r.map.a", ":1"),
        (Reply::Keyed(pair()), "return r.map.a", ":1"),
        (Reply::Pairs(pair()), "return r[1][2]", ":1"),
    ] {
        assert_eq!(seen(gives.clone(), &format!("{give}{body}")), expected, "{gives:?}");
    }
}

#[test]
fn values_become_replies() {
    let ran = |body: &str| run_with(&mut TestHost::default(), body, &LIMITS).unwrap().reply;
    assert_eq!(ran("return true"), Reply::Int(1));
    assert_eq!(ran("return false"), Reply::Nil);
    assert_eq!(ran("redis.setresp(3) return false"), Reply::Bool(false));
    assert_eq!(ran("return {double = 1.5}"), Reply::Double(1.5));
    assert_eq!(ran("return {map = {a = 1}}"), Reply::Map(pair()));
    assert_eq!(ran("return {set = {a = true}}"), Reply::Set(vec![Reply::bulk("a")]));
    assert_eq!(ran("return {big_number = '1\\r2'}"), Reply::BigNumber("1 2".into()));
    assert_eq!(ran("return {ok = 'OK'}"), Reply::Ok);
    assert_eq!(ran("return {err = 'MINE x'}"), Reply::Error(ErrorReply::of_text("MINE x".into())));
    assert_eq!(ran("return 1e300"), Reply::Int(i64::MIN));
    assert_eq!(ran("return coroutine.create(function() end)"), Reply::Nil);
    let deep = ran("local t = {} t[1] = t return t");
    assert!(format!("{deep:?}").contains("reached lua stack limit"));
}

/// Numbers that are arguments: whole ones without exponent, others with all their digits.
#[test]
fn numbers_as_arguments() {
    for (number, text) in [
        ("2e8", "200000000"),
        ("0.1", "0.1"),
        ("1e15", "1000000000000000"),
        ("-3", "-3"),
        ("1/3", "0.3333333333333333"),
    ] {
        let body = format!("redis.call('set', 'k', {number}) return redis.call('get', 'k')");
        assert_eq!(reply(&body), format!("\"{text}\""));
    }
}

#[test]
fn errors_keep_their_codes() {
    assert_eq!(
        reply("return redis.pcall('wrong').err"),
        "\"WRONGTYPE Operation against a key holding the wrong kind of value\""
    );
    let raised = reply("return redis.call('wrong')");
    assert!(raised.starts_with("-WRONGTYPE Operation"), "{raised}");
    assert!(raised.ends_with(", on @user_script:1."), "{raised}");
    assert_eq!(reply("return redis.error_reply('MY code')"), "-MY code");
}

#[test]
fn logs_and_rights_are_the_hosts() {
    let mut host = TestHost::default();
    run_with(&mut host, "redis.log(redis.LOG_WARNING, 'a', 1)", &LIMITS).unwrap();
    assert_eq!(host.logged, [(crate::script::LogLevel::Warning, b"a 1".to_vec())]);
    assert_eq!(reply("return redis.acl_check_cmd('get', 'x')"), ":1");
    assert_eq!(reply("return redis.acl_check_cmd('set', 'x', 'y')"), "Nil");
    assert!(
        reply("return redis.acl_check_cmd('nosuch')")
            .contains("Invalid command passed to redis.acl_check_cmd()")
    );
}
