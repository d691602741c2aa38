//! Fills a core until its stores have a given size, with values that do not compress.

use crate::{
    cluster::Cluster,
    copy::free_bytes,
    fill::{Values, fill},
};
use std::path::Path;

pub const MIB: u64 = 1024 * 1024;
const VALUE_BYTES: usize = 1024;
/// Keys written between two looks at how much there is.
const STEP_KEYS: u64 = 64 * 1024;

/// An error if less than `needed` MiB of disk are free; `what` needs them.
pub fn check_space(base: &Path, what: &str, needed: u64) -> Result<(), String> {
    let free = free_bytes(base)? / MIB;
    match free >= needed {
        true => Ok(()),
        false => Err(format!("{what} needs {needed} MiB of disk, {free} are free")),
    }
}

/// Writes until every node's store holds so much; says how many keys there are then.
pub fn grow(cluster: &mut Cluster, bytes: u64) -> Result<u64, String> {
    let enough_keys = bytes * 2 / VALUE_BYTES as u64 + 4 * STEP_KEYS;
    let (mut next, mut said) = (0, 0);
    while next < enough_keys {
        let leader = cluster.agreed()?;
        fill(cluster.node(leader)?.address, next..next + STEP_KEYS, Values::Random(VALUE_BYTES))?;
        next += STEP_KEYS;
        let stored = cluster.nodes.iter().filter_map(|node| node.number("flotilla_store_bytes")).min();
        let stored = stored.unwrap_or(0);
        if stored >= bytes {
            return Ok(next);
        }
        if stored / (256 * MIB) > said {
            said = stored / (256 * MIB);
            eprintln!("stored {} of {} MiB", stored / MIB, bytes / MIB);
        }
    }
    Err(format!("{next} values of {VALUE_BYTES} bytes did not fill a store with {} MiB", bytes / MIB))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_is_looked_at_before_it_is_used() {
        let home = std::env::temp_dir();
        assert_eq!(check_space(&home, "it", 0), Ok(()));
        assert!(check_space(&home, "it", u64::MAX).is_err_and(|error| error.starts_with("it needs ")));
    }
}
