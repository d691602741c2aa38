//! File descriptors: how many the process may have open, and who gets them.
//!
//! A log segment or a table that cannot be opened stops the process, so clients must never take the last descriptor. The
//! limit is raised as far as the system lets us, store and log get their share, and clients what is left.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Largest `maxclients`.
const CLIENTS_MAX: u64 = 1_000_000;
/// For log segments, listeners, nodes, HTTP, snapshots in transfer and the files of a compaction.
const RESERVED: u64 = 128;
/// Tables that the store may have open, at best
const STORE_MAX: u64 = 4096;
/// and at worst.
const STORE_MIN: u64 = 32;

/// Who gets how many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Descriptors {
    pub(super) clients: usize,
    pub(super) store: i32,
}

/// Raises the limit as far as any `maxclients` could need it, and divides it. An error says why the process cannot run.
pub(super) fn reserve(maxclients: usize) -> Result<Descriptors, String> {
    let limit = raise(CLIENTS_MAX + STORE_MAX + RESERVED);
    let divided = divide(limit).ok_or_else(|| {
        format!(
            "the process may have {limit} files open, and needs {} at least: raise the limit (ulimit -n, LimitNOFILE=)",
            RESERVED + STORE_MIN + 1
        )
    })?;
    if divided.clients < maxclients {
        tracing::warn!(
            limit,
            maxclients = divided.clients,
            configured = maxclients,
            "the limit of open files is too low for maxclients, which is reduced; raise it (ulimit -n, LimitNOFILE=)"
        );
    }
    Ok(divided)
}

/// The limit afterwards.
fn raise(wanted: u64) -> u64 {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    // None: there is no limit.
    let Some(now) = current.filter(|now| *now < wanted) else { return current.unwrap_or(wanted) };
    let best = maximum.map_or(wanted, |maximum| wanted.min(maximum));
    match setrlimit(Resource::Nofile, Rlimit { current: Some(best), maximum }) {
        Ok(()) => best,
        Err(_) => now,
    }
}

/// Beside the reserve, the store gets a quarter, but no more than is of use to it; clients get the rest.
fn divide(limit: u64) -> Option<Descriptors> {
    let rest = limit.checked_sub(RESERVED).filter(|rest| *rest > STORE_MIN)?;
    let store = (rest / 4).clamp(STORE_MIN, STORE_MAX);
    let clients = rest.saturating_sub(store).min(CLIENTS_MAX);
    Some(Descriptors { clients: usize::try_from(clients).ok()?, store: i32::try_from(store).ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_never_get_what_store_and_log_need() {
        let of = |clients, store| Some(Descriptors { clients, store });
        assert_eq!(divide(10_000_000), of(1_000_000, 4096));
        assert_eq!(divide(20_000), of(15_776, 4096));
        assert_eq!(divide(1024), of(672, 224));
        assert_eq!(divide(256), of(96, 32));
        assert_eq!(divide(161), of(1, 32));
        assert_eq!(divide(160), None);
        for limit in 161..20_000_u64 {
            let divided = divide(limit).unwrap();
            let (store, clients) = (u64::try_from(divided.store).unwrap(), divided.clients as u64);
            assert!(store >= STORE_MIN && clients >= 1 && store + clients + RESERVED <= limit, "{limit}");
        }
    }
}
