//! Ordinary client libraries against a server that is restarted under them.
//!
//! Each library has a program in `resp-tests/clients/` that does what applications do: connects as the library does it
//! by itself, stores text and bytes, pipelines, transacts (and is refused by WATCH), expires, scans, and gets the
//! server's errors as the library's exceptions. redis-rs is used from here, see `redis_rs`.
//!
//! ```text
//! program: restart kill ─▶ test: SIGKILL, starts the server again, same port and data
//!          (has written a little, and goes on with the same client object until another process answers;
//!           then every acknowledged value must be there)
//! program: restart terminate ─▶ the same with SIGTERM
//! program: held, exit status 0
//! ```
//!
//! Applications that use the server through such a library, as queues, results, caches and sessions, have programs in
//! `resp-tests/clients/python/applications/` and hold the same conversation.
//!
//! What a program needs is installed by `.build/test-deps.sh`; without it the test fails, and says so.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod caching_rs;
mod failover;
mod failover_rs;
mod program;
mod redis_rs;
mod scripts;

use std::process::Command;

use program::{Access, compiled, converse, source};
use resp_tests::installed::installed;

#[test]
fn redis_py_holds_with_its_default_protocol() {
    converse(python(), &["default"], Access::Open);
}

#[test]
fn redis_py_holds_with_resp2_and_a_password() {
    converse(python(), &["2"], Access::Password);
}

#[test]
fn redis_py_holds_with_resp3_and_a_password() {
    converse(python(), &["3"], Access::Password);
}

#[test]
fn the_cache_of_redis_rs_holds() {
    caching_rs::holds();
}

/// Its client-side cache; ioredis has none.
#[test]
fn the_cache_of_redis_py_holds() {
    let mut command = Command::new(installed("python/bin/python"));
    command.arg(source("python/caching.py"));
    converse(command, &[], Access::Open);
}

#[test]
fn ioredis_holds() {
    converse(node(), &[], Access::Open);
}

#[test]
fn ioredis_holds_with_a_password() {
    converse(node(), &[], Access::Password);
}

#[test]
fn redis_rs_holds_with_its_default_protocol() {
    redis_rs::holds(None, Access::Open);
}

#[test]
fn redis_rs_holds_with_resp2_and_a_password() {
    redis_rs::holds(Some("resp2"), Access::Password);
}

#[test]
fn redis_rs_holds_with_resp3_and_a_password() {
    redis_rs::holds(Some("resp3"), Access::Password);
}

#[test]
fn hiredis_holds() {
    let (_directory, program) = compiled("c/basic.c", "hiredis");
    converse(program, &[], Access::Open);
}

#[test]
fn hiredis_holds_with_a_password() {
    let (_directory, program) = compiled("c/basic.c", "hiredis");
    converse(program, &[], Access::Password);
}

#[test]
fn redis_rb_holds() {
    converse(ruby(), &[], Access::Open);
}

#[test]
fn redis_rb_holds_with_a_password() {
    converse(ruby(), &[], Access::Password);
}

#[test]
fn kombu_holds() {
    converse(application("queues_kombu.py"), &[], Access::Open);
}

#[test]
fn celery_holds_with_a_worker_that_does_the_tasks_itself() {
    converse(application("tasks_celery.py"), &["solo"], Access::Open);
}

#[test]
fn celery_holds_with_a_worker_that_forks_and_a_password() {
    converse(application("tasks_celery.py"), &["prefork"], Access::Password);
}

#[test]
fn rq_holds_with_a_password() {
    converse(application("jobs_rq.py"), &[], Access::Password);
}

#[test]
fn django_redis_holds_with_a_password() {
    converse(application("cache_django.py"), &[], Access::Password);
}

/// A program with a library that is more than a client. It starts workers of its own and ends them, and they end with it.
fn application(name: &str) -> Command {
    let mut command = Command::new(installed("applications/bin/python"));
    // It imports its neighbours, as do its workers: none leaves anything in the clone.
    command.env("PYTHONDONTWRITEBYTECODE", "1").arg(source("python/applications").join(name));
    command
}

fn python() -> Command {
    let mut command = Command::new(installed("python/bin/python"));
    command.arg(source("python/basic.py"));
    command
}

fn node() -> Command {
    let mut command = Command::new("node");
    command.env("NODE_PATH", installed("node/node_modules")).arg(source("node/basic.js"));
    command
}

fn ruby() -> Command {
    let mut command = Command::new("ruby");
    // Its default for what it reads from sockets is the locale's, which may be ASCII.
    command.args(["-E", "UTF-8:UTF-8"]).arg(source("ruby/basic.rb"));
    command
}
