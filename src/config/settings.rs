//! The typed result of the configuration.

use super::{
    ClientTls, DataLimit, MemoryShare, OutputLimits, Values,
    backup::BackupSettings,
    client_tls::http_tls,
    edge::{EdgeSettings, FeedSettings, node_name},
    on_follower::OnFollower,
    password_file,
    psync::PsyncSettings,
    table_observe::{HttpShows, TraceSettings, command_logs},
};
use crate::tls::ServerOptions;
use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
};

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// What clients are told instead of a node's own address. Empty = the host of the peer address; 0 = the node's port.
#[derive(Debug, Clone)]
pub struct Announced {
    pub host: String,
    pub port: u16,
    pub tls_port: u16,
}

/// The typed parameters. Names end in their unit.
#[derive(Debug, Clone)]
pub struct Settings {
    pub bind: Vec<IpAddr>,
    pub port: u16,
    /// Path and permissions of the Unix socket; without them, the umask's.
    pub unix_socket: Option<(String, Option<u32>)>,
    pub peer_port: u16,
    pub http_port: u16,
    pub data_dir: PathBuf,
    pub node_name: String,
    /// `Some` on an edge node.
    pub edge: Option<EdgeSettings>,
    pub feed: FeedSettings,
    pub psync: PsyncSettings,
    /// Names and peer addresses of all nodes of the core (or of the edge site); empty = this node is alone.
    pub cluster: Vec<(String, String)>,
    /// Peer addresses of a core to join; empty = none.
    pub join: Vec<String>,
    pub join_as_standby: bool,
    /// Where other nodes reach this one; empty = derived from `cluster` or `bind`.
    pub peer_address: String,
    /// 0 = never.
    pub compare_interval_seconds: u64,
    /// 0 = never.
    pub verify_interval_seconds: u64,
    /// 0 = no limit.
    pub verify_bytes_per_second: u64,
    pub repair_damaged: bool,
    /// Whether the feature level is raised without being asked for.
    pub auto_upgrade: bool,
    /// Certificate, key and authority for other nodes; `None` = plain text.
    pub peer_tls: Option<[PathBuf; 3]>,
    /// The port for clients that speak TLS.
    pub client_tls: Option<ClientTls>,
    /// TLS of the HTTP port; `None` = plain text.
    pub http_tls: Option<ServerOptions>,
    pub http_shows: HttpShows,
    /// `None`: no call is traced.
    pub traces: Option<TraceSettings>,
    /// 0 = no limit.
    pub snapshot_bytes_per_second: u64,
    pub backup: Option<BackupSettings>,
    pub on_follower: OnFollower,
    /// Whether a node that has lost its leader or the core serves what it has.
    pub replica_serve_stale_data: bool,
    /// Whether the leader answers reads by its lease, which trusts clocks.
    pub lease_reads: bool,
    pub cluster_enabled: bool,
    pub cluster_allow_cross_slot: bool,
    pub announce: Announced,
    pub sentinel_master_name: String,
    pub sentinel_port: u16,
    /// Whether nodes may talk unencrypted beyond loopback.
    pub peer_insecure: bool,
    /// Empty = no password.
    pub requirepass: String,
    /// Further lines of `requirepass-file`: passwords that are valid as well.
    pub requirepass_also: Vec<String>,
    pub requirepass_file: Option<PathBuf>,
    /// Empty = none.
    pub acl_file: String,
    /// Entries that ACL LOG keeps.
    pub acllog_len_max: usize,
    /// Keys that clients may track; 0 = any number.
    pub tracking_keys_max: u64,
    /// Memory for the names of recently changed keys; 0 = none are kept.
    pub tracking_changes_bytes: u64,
    /// Letters, checked.
    pub notify_keyspace_events: String,
    pub protected_mode: bool,
    pub maxclients: usize,
    /// 0 = never.
    pub timeout_seconds: u64,
    pub preauth_timeout_ms: u64,
    /// 0 = off.
    pub tcp_keepalive_seconds: u64,
    pub tcp_backlog: i32,
    /// Resolved: at least 1.
    pub network_threads: usize,
    /// No transparent huge pages for this process.
    pub disable_thp: bool,
    pub block_cache_bytes: usize,
    pub hot_cache_bytes: usize,
    pub memtable_bytes: usize,
    /// 0 = it follows the file system.
    pub disk_low_bytes: u64,
    /// 0 = it follows `disk_low_bytes`.
    pub disk_reserve_bytes: u64,
    pub log_retain_bytes: u64,
    pub log_retain_bytes_max: u64,
    pub log_retain_seconds: u64,
    pub write_timeout_ms: u64,
    pub shutdown_timeout_seconds: u64,
    pub query_buffer_limit: usize,
    pub maxmemory_clients: MemoryShare,
    pub data_limit: DataLimit,
    pub output_limits: OutputLimits,
    pub proto_max_bulk_len: usize,
    pub log_level: String,
    pub log_format: LogFormat,
    /// `no`, `yes` or `local`.
    pub enable_debug_command: String,
    /// `no`, `yes` or `local`.
    pub enable_migrate_command: String,
    /// `no`, `yes` or `local`.
    pub enable_protected_configs: String,
    /// Threshold (negative = off) and length of the logs of slow calls, large requests and large replies.
    pub command_logs: [(i64, usize); 3],
    /// 0 = off.
    pub latency_monitor_threshold_ms: u64,
    pub latency_tracking: bool,
    /// 0 to 100.
    pub latency_percentiles: Vec<f64>,
}

