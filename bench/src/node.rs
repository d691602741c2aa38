//! One node of a core or an edge: a process that can be killed, emptied and started again, gone with its data when dropped.

use crate::{
    client::{Client, Value},
    server,
};
use resp_tests::{ports::free_port, process::Process};
use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

const ANSWER_MAX: Duration = Duration::from_secs(5);

/// See the module.
pub struct Node {
    pub name: String,
    pub address: SocketAddr,
    peer_port: u16,
    /// Holds `data` and what the node printed.
    home: PathBuf,
    command: (PathBuf, Vec<String>),
    /// Its priority from the next start on: 0 = as usual, 19 = it runs when nobody else wants to.
    pub niceness: u8,
    process: Process,
}

impl Node {
    /// A node with an empty directory of its own under `base`, not started.
    pub fn new(name: &str, base: &Path) -> Result<Self, String> {
        let home = base.join(name);
        let _ = std::fs::remove_dir_all(&home);
        std::fs::create_dir_all(&home).map_err(|e| format!("{}: {e}", home.display()))?;
        Ok(Node {
            name: name.to_owned(),
            address: SocketAddr::from(([127, 0, 0, 1], free_port().map_err(|e| e.to_string())?)),
            peer_port: free_port().map_err(|e| e.to_string())?,
            process: Process::new(home.join(server::LOG)),
            home,
            command: (PathBuf::new(), Vec::new()),
            niceness: 0,
        })
    }

    /// Its part of `--cluster`.
    pub fn peer(&self) -> String {
        format!("{}={}", self.name, self.peer_address())
    }

    /// Where other nodes and edges reach it.
    pub fn peer_address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.peer_port))
    }

    /// Starts it for the first time: `role` says as what, `more` arguments go last.
    pub fn start(&mut self, program: &Path, role: &[&str], more: &[String]) -> Result<(), String> {
        let (port, peer_port) = (self.address.port().to_string(), self.peer_port.to_string());
        let data = self.data().to_string_lossy().into_owned();
        let own = [
            ["--node-name", &self.name],
            ["--port", &port],
            ["--peer-port", &peer_port],
            ["--http-port", "0"],
            ["--data-dir", &data],
        ];
        let own = role.iter().chain(own.as_flattened()).map(|word| (*word).to_owned());
        let arguments = own.chain(more.iter().cloned());
        self.command = (program.to_owned(), arguments.collect());
        self.launch()
    }

    /// Starts it again as it was started.
    pub fn launch(&mut self) -> Result<(), String> {
        let (program, arguments) = &self.command;
        let mut command = match self.niceness {
            0 => Command::new(program),
            by => {
                // It becomes the program, with the same id.
                let mut nice = Command::new("nice");
                nice.args(["-n", &by.to_string()]).arg(program);
                nice
            }
        };
        self.process.start(command.args(arguments)).map_err(|e| format!("start {}: {e}", self.name))
    }

    /// SIGKILL.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Removes all its data; it must not run.
    pub fn wipe(&self) -> Result<(), String> {
        std::fs::remove_dir_all(self.data()).map_err(|e| format!("wipe {}: {e}", self.name))
    }

    /// Whether it ended by itself.
    pub fn has_exited(&mut self) -> bool {
        matches!(self.process.ended(), Ok(Some(_)))
    }

    pub fn call(&self, words: &[&str]) -> Result<Value, String> {
        self.call_within(words, ANSWER_MAX)
    }

    /// For commands that may take longer.
    pub fn call_within(&self, words: &[&str], answer_max: Duration) -> Result<Value, String> {
        let called = Client::connect(self.address, answer_max).and_then(|mut client| client.call(words));
        called.map_err(|e| format!("{}: {}: {e}", self.name, words.join(" ")))
    }

    /// All of INFO; empty if the node does not answer.
    pub fn info(&self) -> BTreeMap<String, String> {
        match self.call(&["INFO", "everything"]) {
            Ok(Value::Bulk(text)) => fields(&String::from_utf8_lossy(&text)),
            _ => BTreeMap::new(),
        }
    }

    /// A number of INFO.
    pub fn number(&self, field: &str) -> Option<u64> {
        self.info().get(field)?.parse().ok()
    }

    /// CPU seconds the process has used.
    pub fn cpu_seconds(&self) -> Option<f64> {
        self.process.cpu_seconds()
    }

    /// The store's directory.
    pub fn store(&self) -> PathBuf {
        self.data().join("store")
    }

    fn data(&self) -> PathBuf {
        self.home.join("data")
    }

    /// The last lines it printed.
    pub fn log_tail(&self) -> String {
        server::log_tail(&self.name, &self.process)
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
        let _ = std::fs::remove_dir_all(&self.home);
    }
}

/// The fields of INFO's text.
fn fields(text: &str) -> BTreeMap<String, String> {
    let pairs = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once(':'));
    pairs.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_info() {
        let found = fields("# Replication\r\nrole:master\r\nmaster_host:\r\nslave0:ip=::1,port=1\r\n\r\n");
        assert_eq!(found.len(), 3);
        assert_eq!(found["role"], "master");
        assert_eq!(found["slave0"], "ip=::1,port=1");
    }
}
