//! The memory that this process may use: the machine's, or less where a control group limits it.

use std::{path::Path, sync::OnceLock};

/// Bytes; `u64::MAX` if the kernel does not tell. Read once.
pub fn memory_limit_bytes() -> u64 {
    static LIMIT: OnceLock<u64> = OnceLock::new();
    *LIMIT.get_or_init(|| {
        let machine = super::ProcessUsage::read().system_memory_bytes;
        let machine = if machine == 0 { u64::MAX } else { machine };
        let groups = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        of_groups(&groups, Path::new("/sys/fs/cgroup")).map_or(machine, |limit| limit.min(machine))
    })
}

/// The smallest limit of the groups that the process is in, by the text of `/proc/self/cgroup`; of both versions.
fn of_groups(text: &str, root: &Path) -> Option<u64> {
    let limits = text.lines().filter_map(|line| {
        let mut parts = line.splitn(3, ':').skip(1);
        let (controllers, path) = (parts.next()?, parts.next()?.trim_start_matches('/'));
        let (root, file) = match controllers {
            "" => (root.to_owned(), "memory.max"),
            names if names.split(',').any(|name| name == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes")
            }
            _ => return None,
        };
        // A group's parents limit it, too. In a container its own group may be the root that it sees.
        let inner = root.join(path);
        inner
            .ancestors()
            .take_while(|at| at.starts_with(&root))
            .filter_map(|at| limit_in(&at.join(file)))
            .min()
    });
    limits.min()
}

/// `max`, or the version 1 way to say so, is no limit.
fn limit_in(file: &Path) -> Option<u64> {
    let limit: u64 = std::fs::read_to_string(file).ok()?.trim().parse().ok()?;
    (limit < i64::MAX as u64 / 2).then_some(limit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tightest_group_counts_in_both_versions() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let file = root.path().join(path);
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(file, text).unwrap();
        };
        write("memory.max", "max\n");
        write("a/memory.max", "1000\n");
        write("a/b/memory.max", "2000\n");
        write("memory/memory.limit_in_bytes", "9223372036854771712\n");
        write("memory/c/memory.limit_in_bytes", "700\n");
        let of = |text: &str| of_groups(text, root.path());
        assert_eq!(of("0::/a/b\n"), Some(1000), "the parent's");
        assert_eq!(of("0::/../elsewhere\n"), None);
        assert_eq!(of("0::/\n"), None);
        assert_eq!(of("5:cpu,cpuacct:/c\n4:memory:/c\n0::/a/b\n"), Some(700));
        assert_eq!(of("4:memory:/not/seen/in/here\n"), None);
        assert_eq!(of(""), None);
        assert!(memory_limit_bytes() > 0);
    }
}