impl Settings {
    /// Reads checked values; an error names the parameter.
    pub fn new(values: &Values) -> Result<Self, String> {
        let bind: Result<Vec<IpAddr>, String> = values
            .get("bind")
            .split_whitespace()
            .map(|word| word.parse().map_err(|_| format!("bind: '{word}' is not an IP address")))
            .collect();
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads: usize = values.number("network-threads")?;
        let edge = EdgeSettings::new(values)?;
        let (requirepass, requirepass_also) = password_file::passwords(values);
        Ok(Settings {
            bind: bind?,
            port: values.number("port")?,
            unix_socket: unix_socket(values)?,
            peer_port: values.number("peer-port")?,
            http_port: values.number("http-port")?,
            data_dir: PathBuf::from(values.get("data-dir")),
            node_name: node_name(values.get("node-name"), edge.as_ref())?,
            feed: FeedSettings::new(values)?,
            psync: PsyncSettings::new(values)?,
            edge,
            cluster: cluster(values.get("cluster"))?,
            join: addresses("join", values.get("join"))?,
            join_as_standby: values.get("join-as") == "standby",
            peer_address: addresses("peer-address", values.get("peer-address"))?.pop().unwrap_or_default(),
            repair_damaged: values.get("repair-damaged") == "yes",
            auto_upgrade: values.get("auto-upgrade") == "yes",
            compare_interval_seconds: values.number("compare-interval")?,
            verify_bytes_per_second: values.number("verify-bytes-per-second")?,
            verify_interval_seconds: values.number("verify-interval")?,
            peer_tls: peer_tls(values)?,
            client_tls: ClientTls::new(values)?,
            http_tls: http_tls(values)?,
            http_shows: HttpShows::new(values),
            traces: TraceSettings::new(values)?,
            snapshot_bytes_per_second: values.number("snapshot-bytes-per-second")?,
            backup: BackupSettings::new(values)?,
            on_follower: OnFollower::new(values.get("on-follower"), values.get("cluster-enabled") == "yes"),
            replica_serve_stale_data: values.get("replica-serve-stale-data") == "yes",
            lease_reads: values.get("lease-reads") == "yes",
            cluster_enabled: values.get("cluster-enabled") == "yes",
            cluster_allow_cross_slot: values.get("cluster-allow-cross-slot") == "yes",
            announce: Announced {
                host: values.get("announce-host").to_owned(),
                port: values.number("announce-port")?,
                tls_port: values.number("announce-tls-port")?,
            },
            sentinel_port: values.number("sentinel-port")?,
            sentinel_master_name: values.get("sentinel-master-name").to_owned(),
            peer_insecure: values.get("peer-insecure") == "yes",
            requirepass,
            requirepass_also,
            requirepass_file: password_file::path(values),
            acl_file: values.get("aclfile").to_owned(),
            acllog_len_max: values.number("acllog-max-len")?,
            tracking_keys_max: values.number("tracking-table-max-keys")?,
            tracking_changes_bytes: values.number("tracking-changes-bytes")?,
            notify_keyspace_events: values.get("notify-keyspace-events").to_owned(),
            protected_mode: values.get("protected-mode") == "yes",
            maxclients: values.number("maxclients")?,
            timeout_seconds: values.number("timeout")?,
            preauth_timeout_ms: values.number("preauth-timeout-ms")?,
            tcp_keepalive_seconds: values.number("tcp-keepalive")?,
            tcp_backlog: values.number("tcp-backlog")?,
            network_threads: if threads == 0 { cores.saturating_sub(1).max(1) } else { threads },
            disable_thp: values.get("disable-thp") == "yes",
            block_cache_bytes: values.number("block-cache-bytes")?,
            hot_cache_bytes: values.number("hot-cache-bytes")?,
            memtable_bytes: values.number("memtable-bytes")?,
            disk_low_bytes: values.number("disk-low-bytes")?,
            disk_reserve_bytes: values.number("disk-reserve-bytes")?,
            log_retain_bytes: values.number("log-retain-bytes")?,
            log_retain_bytes_max: values.number("log-retain-bytes-max")?,
            log_retain_seconds: values.number("log-retain-seconds")?,
            write_timeout_ms: values.number("write-timeout-ms")?,
            shutdown_timeout_seconds: values.number("shutdown-timeout")?,
            query_buffer_limit: values.number("client-query-buffer-limit")?,
            maxmemory_clients: MemoryShare::new("maxmemory-clients", values.get("maxmemory-clients"))?,
            data_limit: DataLimit::new(values)?,
            output_limits: OutputLimits::new(values)?,
            proto_max_bulk_len: values.number("proto-max-bulk-len")?,
            log_level: values.get("log-level").to_owned(),
            log_format: if values.get("log-format") == "json" { LogFormat::Json } else { LogFormat::Text },
            enable_debug_command: values.get("enable-debug-command").to_owned(),
            enable_migrate_command: values.get("enable-migrate-command").to_owned(),
            enable_protected_configs: values.get("enable-protected-configs").to_owned(),
            command_logs: command_logs(values)?,
            latency_monitor_threshold_ms: values.number("latency-monitor-threshold")?,
            latency_tracking: values.get("latency-tracking") == "yes",
            latency_percentiles: values
                .get("latency-tracking-info-percentiles")
                .split_whitespace()
                .filter_map(|word| word.parse().ok())
                .collect(),
        })
    }

