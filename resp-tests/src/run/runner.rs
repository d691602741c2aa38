//! Servers for scripts: one shared and cleaned between them, or one of their own.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use super::execution::Execution;
use super::place::Place;
use crate::connection::Received;
use crate::script::Script;
use crate::server::{Kind, Program, Server};
use crate::value::Value;

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
    /// How long the script ran.
    pub took: Duration,
}

impl Runner {
    pub fn new(program: Program) -> Runner {
        Runner { program, shared: None }
    }

    /// Runs the script on an empty data set.
    pub fn run(&mut self, script: &Script) -> io::Result<Outcome> {
        if self.program.kind == Kind::Reference && script.flotilla_only {
            let blocks = script.blocks().map(|_| None).collect();
            return Ok(Outcome { blocks, ..Outcome::default() });
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

/// Runs a script that needs no server of its own, on a server that the script before may have left in any state.
pub fn run_cleaned(place: &dyn Place, script: &Script) -> io::Result<Outcome> {
    clean(place)?;
    Ok(Execution::new(place).script(script))
}

/// Makes the server look untouched; an error means that it has to be replaced.
fn clean(server: &dyn Place) -> io::Result<()> {
    let mut connection = server.connect()?;
    for command in [&["CLIENT", "UNPAUSE"][..], &["FLUSHALL"], &["CONFIG", "RESETSTAT"]] {
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
