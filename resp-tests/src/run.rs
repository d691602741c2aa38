//! One script against one server: replies in, differences out.
//!
//! A script never stops at a difference: the report lists all of them. It stops when the server is gone or silent.

use std::collections::HashMap;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use crate::connection::{Connection, Received};
use crate::script::{Action, Block, Script, Step, Variables, matches, one_line, render, substitute};
use crate::server::{Kind, Program, Server};
use crate::value::Value;

const UNTIL_SECONDS_MAX: u64 = 15;

/// Runs scripts one after another, on one server as far as they allow it.
#[derive(Debug)]
pub struct Runner {
    program: Program,
    shared: Option<Server>,
}

/// What a script's blocks answered, in the notation of the corpus.
#[derive(Debug, Default)]
pub struct Outcome {
    /// One entry per block; `None` where the block is not for this server.
    pub blocks: Vec<Option<Vec<Vec<String>>>>,
    /// What a pattern, a deadline or the connection had to complain about.
    pub complaints: Vec<String>,
}

impl Runner {
    pub fn new(program: Program) -> Runner {
        Runner {
            program,
            shared: None,
        }
    }

    /// Runs the script on an empty data set.
    pub fn run(&mut self, script: &Script) -> io::Result<Outcome> {
        if self.program.kind == Kind::Reference && script.flotilla_only {
            let blocks = script.blocks().map(|_| None).collect();
            return Ok(Outcome {
                blocks,
                complaints: Vec::new(),
            });
        }
        if !script.server_args.is_empty() {
            let server = Server::start(&self.program, &script.server_args)?;
            return Ok(Execution::new(&server).script(script));
        }
        let reusable = self.shared.take().filter(|server| clean(server).is_ok());
        let server = match reusable {
            Some(server) => server,
            None => Server::start(&self.program, &[])?,
        };
        let outcome = Execution::new(&server).script(script);
        self.shared = Some(server);
        Ok(outcome)
    }
}

/// Makes the server look untouched; an error means that it has to be replaced.
fn clean(server: &Server) -> io::Result<()> {
    let mut connection = server.connect()?;
    for command in [
        &["CLIENT", "UNPAUSE"][..],
        &["FLUSHALL"],
        &["CONFIG", "RESETSTAT"],
    ] {
        match connection.call(command)? {
            Received::Reply(Value::Simple(_)) => {}
            other => return Err(io::Error::other(format!("{command:?} answered {other:?}"))),
        }
    }
    // The connections of the script before must be gone, or CLIENT LIST and CLIENT KILL would see them.
    let deadline = Instant::now() + Duration::from_secs(5);
    while Instant::now() < deadline {
        if let Received::Reply(Value::Bulk(list)) = connection.call(&["CLIENT", "LIST"])?
            && list.iter().filter(|byte| **byte == b'\n').count() == 1
        {
            return Ok(());
        }
        thread::sleep(Duration::from_millis(1));
    }
    Err(io::Error::other("old connections stay"))
}

/// Compares what was recorded with what the server said. Empty: the script holds.
pub fn differences(script: &Script, outcome: &Outcome) -> Vec<String> {
    let mut found = outcome.complaints.clone();
    for (block, got) in script.blocks().zip(&outcome.blocks) {
        let Some(got) = got else { continue };
        let Some(expected) = &block.expected else {
            found.push(format!(
                "line {}: nothing is recorded for this block",
                first_line(block)
            ));
            continue;
        };
        let steps: Vec<&Step> = block.steps.iter().filter(|step| step.replies()).collect();
        if expected.len() != steps.len() {
            let text = format!(
                "{} replies are recorded for {} commands",
                expected.len(),
                steps.len()
            );
            found.push(format!("line {}: {text}", first_line(block)));
            continue;
        }
        for ((step, expected), got) in steps.iter().zip(expected).zip(got) {
            if expected != got && got != &[NOT_DEMANDED] {
                found.push(difference(step, expected, got));
            }
        }
    }
    found
}

fn first_line(block: &Block) -> usize {
    block.steps.first().map_or(0, |step| step.line)
}

fn difference(step: &Step, expected: &[String], got: &[String]) -> String {
    let indent = |lines: &[String]| {
        lines
            .iter()
            .map(|line| format!("\n      {line}"))
            .collect::<String>()
    };
    format!(
        "line {}: {}\n    expected{}\n    got{}",
        step.line,
        describe(step),
        indent(expected),
        indent(got)
    )
}

fn describe(step: &Step) -> String {
    let on = if step.connection.is_empty() {
        String::new()
    } else {
        format!("@{} ", step.connection)
    };
    let argv = match &step.action {
        Action::Call(argv) | Action::SendOnly(argv) => argv.as_slice(),
        Action::Receive => return format!("{on}(receive)"),
        Action::Close => return format!("{on}(close)"),
        Action::Sleep(time) => return format!("(sleep {time:?})"),
    };
    let words = argv
        .iter()
        .map(|word| String::from_utf8_lossy(word).chars().take(60).collect::<String>());
    on + &words.collect::<Vec<_>>().join(" ")
}

/// What stands for a reply that the script checks by other means than the recording.
const MATCHES: &str = "(matches)";
/// What stands for a reply that only the reference server must give.
const NOT_DEMANDED: &str = "(not demanded)";

/// A script in progress: its connections and what it saved.
struct Execution<'a> {
    server: &'a Server,
    connections: HashMap<String, Connection>,
    variables: Variables,
    complaints: Vec<String>,
}

