//! The servers of the demo, the ways between them, and what can be done to them.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::cluster::Cluster;
use crate::connection::{Connection, Received};
use crate::door::Door;
use crate::edge::distance::Distance;
use crate::server::{Program, Server, Stop};
use crate::value::Value;

const SITES: [&str; 2] = ["fra", "syd"];
const NODES: usize = 3;

/// See the module.
pub struct World {
    // Edges end before what they follow.
    sites: Vec<Site>,
    core: Cluster,
    dead: Option<usize>,
    round_trip: Duration,
}

struct Site {
    name: &'static str,
    edge: Server,
    ways: Vec<Distance>,
}

impl World {
    /// Starts everything; a site and the core are this round trip apart.
    pub fn start(program: &Program, round_trip: Duration) -> Result<World, String> {
        let failed = |what: &str| format!("cannot start {what}");
        let core = Cluster::start(program, NODES, &[])
            .map_err(|error| format!("{}: {error}", failed("the core")))?;
        let mut sites = Vec::new();
        for name in SITES {
            let way = |node: &Server| Distance::start(node.peer_port(), round_trip / 2);
            let ways = core.nodes.iter().map(way).collect::<Result<Vec<_>, _>>();
            let ways = ways.map_err(|error| format!("{}: {error}", failed("a way to the core")))?;
            let upstream = ways.iter().map(Distance::address).collect::<Vec<_>>().join(",");
            let args = ["--role", "edge", "--site", name, "--upstream", &upstream].map(str::to_owned);
            let edge =
                Server::start(program, &args).map_err(|error| format!("{}: {error}", failed("an edge")))?;
            sites.push(Site { name, edge, ways });
        }
        Ok(World { sites, core, dead: None, round_trip })
    }

    /// Names and where clients reach them.
    pub(super) fn describe(&self) -> String {
        let line = |name: &str, server: &Server| {
            format!(
                "  {name:<7} redis-cli -p {:<6} status page: http://127.0.0.1:{}/status",
                server.port,
                server.http_port()
            )
        };
        let core = self.core.nodes.iter().enumerate().map(|(n, node)| line(&format!("core-{n}"), node));
        let sites = self.sites.iter().map(|site| line(site.name, &site.edge));
        let lines: Vec<String> = core.chain(sites).collect();
        let ms = self.round_trip.as_millis();
        format!("A core of {NODES} nodes and {} sites {ms} ms away:\n{}", SITES.len(), lines.join("\n"))
    }

    /// Where clients reach the nodes of the core.
    pub(super) fn core_doors(&self) -> Vec<Door> {
        self.core.nodes.iter().map(Server::door).collect()
    }

    /// Where clients reach the sites, and their names.
    pub(super) fn site_doors(&self) -> Vec<(&'static str, Door)> {
        self.sites.iter().map(|site| (site.name, site.edge.door())).collect()
    }

    pub(super) fn leader(&self) -> Option<usize> {
        self.core.leader()
    }

    pub(super) fn kill_leader(&mut self) -> Result<String, String> {
        if let Some(dead) = self.dead {
            return Err(format!("core-{dead} is dead already; two of three would be too many"));
        }
        let leader = self.core.leader().ok_or("nobody leads at the moment")?;
        let node = self.core.nodes.get_mut(leader).ok_or("no such node")?;
        node.stop(Stop::Kill).map_err(|error| error.to_string())?;
        self.dead = Some(leader);
        Ok(format!("killed core-{leader}, which led"))
    }

    pub(super) fn start_again(&mut self) -> Result<String, String> {
        let dead = self.dead.ok_or("no node is dead")?;
        let node = self.core.nodes.get_mut(dead).ok_or("no such node")?;
        node.start_again().map_err(|error| error.to_string())?;
        self.dead = None;
        Ok(format!("core-{dead} is back"))
    }

    pub(super) fn set_cut(&mut self, name: &str, is_cut: bool) -> Result<String, String> {
        let site = self.sites.iter().find(|site| site.name == name);
        let site = site.ok_or_else(|| format!("the sites are {}", SITES.join(" and ")))?;
        site.ways.iter().for_each(|way| way.set_cut(is_cut));
        Ok(match is_cut {
            true => format!("{name} is cut off: reads there go on, writes there wait and then fail"),
            false => format!("{name} is connected again"),
        })
    }

    /// A write at a site, and the same connection reads it there.
    pub(super) fn write_at(&self, name: &str) -> Result<String, String> {
        let site = self.sites.iter().find(|site| site.name == name).ok_or("no such site")?;
        let mut client = site.edge.connect().map_err(|error| error.to_string())?;
        let told = [ask(&mut client, &["SET", "city", "Porto"])?, ask(&mut client, &["GET", "city"])?];
        match told {
            [Value::Simple(_), Value::Bulk(city)] if city == b"Porto" => {
                Ok(format!("wrote at {name}, and read it there"))
            }
            other => Err(format!("wrote at {name}, and read {other:?}")),
        }
    }

    /// Which of these keys have another value, and where.
    pub(super) fn missing(&self, acknowledged: &BTreeMap<String, u64>) -> Vec<String> {
        let core = self.core.nodes.iter().enumerate().map(|(n, node)| (format!("core-{n}"), node.door()));
        let sites = self.site_doors().into_iter().map(|(name, door)| (name.to_owned(), door));
        let mut missing = Vec::new();
        for (name, door) in core.chain(sites) {
            let Ok(mut client) = door.connect() else {
                missing.push(format!("{name} does not answer"));
                continue;
            };
            for (key, value) in acknowledged {
                match ask(&mut client, &["GET", key]) {
                    // One more may have been written whose answer was lost.
                    Ok(Value::Bulk(found))
                        if String::from_utf8_lossy(&found)
                            .parse()
                            .is_ok_and(|found: u64| found >= *value) => {}
                    other => missing.push(format!("{key} at {name}: {other:?} instead of {value}")),
                }
            }
        }
        missing
    }
}

pub(super) fn ask(client: &mut Connection, words: &[&str]) -> Result<Value, String> {
    match client.call(words) {
        Ok(Received::Reply(Value::Error(text))) => Err(String::from_utf8_lossy(&text).into_owned()),
        Ok(Received::Reply(reply)) => Ok(reply),
        Ok(Received::Closed) => Err("the connection was closed".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}
