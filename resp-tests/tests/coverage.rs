//! Every command the server lists has a script, and every script sends what it claims to cover.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use resp_tests::chaos::KINDS;
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

/// The page of faults names tests and chaos faults that there are, and every chaos fault.
#[test]
fn every_test_that_the_page_of_faults_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let page = fs::read_to_string(root.join("src/docs/faults.md")).unwrap();
    let mut source = String::new();
    for directory in ["resp-tests/src", "resp-tests/tests", "src"] {
        gather(&root.join(directory), &mut source);
    }
    let named: BTreeSet<&str> = page.split('`').skip(1).step_by(2).collect();
    let is_test = |name: &str| name.matches('_').count() > 2 && !name.contains([' ', '/']);
    let tests: Vec<_> = named.iter().filter(|name| is_test(name)).collect();
    let is_there =
        |name: &str| source.contains(&format!("fn {name}(")) || source.contains(&format!("(\"{name}\","));
    let missing: Vec<_> = tests.iter().filter(|name| !is_there(name)).collect();
    assert!(tests.len() > 80 && missing.is_empty(), "of {} tests there is no {missing:?}", tests.len());
    let untold: Vec<_> = KINDS
        .into_iter()
        .map(|fault| format!("{fault:?}"))
        .filter(|fault| fault != "None" && !named.contains(fault.as_str()))
        .collect();
    assert!(untold.is_empty(), "the page does not tell of {untold:?}");
}

fn gather(directory: &Path, source: &mut String) {
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        let path = entry.path();
        if path.is_dir() {
            gather(&path, source);
        } else if path.extension().is_some_and(|end| end == "rs") {
            source.push_str(&fs::read_to_string(path).unwrap());
        }
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
