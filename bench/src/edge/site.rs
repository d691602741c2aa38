//! Sites of one node: started, waited for, compared with the core.

use crate::{choice::Choice, client::Value, cluster::Cluster, node::Node};
use std::{
    net::SocketAddr,
    path::Path,
    thread,
    time::{Duration, Instant},
};

/// How long an edge that was away for a moment may take to have everything.
pub const CATCH_UP_MAX: Duration = Duration::from_secs(120);
const WAIT_MS: &str = "1000";
const WAIT_MAX: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_millis(5);
/// Reads the whole store.
const CHECKSUM_MAX: Duration = Duration::from_secs(600);

/// The only node of a site, not started. No other run on this machine has one of the same name.
pub fn node(site: &str, base: &Path) -> Result<Node, String> {
    Node::new(&format!("edge-{site}-{}", std::process::id()), base)
}

/// Where edges reach the nodes of a core.
pub fn peers(cluster: &Cluster) -> Vec<SocketAddr> {
    cluster.nodes.iter().map(Node::peer_address).collect()
}

/// Starts it for the first time.
pub fn start(
    node: &mut Node,
    choice: &Choice,
    upstreams: &[SocketAddr],
    more: &[String],
) -> Result<(), String> {
    let upstreams = upstreams.iter().map(SocketAddr::to_string).collect::<Vec<_>>().join(",");
    let site = node.name.strip_prefix("edge-").unwrap_or(&node.name).to_owned();
    node.start(&choice.program, &["--role", "edge", "--site", &site, "--upstream", &upstreams], more)
}

/// Up to where a node of the core has acknowledged writes.
pub fn revision(node: &Node) -> Result<i64, String> {
    match node.call(&["LASTREV"])? {
        Value::Integer(revision) => Ok(revision),
        other => Err(format!("{}: LASTREV: {other:?}", node.name)),
    }
}

/// Waits until an edge serves what the core had at a revision.
pub fn wait_for(edge: &mut Node, revision: i64, within: Duration) -> Result<(), String> {
    let deadline = Instant::now() + within;
    let text = revision.to_string();
    while Instant::now() < deadline {
        if edge.has_exited() {
            return Err(format!("{} ended by itself", edge.name));
        }
        // Before it listens there is no answer, before it has data an error.
        if let Ok(Value::Integer(has)) = edge.call_within(&["WAITREV", &text, WAIT_MS], WAIT_MAX)
            && has >= revision
            && matches!(edge.call(&["EXISTS", "bench"]), Ok(Value::Integer(_)))
        {
            return Ok(());
        }
        thread::sleep(AGAIN);
    }
    Err(format!("{} does not have revision {revision} after {} s", edge.name, within.as_secs()))
}

/// An error unless both are at the same entry with the same state.
pub fn same_state(core: &Node, edge: &Node) -> Result<(), String> {
    let [core, edge] = [core, edge].map(|node| node.call_within(&["DEBUG", "CHECKSUM"], CHECKSUM_MAX));
    match (core?, edge?) {
        (Value::Array(core), Value::Array(edge)) if core.len() == 2 && core == edge => Ok(()),
        (core, edge) => Err(format!("the states differ: core {core:?}, edge {edge:?}")),
    }
}

/// Adds what edges printed last to an error.
pub fn explain<T>(outcome: Result<T, String>, edges: &[&Node]) -> Result<T, String> {
    outcome.map_err(|error| {
        let tails: Vec<String> = edges.iter().map(|edge| edge.log_tail()).collect();
        format!("{error}\n{}", tails.join("\n"))
    })
}

/// What was given, and of `own` what it does not say: no option may be there twice.
pub fn with_defaults(own: &[[&str; 2]], given: &[String]) -> Vec<String> {
    let is_given = |name: &str| {
        given
            .iter()
            .any(|word| word.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('=')))
    };
    let own = own.iter().filter(|[name, _]| !is_given(name)).flatten().map(|word| (*word).to_owned());
    own.chain(given.iter().cloned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_goes_before_defaults() {
        let own = [["--a", "1"], ["--b", "2"], ["--c", "3"]];
        let given = ["--b=7", "--cc", "8", "--a", "9"].map(str::to_owned);
        assert_eq!(with_defaults(&own, &given), ["--c", "3", "--b=7", "--cc", "8", "--a", "9"]);
        assert_eq!(with_defaults(&own[..1], &[]), ["--a", "1"]);
    }
}