impl Execution<'_> {
    fn new(server: &Server) -> Execution<'_> {
        Execution {
            server,
            connections: HashMap::new(),
            variables: Variables::new(),
            complaints: Vec::new(),
        }
    }

    fn script(mut self, script: &Script) -> Outcome {
        let mut blocks = Vec::new();
        for block in script.blocks() {
            if block.flotilla_only && self.server.kind == Kind::Reference {
                blocks.push(None);
                continue;
            }
            match self.block(block) {
                Ok(replies) => blocks.push(Some(replies)),
                Err(error) => {
                    self.complaints
                        .push(format!("{error}\n{}", self.server.log_tail()));
                    break;
                }
            }
        }
        Outcome {
            blocks,
            complaints: self.complaints,
        }
    }

    fn block(&mut self, block: &Block) -> Result<Vec<Vec<String>>, String> {
        let mut replies = Vec::new();
        for step in &block.steps {
            let at = |error: String| format!("line {}: {}: {error}", step.line, describe(step));
            match &step.action {
                Action::Sleep(time) => thread::sleep(*time),
                Action::Close => drop(self.connections.remove(&step.connection)),
                Action::SendOnly(argv) => {
                    let argv = self.expand(argv).map_err(at)?;
                    let connection = self
                        .connection(&step.connection)
                        .map_err(|error| at(error.to_string()))?;
                    connection.send(&argv).map_err(|error| at(error.to_string()))?;
                }
                Action::Call(argv) => {
                    let argv = self.expand(argv).map_err(at)?;
                    let received = self.until(step, &argv).map_err(|error| at(error.to_string()))?;
                    replies.push(self.judge(step, received));
                }
                Action::Receive => {
                    let connection = self
                        .connection(&step.connection)
                        .map_err(|error| at(error.to_string()))?;
                    let received = connection.receive().map_err(|error| at(error.to_string()))?;
                    replies.push(self.judge(step, received));
                }
            }
        }
        Ok(replies)
    }

    fn expand(&self, argv: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, String> {
        argv.iter()
            .map(|word| substitute(word, &self.variables))
            .collect()
    }

    /// The connection of that name; a name that starts with `resp3` speaks RESP3 from its first command.
    fn connection(&mut self, name: &str) -> io::Result<&mut Connection> {
        if !self.connections.contains_key(name) {
            let mut connection = self.server.connect()?;
            if name.starts_with("resp3") {
                connection.call(&["HELLO", "3"])?;
            }
            self.connections.insert(name.to_owned(), connection);
        }
        self.connections
            .get_mut(name)
            .ok_or_else(|| io::Error::other("the connection was just made"))
    }

    fn until(&mut self, step: &Step, argv: &[Vec<u8>]) -> io::Result<Received> {
        let deadline = Instant::now() + Duration::from_secs(UNTIL_SECONDS_MAX);
        loop {
            let received = self.connection(&step.connection)?.call(argv)?;
            let Some(pattern) = &step.until else {
                return Ok(received);
            };
            match &received {
                Received::Reply(value) if matches(pattern, &one_line(value)) => return Ok(received),
                _ if Instant::now() > deadline => {
                    let error = format!("never answered {pattern}, at last {received:?}");
                    return Err(io::Error::new(io::ErrorKind::TimedOut, error));
                }
                _ => thread::sleep(Duration::from_millis(5)),
            }
        }
    }

    /// The reply as it is compared and recorded.
    fn judge(&mut self, step: &Step, received: Received) -> Vec<String> {
        let Received::Reply(mut value) = received else {
            self.connections.remove(&step.connection);
            return vec!["(closed)".into()];
        };
        if let Some(name) = &step.save {
            match value.as_text() {
                Some(text) => drop(self.variables.insert(name.clone(), text)),
                None => self.complain(step, format!("nothing to save in {}", one_line(&value))),
            }
        }
        let line = one_line(&value);
        if step.unordered {
            sort(&mut value);
        } else {
            sort_sets(&mut value);
        }
        let is_reference = self.server.kind == Kind::Reference;
        if is_reference && step.redis_differs {
            return vec![MATCHES.into()];
        }
        if !is_reference && step.reference_only {
            return vec![NOT_DEMANDED.into()];
        }
        let line = if step.unordered { one_line(&value) } else { line };
        for pattern in &step.patterns {
            if !matches(pattern, &line) {
                self.complain(
                    step,
                    format!(
                        "\n    must have the form\n      {pattern}\n    got\n      {}",
                        cut(&line)
                    ),
                );
            }
        }
        let is_fixed = step.patterns.is_empty() && step.until.is_none() && step.save.is_none();
        if is_fixed {
            render(&value)
        } else {
            vec![MATCHES.into()]
        }
    }

    fn complain(&mut self, step: &Step, text: String) {
        self.complaints
            .push(format!("line {}: {}: {text}", step.line, describe(step)));
    }
}

fn cut(line: &str) -> String {
    line.chars().take(3000).collect()
}

/// Sorts what the protocol itself leaves without an order.
fn sort_sets(value: &mut Value) {
    match value {
        Value::Array(items) | Value::Push(items) => items.iter_mut().for_each(sort_sets),
        Value::Set(items) => {
            items.iter_mut().for_each(sort_sets);
            items.sort_by_cached_key(one_line);
        }
        Value::Map(pairs) => {
            pairs.iter_mut().for_each(|(_, value)| sort_sets(value));
            pairs.sort_by_cached_key(|(key, _)| one_line(key));
        }
        _ => {}
    }
}

/// Sorts every aggregate, for replies that have no order of their own.
fn sort(value: &mut Value) {
    match value {
        Value::Array(items) | Value::Set(items) | Value::Push(items) => {
            items.iter_mut().for_each(sort);
            items.sort_by_cached_key(one_line);
        }
        Value::Map(pairs) => {
            pairs.iter_mut().for_each(|(_, value)| sort(value));
            pairs.sort_by_cached_key(|(key, _)| one_line(key));
        }
        _ => {}
    }
}
