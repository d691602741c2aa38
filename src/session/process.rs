//! The kernel's data about this process (`/proc/self`, see proc(5)).

/// Prefix of the names of threads that serve clients.
pub const NETWORK_THREAD: &str = "net-";

/// Sizes and times; 0 if the kernel does not report them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ProcessUsage {
    pub rss_bytes: u64,
    pub rss_peak_bytes: u64,
    pub user_seconds: f64,
    pub system_seconds: f64,
    /// Of the threads that serve clients.
    pub network_user_seconds: f64,
    pub network_system_seconds: f64,
    pub open_fds: u64,
    pub system_memory_bytes: u64,
}

impl ProcessUsage {
    /// Reads the figures now.
    pub fn read() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let (status, stat, memory) =
            (read("/proc/self/status"), read("/proc/self/stat"), read("/proc/meminfo"));
        let (user_seconds, system_seconds) = cpu_seconds(&stat);
        let tasks = std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
        let stats = tasks.map(|task| std::fs::read_to_string(task.path().join("stat")).unwrap_or_default());
        let network = stats.filter(|stat| stat.contains(&format!("({NETWORK_THREAD}")));
        let (network_user_seconds, network_system_seconds) = network
            .map(|stat| cpu_seconds(&stat))
            .fold((0.0, 0.0), |(user, system), (one, other)| (user + one, system + other));
        ProcessUsage {
            rss_bytes: kib(&status, "VmRSS:"),
            rss_peak_bytes: kib(&status, "VmHWM:"),
            user_seconds,
            system_seconds,
            network_user_seconds,
            network_system_seconds,
            open_fds: std::fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64),
            system_memory_bytes: kib(&memory, "MemTotal:"),
        }
    }
}

/// User and system time of a `stat` file.
fn cpu_seconds(stat: &str) -> (f64, f64) {
    // The name in parentheses may hold spaces; the fields behind it are numbered from 3.
    let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split_whitespace().collect();
    let seconds = |at: usize| {
        let ticks: u64 = fields.get(at).and_then(|word| word.parse().ok()).unwrap_or(0);
        // USER_HZ is 100 on every Linux architecture this runs on.
        ticks as f64 / 100.0
    };
    (seconds(11), seconds(12))
}

fn kib(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    let kib: u64 = line.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(0);
    kib.saturating_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_behind_a_name_with_spaces() {
        let stat = "7 (net-0 a) b) S 1 2 3 4 5 6 7 8 9 10 250 50 0 0 20 0 1";
        assert_eq!(cpu_seconds(stat), (2.5, 0.5));
        assert_eq!(cpu_seconds(""), (0.0, 0.0));
    }

    #[test]
    fn this_process_uses_something() {
        let usage = ProcessUsage::read();
        assert!(usage.rss_bytes > 0 && usage.rss_peak_bytes >= usage.rss_bytes / 2 && usage.open_fds > 0);
        assert!(usage.system_memory_bytes > usage.rss_bytes);
    }
}
