//! The typed parameters of edge sites.

use super::{Values, settings::addresses};
use std::net::IpAddr;

/// How an edge handles writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EdgeWrites {
    /// Sends them to the core.
    Forward,
    Reject,
}

/// Settings of a node of an edge site.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgeSettings {
    pub site: String,
    /// Peer addresses of core nodes, in order of preference; never empty.
    pub upstreams: Vec<String>,
    /// Whether to follow other core nodes when none of these can be reached.
    pub discovers: bool,
    pub writes: EdgeWrites,
    pub write_wait_ms: u64,
    /// 0 = no limit.
    pub lag_max_ms: u64,
}

/// Limits on what a core node streams to edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedSettings {
    pub edges_max: usize,
    pub bootstraps_max: usize,
    /// 0 = no limit.
    pub bootstrap_bytes_per_second: u64,
}

impl FeedSettings {
    pub(super) fn new(values: &Values) -> Result<Self, String> {
        Ok(FeedSettings {
            edges_max: values.number("edges-max")?,
            bootstraps_max: values.number("edge-bootstraps-max")?,
            bootstrap_bytes_per_second: values.number("edge-bootstrap-bytes-per-second")?,
        })
    }
}

const SITE_BYTES_MAX: usize = 57;
/// The default of `node-name`; an edge ignores it.
const CORE_NAME: &str = "core-0";

impl EdgeSettings {
    /// `None`: this is not an edge node.
    pub(super) fn new(values: &Values) -> Result<Option<Self>, String> {
        if values.get("role") != "edge" {
            return Ok(None);
        }
        let site = values.get("site").to_owned();
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        if site.is_empty() || site.len() > SITE_BYTES_MAX || !site.bytes().all(is_plain) {
            return Err(format!(
                "site: '{site}' is not a valid site name (1 to {SITE_BYTES_MAX} lowercase letters, digits or hyphens)"
            ));
        }
        let upstreams = addresses("upstream", values.get("upstream"))?;
        if upstreams.is_empty() {
            return Err("upstream: an edge needs the peer address of at least one core node".into());
        }
        Ok(Some(EdgeSettings {
            site,
            upstreams,
            discovers: values.get("upstream-discovery") == "yes",
            writes: if values.get("edge-writes") == "reject" {
                EdgeWrites::Reject
            } else {
                EdgeWrites::Forward
            },
            write_wait_ms: values.number("edge-write-wait-ms")?,
            lag_max_ms: values.number("edge-lag-max-ms")?,
        }))
    }

    /// Whether any upstream is on another machine.
    pub fn leaves_machine(&self) -> bool {
        self.upstreams.iter().any(|at| {
            let host = at.rsplit_once(':').map_or("", |(host, _)| host).trim_matches(['[', ']']);
            host != "localhost" && !host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        })
    }
}

/// The node's name. With TLS, the certificate must be valid for it, and it decides what the node is authorized to ask.
pub(super) fn node_name(said: &str, edge: Option<&EdgeSettings>) -> Result<String, String> {
    let Some(edge) = edge else {
        return match said.starts_with("edge-") {
            true => Err(format!(
                "node-name: {said} is an edge's name, but this is a core node; names with edge- are for edges"
            )),
            false => Ok(said.to_owned()),
        };
    };
    let own = format!("edge-{}", edge.site);
    if said == CORE_NAME || said == own {
        return Ok(own);
    }
    match said.strip_prefix(&own).and_then(|rest| rest.strip_prefix('.')).is_some_and(|node| !node.is_empty())
    {
        true => Ok(said.to_owned()),
        false => Err(format!(
            "node-name: a node of site {} must be named {own} or {own}.NODE, not {said}",
            edge.site
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::table::find;

    fn values(pairs: &[(&str, &str)]) -> Values {
        let mut values = Values::default();
        for (name, value) in pairs {
            values.set(find(name).unwrap(), value).unwrap();
        }
        values
    }

    #[test]
    fn an_edge_needs_a_site_and_an_upstream() {
        assert_eq!(EdgeSettings::new(&values(&[])), Ok(None));
        for (pairs, word) in [
            (&[("role", "edge"), ("upstream", "h:1")][..], "site"),
            (&[("role", "edge"), ("site", "Fra"), ("upstream", "h:1")], "site"),
            (&[("role", "edge"), ("site", "fra.1"), ("upstream", "h:1")], "site"),
            (&[("role", "edge"), ("site", "fra")], "upstream"),
            (&[("role", "edge"), ("site", "fra"), ("upstream", "h")], "upstream"),
        ] {
            assert!(EdgeSettings::new(&values(pairs)).unwrap_err().starts_with(word), "{pairs:?}");
        }
        let good = values(&[("role", "edge"), ("site", "eu-1"), ("upstream", "127.0.0.1:1, [::1]:2")]);
        let edge = EdgeSettings::new(&good).unwrap().unwrap();
        assert_eq!(edge.upstreams, ["127.0.0.1:1", "[::1]:2"]);
        assert!(!edge.leaves_machine());
        assert_eq!(node_name("core-0", Some(&edge)).as_deref(), Ok("edge-eu-1"));
        assert_eq!(node_name("edge-eu-1.b", Some(&edge)).as_deref(), Ok("edge-eu-1.b"));
        assert!(node_name("edge-eu-1-2", Some(&edge)).is_err() && node_name("edge-eu-1", None).is_err());
        assert_eq!(node_name("core-7", None).as_deref(), Ok("core-7"));
    }
}