    /// The addresses of a port on all bound interfaces.
    pub fn addresses(&self, port: u16) -> Vec<SocketAddr> {
        self.bind.iter().map(|ip| SocketAddr::new(*ip, port)).collect()
    }

    /// Whether this node listens on loopback only.
    pub fn has_loopback_only(&self) -> bool {
        self.bind.iter().all(IpAddr::is_loopback)
    }

    /// Whether this node is one of several, so that others must reach it.
    pub fn is_one_of_many(&self) -> bool {
        !self.cluster.is_empty() || !self.join.is_empty()
    }

    /// Whether to refuse a client from `peer`: in protected mode, a node without a password serves loopback only.
    pub fn refuses(&self, peer: IpAddr, has_password: bool) -> bool {
        self.protected_mode && !has_password && !peer.to_canonical().is_loopback()
    }

    /// Why it would be unsafe to start with these settings, if it is.
    pub fn danger(&self) -> Option<String> {
        let leaves = self.edge.as_ref().is_some_and(EdgeSettings::leaves_machine);
        if leaves && !self.peer_insecure && self.peer_tls.is_none() {
            return Some(
                "refusing to follow a core over the network without TLS. Set --peer-tls-cert, --peer-tls-key and \
                 --peer-tls-ca, or set --peer-insecure yes"
                    .into(),
            );
        }
        let open = self.bind.iter().find(|ip| !ip.is_loopback())?;
        if self.is_one_of_many() && !self.peer_insecure && self.peer_tls.is_none() {
            return Some(format!(
                "refusing to listen on {open} for other nodes without TLS: anyone who reaches the peer port could read and \
                 change all data. Set --peer-tls-cert, --peer-tls-key and --peer-tls-ca, bind to loopback, or set \
                 --peer-insecure yes"
            ));
        }
        (self.protected_mode && self.requirepass.is_empty()).then(|| {
            format!(
                "refusing to listen on {open} without a password: anyone who reaches it could read and change all \
                 data. Set requirepass (FLOTILLA_REQUIREPASS), bind to loopback, or set --protected-mode no"
            )
        })
    }
}

