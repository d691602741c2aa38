//! Runs one client program against a server of its own and restarts the server when the program asks for it.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crossbeam::channel::{Receiver, RecvTimeoutError, unbounded};
use resp_tests::installed::HOW_TO_INSTALL;
use resp_tests::server::{Program, Server, Stop};
use tempfile::TempDir;

const CONVERSATION_SECONDS_MAX: u64 = 240;
const PASSWORD: &str = "correct horse";

/// Whether the server asks for a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    Open,
    Password,
}

impl Access {
    /// The password, as the last argument of a server or a program.
    pub fn password(self) -> Option<&'static str> {
        (self == Access::Password).then_some(PASSWORD)
    }
}

/// A server of the product for one client.
pub fn start(access: Access) -> Server {
    let args = access.password().map_or(vec![], |word| vec!["--requirepass".to_owned(), word.to_owned()]);
    Server::start(&Program::product(), &args).unwrap()
}

/// Ends the server as asked and starts it again with the same data.
pub fn restart(server: &mut Server, how: Stop) {
    let status = server.stop(how).unwrap();
    assert!(
        how == Stop::Kill || status.success(),
        "SIGTERM ended the server with {status}:\n{}",
        server.log_tail()
    );
    server.start_again().unwrap();
}

/// Runs `command PORT ARGS... [PASSWORD]` to its end. Panics with everything it printed unless it says that all held.
pub fn converse(mut command: Command, args: &[&str], access: Access) {
    let mut server = start(access);
    command.arg(server.port.to_string()).args(args).args(access.password());
    let name = format!("{command:?}");
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{name}: {error}. {HOW_TO_INSTALL}"));
    let lines = lines_of(&mut child);
    let mut said = Vec::new();
    let verdict = serve(&mut server, &lines, &mut said);
    if verdict.is_err() {
        drop(child.kill());
    }
    let status = child.wait().unwrap();
    // What it printed at its end.
    said.extend(lines.iter());
    let said = said.join("\n");
    let log = server.log_tail();
    assert!(verdict.is_ok(), "{name}: {verdict:?}; it said:\n{said}\nserver:\n{log}");
    assert!(
        status.success(),
        "{name} ended with {status}. {HOW_TO_INSTALL}. It said:\n{said}\nserver:\n{log}"
    );
    for line in ["restart kill", "restart terminate", "held"] {
        assert!(said.lines().any(|one| one == line), "{name} never said '{line}':\n{said}");
    }
}

/// Does what the program asks for until it closes its output.
fn serve(server: &mut Server, lines: &Receiver<String>, said: &mut Vec<String>) -> Result<(), String> {
    let deadline = Instant::now() + Duration::from_secs(CONVERSATION_SECONDS_MAX);
    loop {
        match lines.recv_deadline(deadline) {
            Ok(line) => {
                match line.as_str() {
                    "restart kill" => restart(server, Stop::Kill),
                    "restart terminate" => restart(server, Stop::Terminate),
                    _ => {}
                }
                said.push(line);
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
            Err(RecvTimeoutError::Timeout) => {
                return Err(format!("not done in {CONVERSATION_SECONDS_MAX} s"));
            }
        }
    }
}

/// Lines of both outputs of a process, as they come. The program says little: nothing here needs a bound.
pub fn lines_of(child: &mut Child) -> Receiver<String> {
    let (sender, lines) = unbounded();
    let outputs: [Box<dyn Read + Send>; 2] =
        [Box::new(child.stdout.take().unwrap()), Box::new(child.stderr.take().unwrap())];
    for output in outputs {
        let sender = sender.clone();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                drop(sender.send(line));
            }
        });
    }
    lines
}

/// A file of `resp-tests/clients/`.
pub fn source(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("clients").join(name)
}

/// A C program, compiled against a library. The directory holds it.
pub fn compiled(name: &str, library: &str) -> (TempDir, Command) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("program");
    let output = Command::new("cc")
        .args(["-std=gnu11", "-Wall", "-Wextra", "-Werror", "-o"])
        .args([path.as_path(), source(name).as_path()])
        .arg(format!("-l{library}"))
        .output()
        .unwrap_or_else(|error| panic!("cc: {error}. {HOW_TO_INSTALL}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success(),
        "cc cannot compile {name} against {library}. {HOW_TO_INSTALL}. It said:\n{said}"
    );
    (directory, Command::new(path))
}
