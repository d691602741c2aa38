//! A program to start servers from, and the place where they are to live.

use std::env;
use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};

use crate::door::Door;
use crate::namespace;
use crate::ports::free_port;

/// Which program is under test; they differ in their arguments only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Product,
    /// redis-server, which records the expectations.
    Reference,
}

/// A program to start servers from.
#[derive(Clone, Debug)]
pub struct Program {
    pub kind: Kind,
    pub path: PathBuf,
    /// Whether the wall clock of its servers can be set, see `Server::set_clock`.
    pub has_own_clock: bool,
    /// Files that it may have open at most, if not as many as this process.
    pub open_files: Option<u32>,
    /// The size of the disk that its servers have for themselves; `None`: theirs is the one of the tests.
    pub disk_bytes: Option<u64>,
    /// The size of a disk of their own whose power can be cut.
    pub recorded_disk_bytes: Option<u64>,
    /// How many seconds its monotonic clock is ahead of the machine's, in a time namespace of its own.
    pub monotonic_ahead: Option<u64>,
    /// Variables of its environment.
    pub variables: Vec<(String, String)>,
    /// `None`: on loopback, like the tests themselves.
    pub place: Option<Place>,
}

/// A network namespace, and the address that other ones know it by. One server lives there.
#[derive(Clone, Debug)]
pub struct Place {
    pub namespace: String,
    pub host: Ipv4Addr,
}

impl Program {
    /// `FLOTILLA_BIN`, or the debug build of this workspace. A path that ends in `redis-server` is the reference,
    /// which is how the test code itself is tried.
    pub fn product() -> Program {
        // Test binaries lie in <target>/<profile>/deps, wherever CARGO_TARGET_DIR has put that.
        let built = || {
            let beside =
                env::current_exe().ok().and_then(|test| Some(test.parent()?.parent()?.join("flotilla")));
            let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/debug/flotilla");
            beside.filter(|path| path.exists()).unwrap_or_else(default)
        };
        let path = env::var_os("FLOTILLA_BIN").map_or_else(built, PathBuf::from);
        let is_reference = path.file_name().is_some_and(|name| name == "redis-server");
        Program::new(if is_reference { Kind::Reference } else { Kind::Product }, path)
    }

    fn new(kind: Kind, path: PathBuf) -> Program {
        Program {
            kind,
            path,
            has_own_clock: false,
            open_files: None,
            disk_bytes: None,
            recorded_disk_bytes: None,
            monotonic_ahead: None,
            variables: Vec::new(),
            place: None,
        }
    }

    pub fn with_own_clock(self) -> Program {
        Program { has_own_clock: true, ..self }
    }

    pub fn with_open_files(self, max: u32) -> Program {
        Program { open_files: Some(max), ..self }
    }

    pub fn with_disk(self, bytes: u64) -> Program {
        Program { disk_bytes: Some(bytes), ..self }
    }

    /// Its servers' power can be cut, see `Server::cut_power`.
    pub fn with_recorded_disk(self, bytes: u64) -> Program {
        Program { recorded_disk_bytes: Some(bytes), ..self }
    }

    pub fn with_monotonic_ahead(self, seconds: u64) -> Program {
        Program { monotonic_ahead: Some(seconds), ..self }
    }

    pub fn with_variable(mut self, name: &str, value: &str) -> Program {
        self.variables.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn at(self, place: Place) -> Program {
        Program { place: Some(place), ..self }
    }

    /// redis-server, of the version the corpus is recorded from.
    pub fn reference() -> io::Result<Program> {
        let path = PathBuf::from(env::var_os("REDIS_SERVER_BIN").unwrap_or("redis-server".into()));
        let missing = |what: String| {
            let text = format!(
                "{}: {what}. `make test` installs redis-server 7.0; .build/test-deps.sh does that alone",
                path.display()
            );
            io::Error::new(ErrorKind::NotFound, text)
        };
        let version =
            Command::new(&path).arg("--version").output().map_err(|error| missing(error.to_string()))?;
        let version = String::from_utf8_lossy(&version.stdout);
        if !version.contains("v=7.0.") {
            return Err(missing(format!("not version 7.0 but {}", version.trim())));
        }
        Ok(Program::new(Kind::Reference, path))
    }

    /// Starts what is a command of it, in its place.
    pub fn spawn(&self, command: &mut Command) -> io::Result<Child> {
        let child = match &self.place {
            None => command.spawn(),
            Some(place) => namespace::within(&place.namespace, || command.spawn()),
        };
        child.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", self.path.display())))
    }

    /// Where clients in its place, or on this machine if it has none, reach a server of it.
    pub(crate) fn door(&self, port: u16) -> Door {
        let namespace = self.place.as_ref().map(|place| place.namespace.clone());
        Door { namespace, ..Door::from(port) }
    }

    /// Where other nodes reach a server of it.
    pub(crate) fn peer_address(&self, port: u16) -> String {
        let host = self.place.as_ref().map_or(Ipv4Addr::LOCALHOST, |place| place.host);
        format!("{host}:{port}")
    }

    pub(crate) fn ports(&self) -> io::Result<Ports> {
        match &self.place {
            None => Ok(Ports { clients: free_port()?, http: free_port()?, peers: free_port()? }),
            // Nobody else is there.
            Some(_) => Ok(Ports::DEFAULT),
        }
    }

    /// The program behind those that limit it. Each becomes the next, under the same process id.
    fn wrapped(&self) -> Command {
        let mut words: Vec<OsString> = Vec::new();
        if let Some(ahead) = self.monotonic_ahead {
            let ahead = ahead.to_string();
            words.extend(
                ["unshare", "--time", "--monotonic", &ahead, "--boottime", &ahead, "--"].map(OsString::from),
            );
        }
        if let Some(max) = self.open_files {
            words.extend(["prlimit".into(), format!("--nofile={max}:{max}").into(), "--".into()]);
        }
        words.push(self.path.clone().into());
        let mut words = words.into_iter();
        let mut command = Command::new(words.next().unwrap_or_default());
        command.args(words);
        command
    }

    pub(crate) fn command(&self, ports: Ports, directory: &Path) -> Command {
        let mut command = self.wrapped();
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.args(["--port", &ports.clients.to_string()]);
        match self.kind {
            Kind::Product => {
                command.arg("--data-dir").arg(directory);
                command.args(["--http-port", &ports.http.to_string()]);
                command.args(["--peer-port", &ports.peers.to_string()]);
                if let Some(place) = &self.place {
                    command.args(["--bind", &format!("{} 127.0.0.1", place.host)]);
                    command.args(["--protected-mode", "no", "--peer-insecure", "yes"]);
                }
            }
            Kind::Reference => {
                command.arg("--dir").arg(directory);
                command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]);
                command.args(["--enable-debug-command", "yes", "--loglevel", "warning"]);
            }
        }
        command
    }
}

/// Where a server listens.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ports {
    pub clients: u16,
    pub http: u16,
    pub peers: u16,
}

impl Ports {
    pub(crate) const DEFAULT: Ports = Ports { clients: 6379, http: 8379, peers: 7379 };
}
