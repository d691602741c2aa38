//! Libraries whose work is done by scripts, against a server of their own.

use std::process::Command;

use super::program::{Access, installed, source, start};

/// Runs `command PORT` to its end, which must be `held`.
fn holds(mut command: Command) {
    let server = start(Access::Open);
    let output = command.arg(server.port.to_string()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    println!("{said}");
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    let has_held = output.status.success() && said.lines().last() == Some("held");
    assert!(has_held, "{said}\n{complaint}\n{}", server.log_tail());
}

/// BullMQ (delays, retries, priorities, flows, schedulers, rates), Redlock, rate-limiter-flexible, and commands of ioredis.
#[test]
fn libraries_of_node_that_work_by_scripts_hold() {
    let mut command = Command::new("node");
    command.env("NODE_PATH", installed("scripting/node_modules")).arg(source("node/scripts.js"));
    holds(command);
}

/// Scripts, functions and locks of redis-py, RQ, walrus.
#[test]
fn libraries_of_python_that_work_by_scripts_hold() {
    let mut command = Command::new(installed("scripting/bin/python"));
    command.arg(source("python/scripts.py"));
    holds(command);
}
