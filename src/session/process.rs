//! What the kernel says of this process (`/proc/self`, see proc(5)).

/// Sizes and times; 0 where the kernel does not say.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct ProcessUsage {
    pub rss_bytes: u64,
    pub rss_peak_bytes: u64,
    pub user_seconds: f64,
    pub system_seconds: f64,
    pub open_fds: u64,
    pub system_memory_bytes: u64,
}

impl ProcessUsage {
    /// Reads the figures now.
    pub fn read() -> Self {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        let (status, stat, memory) =
            (read("/proc/self/status"), read("/proc/self/stat"), read("/proc/meminfo"));
        // The name in parentheses may hold spaces; the fields behind it are numbered from 3.
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap_or_default().split_whitespace().collect();
        let seconds = |at: usize| {
            let ticks: u64 = fields.get(at).and_then(|word| word.parse().ok()).unwrap_or(0);
            // USER_HZ is 100 on every Linux architecture this runs on.
            ticks as f64 / 100.0
        };
        ProcessUsage {
            rss_bytes: kib(&status, "VmRSS:"),
            rss_peak_bytes: kib(&status, "VmHWM:"),
            user_seconds: seconds(11),
            system_seconds: seconds(12),
            open_fds: std::fs::read_dir("/proc/self/fd").map_or(0, |entries| entries.count() as u64),
            system_memory_bytes: kib(&memory, "MemTotal:"),
        }
    }
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
    fn this_process_uses_something() {
        let usage = ProcessUsage::read();
        assert!(usage.rss_bytes > 0 && usage.rss_peak_bytes >= usage.rss_bytes / 2 && usage.open_fds > 0);
        assert!(usage.system_memory_bytes > usage.rss_bytes);
    }
}
