//! Every command the server lists has a script, and every script sends what it claims to cover.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::fs;

use resp_tests::connection::Received;
use resp_tests::corpus;
use resp_tests::script;
use resp_tests::server::{Kind, Program, Server};
use resp_tests::value::Value;

#[test]
fn every_command_row_has_a_script() {
    let program = Program::product();
    let server = Server::start(&program, &[]).unwrap();
    let listed = match server.connect().unwrap().call(&["COMMAND"]).unwrap() {
        Received::Reply(Value::Array(rows)) => rows.iter().flat_map(names).collect::<BTreeSet<String>>(),
        other => panic!("COMMAND answered {other:?}"),
    };
    assert!(listed.contains("get") && listed.contains("client|kill"), "COMMAND lists no names: {listed:?}");
    let mut covered = BTreeSet::new();
    for file in corpus::files().unwrap() {
        let script = script::parse(&fs::read_to_string(&file.path).unwrap()).unwrap();
        covered.extend(file.covers(&script));
    }
    let missing: Vec<_> = listed.difference(&covered).collect();
    // The reference has commands that this project does not have yet; it only proves that the listing is read.
    assert!(program.kind == Kind::Reference || missing.is_empty(), "no script for {missing:?}");
}

#[test]
fn every_script_sends_what_it_claims_to_cover() {
    for file in corpus::files().unwrap() {
        let script = script::parse(&fs::read_to_string(&file.path).unwrap()).unwrap();
        let issued = corpus::issued(&script);
        let claimed = script.covers.iter().filter(|name| !issued.contains(*name)).collect::<Vec<_>>();
        assert!(claimed.is_empty(), "{} never sends {claimed:?}", file.name);
    }
}

/// The names in one row of COMMAND: its own, and those of its subcommands.
fn names(row: &Value) -> Vec<String> {
    let Value::Array(fields) = row else { panic!("a row is an array, not {row:?}") };
    let mut found = Vec::new();
    if let Some(Value::Bulk(name)) = fields.first() {
        found.push(String::from_utf8_lossy(name).to_lowercase());
    }
    if let Some(Value::Array(subcommands)) = fields.get(9) {
        found.extend(subcommands.iter().flat_map(names));
    }
    found
}
