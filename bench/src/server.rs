//! The servers under test: started on free ports of 127.0.0.1, stopped by pid, cleaned up however the run ends.

use resp_tests::{ports::free_port, process::Process};
use rustix::process::Signal;
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

/// What to start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    Flotilla {
        /// In tables, and of its directory.
        name: &'static str,
        program: PathBuf,
        /// Beyond those that every server here needs.
        arguments: Vec<String>,
    },
    Redis {
        name: &'static str,
        options: &'static [&'static str],
    },
    /// Runs already.
    Remote(SocketAddr),
}

/// The redis-server flavours of the comparison.
pub const FLOTILLA: &str = "flotilla";
pub const REDIS: [Kind; 3] = [
    Kind::Redis { name: "redis none", options: &["--save", "", "--appendonly", "no"] },
    Kind::Redis {
        name: "redis everysec",
        options: &["--save", "", "--appendonly", "yes", "--appendfsync", "everysec"],
    },
    Kind::Redis {
        name: "redis always",
        options: &["--save", "", "--appendonly", "yes", "--appendfsync", "always"],
    },
];

/// What a server prints, in its directory.
pub const LOG: &str = "bench.log";

/// How long a server may take to stop when it is asked to.
const STOP_MAX: Duration = Duration::from_secs(60);

/// A running server.
pub struct Server {
    pub name: String,
    pub address: SocketAddr,
    pub kind: Kind,
    process: Process,
    directory: PathBuf,
}

impl Server {
    /// Starts a server with an empty directory of its own under `base`, and waits until it answers PING.
    pub fn start(kind: &Kind, base: &Path) -> Result<Self, String> {
        let name = match kind {
            Kind::Flotilla { name, .. } | Kind::Redis { name, .. } => (*name).to_owned(),
            Kind::Remote(address) => address.to_string(),
        };
        let directory = base.join(name.replace([' ', ':'], "-"));
        let _ = std::fs::remove_dir_all(&directory);
        std::fs::create_dir_all(&directory).map_err(|e| format!("{}: {e}", directory.display()))?;
        let address = match kind {
            Kind::Remote(address) => *address,
            Kind::Flotilla { .. } | Kind::Redis { .. } => {
                SocketAddr::from(([127, 0, 0, 1], free_port().map_err(|e| e.to_string())?))
            }
        };
        let process = Process::new(directory.join(LOG));
        let mut server = Server { name, address, kind: kind.clone(), process, directory };
        server.launch()?;
        Ok(server)
    }

    fn launch(&mut self) -> Result<(), String> {
        let mut command = match &self.kind {
            Kind::Remote(_) => return self.wait_ready().map(drop),
            Kind::Flotilla { program, arguments, .. } => {
                let mut command = Command::new(program);
                command.args(flotilla_arguments(self.address.port(), &self.directory)).args(arguments);
                command
            }
            Kind::Redis { options, .. } => {
                let mut command = Command::new("redis-server");
                command
                    .args(["--port", &self.address.port().to_string(), "--dir"])
                    .arg(&self.directory)
                    .args(*options);
                command
            }
        };
        self.process.start(&mut command).map_err(|e| format!("start {}: {e}", self.name))?;
        self.wait_ready().map(drop)
    }

    /// The last lines it printed.
    pub fn log_tail(&self) -> String {
        log_tail(&self.name, &self.process)
    }

    /// Waits until PING is answered; returns how long that took.
    fn wait_ready(&mut self) -> Result<Duration, String> {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(300) {
            if let Ok(Some(status)) = self.process.ended() {
                return Err(format!("{} ended by itself: {status}\n{}", self.name, self.log_tail()));
            }
            if ask(self.address, b"PING\r\n").is_some_and(|reply| reply.starts_with(b"+PONG")) {
                return Ok(start.elapsed());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Err(format!("{} does not answer PING\n{}", self.name, self.log_tail()))
    }

    /// SIGTERM, start again; seconds from start to the first PONG and to the first value of `key`.
    pub fn restart(&mut self, key: &[u8]) -> Result<(f64, f64), String> {
        self.stop();
        let start = Instant::now();
        self.launch()?;
        let ping = start.elapsed().as_secs_f64();
        let request = [b"GET ", key, b"\r\n"].concat();
        while !ask(self.address, &request)
            .is_some_and(|reply| reply.starts_with(b"$") && !reply.starts_with(b"$-1"))
        {
            if start.elapsed() > Duration::from_secs(300) {
                return Err("no value after the restart".into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok((ping, start.elapsed().as_secs_f64()))
    }

    /// CPU seconds the process has used.
    pub fn cpu_seconds(&self) -> Option<f64> {
        self.process.cpu_seconds()
    }

    /// Resident memory in MiB.
    pub fn rss_mib(&self) -> Option<f64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.pid()?)).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(line.split_whitespace().next()?.parse::<f64>().ok()? / 1024.0)
    }

    /// Bytes of the server's directory, in MiB.
    pub fn disk_mib(&self) -> f64 {
        directory_bytes(&self.directory) as f64 / (1024.0 * 1024.0)
    }

    /// Bytes of what keeps the data at rest: Flotilla's store without its log, redis-server's RDB file.
    pub fn data_bytes(&self) -> u64 {
        match self.kind {
            Kind::Flotilla { .. } => directory_bytes(&self.directory.join("data/store")),
            Kind::Redis { .. } | Kind::Remote(_) => {
                std::fs::metadata(self.directory.join("dump.rdb")).map_or(0, |about| about.len())
            }
        }
    }

    fn stop(&mut self) {
        // One that does not end is killed, which is as good here.
        let _ = self.process.stop(Signal::TERM, STOP_MAX);
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// Flotilla's command line.
fn flotilla_arguments(port: u16, directory: &Path) -> Vec<String> {
    let directory = directory.join("data").to_string_lossy().into_owned();
    ["--port", &port.to_string(), "--peer-port", "0", "--http-port", "0", "--data-dir", &directory]
        .map(str::to_owned)
        .to_vec()
}

/// Sends one request and returns the first bytes of the answer.
fn ask(address: SocketAddr, request: &[u8]) -> Option<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream.write_all(request).ok()?;
    let mut buffer = [0; 64];
    let n = stream.read(&mut buffer).ok()?;
    buffer.get(..n).map(<[u8]>::to_vec)
}

/// The last lines that a server printed.
pub fn log_tail(name: &str, process: &Process) -> String {
    const LINES: usize = 40;
    format!("--- {name}\n{}", process.log_tail(LINES))
}

/// Bytes of all files in a directory and those below it, but for what Flotilla keeps in reserve.
pub fn directory_bytes(directory: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(directory) else { return 0 };
    entries
        .flatten()
        .filter(|entry| entry.file_name() != "RESERVE")
        .map(|entry| match entry.metadata() {
            Ok(about) if about.is_dir() => directory_bytes(&entry.path()),
            Ok(about) => about.len(),
            Err(_) => 0,
        })
        .sum()
}
