//! A script in progress: sends its commands and writes down what comes back.

use std::collections::HashMap;
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::compare::{MATCHES, NOT_DEMANDED, describe};
use super::order::{sort_all, sort_sets};
use super::place::Place;
use super::runner::Outcome;
use crate::connection::{Connection, Received};
use crate::script::{Action, Block, Script, Step, Variables, matches, one_line, render, substitute};
use crate::server::Kind;

const UNTIL_SECONDS_MAX: u64 = 15;

/// Some commands of the scripts go over 512 MiB, on a machine with two cores that ten other test programs may share.
const REPLY_MAX: Duration = Duration::from_secs(60);

/// A script in progress: its connections and what it saved.
pub(super) struct Execution<'a> {
    server: &'a dyn Place,
    connections: HashMap<String, Connection>,
    variables: Variables,
    complaints: Vec<String>,
}

impl Execution<'_> {
    pub(super) fn new(server: &dyn Place) -> Execution<'_> {
        Execution { server, connections: HashMap::new(), variables: Variables::new(), complaints: Vec::new() }
    }

    pub(super) fn script(mut self, script: &Script) -> Outcome {
        let started = Instant::now();
        let mut blocks = Vec::new();
        for block in script.blocks() {
            if block.flotilla_only && self.server.kind() == Kind::Reference {
                blocks.push(None);
                continue;
            }
            match self.block(block) {
                Ok(replies) => blocks.push(Some(replies)),
                Err(error) => {
                    self.complaints.push(format!("{error}\n{}", self.server.log_tail()));
                    break;
                }
            }
        }
        Outcome { blocks, complaints: self.complaints, took: started.elapsed() }
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
                    let connection =
                        self.connection(&step.connection).map_err(|error| at(error.to_string()))?;
                    connection.send(&argv).map_err(|error| at(error.to_string()))?;
                }
                Action::Call(argv) => {
                    let argv = self.expand(argv).map_err(at)?;
                    let received = self.until(step, &argv).map_err(|error| at(error.to_string()))?;
                    replies.push(self.judge(step, received));
                }
                Action::Receive => {
                    let connection =
                        self.connection(&step.connection).map_err(|error| at(error.to_string()))?;
                    let received = connection.receive().map_err(|error| at(error.to_string()))?;
                    replies.push(self.judge(step, received));
                }
            }
        }
        Ok(replies)
    }

    fn expand(&self, argv: &[Vec<u8>]) -> Result<Vec<Vec<u8>>, String> {
        argv.iter().map(|word| substitute(word, &self.variables)).collect()
    }

    /// The connection of that name; a name that starts with `resp3` speaks RESP3 from its first command.
    fn connection(&mut self, name: &str) -> io::Result<&mut Connection> {
        if !self.connections.contains_key(name) {
            let mut connection = self.server.connect()?;
            connection.set_deadline(REPLY_MAX);
            if name.starts_with("resp3") {
                connection.call(&["HELLO", "3"])?;
            }
            self.connections.insert(name.to_owned(), connection);
        }
        self.connections.get_mut(name).ok_or_else(|| io::Error::other("the connection was just made"))
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
        if step.unordered {
            sort_all(&mut value);
        }
        let line = one_line(&value);
        sort_sets(&mut value);
        let is_reference = self.server.kind() == Kind::Reference;
        if is_reference && step.redis_differs {
            return vec![MATCHES.into()];
        }
        if !is_reference && step.reference_only {
            return vec![NOT_DEMANDED.into()];
        }
        for pattern in &step.patterns {
            if !matches(pattern, &line) {
                self.complain(
                    step,
                    format!("\n    must have the form\n      {pattern}\n    got\n      {}", cut(&line)),
                );
            }
        }
        let is_fixed = step.patterns.is_empty() && step.until.is_none() && step.save.is_none();
        if is_fixed { render(&value) } else { vec![MATCHES.into()] }
    }

    fn complain(&mut self, step: &Step, text: String) {
        self.complaints.push(format!("line {}: {}: {text}", step.line, describe(step)));
    }
}

fn cut(line: &str) -> String {
    line.chars().take(3000).collect()
}
