//! The nodes of the core, as an edge knows them. It asks for them every few seconds, follows any of them if it reaches none of
//! its configured upstreams, and remembers them across restarts. So it finds the core even if all its nodes were replaced.
//!
//! `UPSTREAMS` in the data directory: CRC-32C of the rest in 8 hexadecimal digits ‖ space ‖ JSON list of `host:port` ‖ newline.
//! It is only a hint: a damaged file is logged, ignored and rewritten.

use super::upstreams::Upstreams;
use crate::{
    limits::MEMBERS_MAX,
    replication::{
        wal::blocking,
        wire::{self, edge_kind, read, write},
    },
};
use bytes::Bytes;
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio::time::Instant;

const FILE: &str = "UPSTREAMS";
const FILE_BYTES_MAX: u64 = 64 << 10;
const ADDRESS_BYTES_MAX: usize = 255;
const ASK_INTERVAL: Duration = Duration::from_secs(5);
/// Until a node has answered for the first time.
const FIRST_INTERVAL: Duration = Duration::from_millis(500);
const ASK_MAX: Duration = Duration::from_secs(2);

/// The task that keeps the list.
pub(super) struct CoreNodes {
    pub(super) upstreams: Arc<Upstreams>,
    /// The data directory.
    pub(super) directory: PathBuf,
    /// Whether this node may talk to other machines: it has TLS, or `peer-insecure` is set.
    pub(super) may_leave_machine: bool,
}

impl CoreNodes {
    /// Asks until its runtime ends.
    pub(super) async fn run(self) {
        let path = self.directory.join(FILE);
        let mut known = self.allowed(load(&path));
        if !known.is_empty() {
            tracing::info!(?known, "loaded the remembered nodes of the core");
            self.upstreams.learn(&known);
        }
        let mut interval = FIRST_INTERVAL;
        loop {
            let asked = self.upstreams.call(edge_kind::NODES, &Bytes::new(), ASK_MAX, Instant::now()).await;
            // A node of an earlier version refuses the call.
            let told = asked.ok().and_then(|answer| read::<wire::CoreNodes>(answer).ok());
            if let Some(wire::CoreNodes { addresses }) = told {
                interval = ASK_INTERVAL;
                let told = self.allowed(addresses);
                if !told.is_empty() && told != known {
                    self.upstreams.learn(&told);
                    let (path, list) = (path.clone(), told.clone());
                    match blocking(move || save(&path, &list)).await {
                        Ok(Ok(())) => known = told,
                        Ok(Err(error)) => {
                            tracing::warn!(%error, "cannot save the list of the core's nodes; trying again")
                        }
                        Err(_stopping) => return,
                    }
                }
            }
            tokio::time::sleep(interval).await;
        }
    }

    /// The usable addresses of an untrusted list, sorted.
    fn allowed(&self, mut addresses: Vec<String>) -> Vec<String> {
        addresses.retain(|address| {
            let host =
                address.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok_and(|port| port > 0));
            let host = host.map_or("", |(host, _)| host.trim_matches(['[', ']']));
            let is_here =
                host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
            !host.is_empty() && address.len() <= ADDRESS_BYTES_MAX && (is_here || self.may_leave_machine)
        });
        addresses.sort();
        addresses.dedup();
        addresses.truncate(MEMBERS_MAX);
        addresses
    }
}

/// A core node's answer: the peer addresses of its core.
pub(super) fn told(addresses: impl Iterator<Item = String>) -> Bytes {
    write(&wire::CoreNodes { addresses: addresses.filter(|address| !address.is_empty()).collect() })
}

fn load(path: &Path) -> Vec<String> {
    let read = || -> io::Result<Vec<String>> {
        if fs::metadata(path)?.len() > FILE_BYTES_MAX {
            return Err(io::Error::other("it is too long"));
        }
        decode(&fs::read_to_string(path)?).ok_or_else(|| io::Error::other("its checksum is wrong"))
    };
    match read() {
        Ok(addresses) => addresses,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "cannot read the remembered nodes of the core; asking for them again");
            Vec::new()
        }
    }
}

fn decode(text: &str) -> Option<Vec<String>> {
    let (sum, list) = text.strip_suffix('\n')?.split_once(' ')?;
    (u32::from_str_radix(sum, 16) == Ok(crc32c::crc32c(list.as_bytes())))
        .then(|| serde_json::from_str(list).ok())?
}

fn encode(addresses: &[String]) -> String {
    let list = serde_json::json!(addresses).to_string();
    format!("{:08x} {list}\n", crc32c::crc32c(list.as_bytes()))
}

/// Writes the file atomically.
fn save(path: &Path, addresses: &[String]) -> io::Result<()> {
    let temporary = path.with_extension("tmp");
    let mut file = File::create(&temporary)?;
    file.write_all(encode(addresses).as_bytes())?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    match path.parent() {
        Some(directory) => File::open(directory)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_saved_list_is_loaded_and_a_damaged_one_is_ignored() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join(FILE);
        assert_eq!(load(&path), Vec::<String>::new());
        let list = ["a:1".to_owned(), "[::1]:2".to_owned()];
        save(&path, &list).unwrap();
        assert_eq!(load(&path), list);
        let good = fs::read(&path).unwrap();
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, &bad).unwrap();
            assert_eq!(load(&path), Vec::<String>::new(), "flipped at {at}");
            fs::write(&path, &good[..at]).unwrap();
            assert_eq!(load(&path), Vec::<String>::new(), "cut at {at}");
        }
    }

    #[test]
    fn a_list_from_a_peer_is_bounded_and_without_tls_stays_on_this_machine() {
        use crate::peer::{LocalIdentity, Peers};
        let nodes = |may_leave_machine| CoreNodes {
            upstreams: Arc::new(Upstreams::new(
                Arc::new(Peers::new(Arc::new(LocalIdentity::new(1, String::new(), String::new(), None)))),
                vec!["127.0.0.1:1".into()],
            )),
            directory: PathBuf::new(),
            may_leave_machine,
        };
        let told = || {
            ["10.0.0.1:7", "127.0.0.1:7", "[::1]:7", "localhost:7", "h", ":1", "h:0", "127.0.0.1:7"]
                .map(str::to_owned)
                .to_vec()
        };
        assert_eq!(nodes(false).allowed(told()), ["127.0.0.1:7", "[::1]:7", "localhost:7"]);
        assert_eq!(nodes(true).allowed(told()).len(), 4);
        let many: Vec<String> = (1..1000).map(|port| format!("h:{port}")).collect();
        assert_eq!(nodes(true).allowed(many).len(), MEMBERS_MAX);
        // Configured upstreams stay first.
        let nodes = nodes(true);
        nodes.upstreams.learn(&["a:1".into(), "127.0.0.1:1".into()]);
        let addresses: Vec<String> = (0..nodes.upstreams.len())
            .map(|index| nodes.upstreams.client(index).unwrap().address().to_owned())
            .collect();
        assert_eq!(addresses, ["127.0.0.1:1", "a:1"]);
    }
}