fn unix_socket(values: &Values) -> Result<Option<(String, Option<u32>)>, String> {
    let (path, mode) = (values.get("unixsocket"), values.get("unixsocketperm"));
    let bad = |_| format!("unixsocketperm: '{mode}' is not an octal number up to 777");
    let mode = u32::from_str_radix(mode, 8).map_err(bad)?;
    Ok((!path.is_empty()).then(|| (path.to_owned(), (mode > 0).then_some(mode))))
}

/// All three files or none.
fn peer_tls(values: &Values) -> Result<Option<[PathBuf; 3]>, String> {
    let files = ["peer-tls-cert", "peer-tls-key", "peer-tls-ca"].map(|name| values.get(name).to_owned());
    match files.iter().filter(|file| !file.is_empty()).count() {
        0 => Ok(None),
        3 => Ok(Some(files.map(PathBuf::from))),
        _ => Err("set all of peer-tls-cert, peer-tls-key and peer-tls-ca, or none".into()),
    }
}

/// `HOST:PORT,HOST:PORT,…`
pub(super) fn addresses(parameter: &str, text: &str) -> Result<Vec<String>, String> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| address(part).ok_or_else(|| format!("{parameter}: '{part}' is not HOST:PORT"))).collect()
}

fn address(text: &str) -> Option<String> {
    let (host, port) = text.rsplit_once(':')?;
    let is_good = !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0);
    is_good.then(|| text.to_owned())
}

/// `core-0=HOST:PORT,core-1=HOST:PORT,…`
fn cluster(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut members: Vec<(String, String)> = Vec::new();
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let bad = || format!("cluster: '{part}' is not NAME=HOST:PORT");
        let (name, address) = part.split_once('=').ok_or_else(bad)?;
        let address = self::address(address).filter(|_| !name.is_empty()).ok_or_else(bad)?;
        if members.iter().any(|(known, at)| known == name || *at == address) {
            return Err(format!("cluster: {part} repeats a name or an address"));
        }
        members.push((name.to_owned(), address));
    }
    match members.len() {
        0 | 1 | 3 | 5 | 7 => Ok(members),
        count => Err(format!("cluster: {count} nodes listed; a core starts with 1, 3, 5 or 7")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Settings, Values, cluster};

    #[test]
    fn protected_mode_without_a_password_serves_loopback_only() {
        let settings = |mode, password: &str| {
            let mut settings = Settings::new(&Values::default()).unwrap();
            (settings.protected_mode, settings.requirepass) = (mode, password.to_owned());
            settings
        };
        for (mode, password, peer, is_refused) in [
            (true, "", "10.0.0.1", true),
            (true, "", "2001:db8::1", true),
            (true, "", "::ffff:10.0.0.1", true),
            (true, "", "127.0.0.1", false),
            (true, "", "::1", false),
            (true, "", "::ffff:127.0.0.1", false),
            (true, "secret", "10.0.0.1", false),
            (false, "", "10.0.0.1", false),
        ] {
            let refuses = settings(mode, password).refuses(peer.parse().unwrap(), !password.is_empty());
            assert_eq!(refuses, is_refused, "{mode} {password} {peer}");
        }
    }

    #[test]
    fn a_list_of_nodes_is_read_or_refused() {
        let three = cluster("a=h:1, b=[::1]:2 ,c=10.0.0.1:3").unwrap();
        assert_eq!(three[1], ("b".to_owned(), "[::1]:2".to_owned()));
        assert_eq!(cluster(""), Ok(vec![]));
        for bad in [
            "a=h:1,b=h:2",
            "a=h:1,a=h:2,c=h:3",
            "a=h:1,b=h:1,c=h:3",
            "a=h,b=h:2,c=h:3",
            "=h:1,b=h:2,c=h:3",
            "a=h:0,b=h:2,c=h:3",
            "a=h:1,b=h:2,c=:3",
        ] {
            assert!(cluster(bad).is_err(), "{bad}");
        }
    }
}
