//! Bounds on what clients pin: `client-output-buffer-limit` and `maxmemory-clients`.

use super::Values;
use std::time::{Duration, Instant};

/// What may wait for one client. 0 = no such limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputLimit {
    /// One byte more closes it at once.
    pub hard_bytes: usize,
    /// More than this for `soft_seconds` closes it.
    pub soft_bytes: usize,
    pub soft_seconds: u64,
}

impl OutputLimit {
    /// The default for clients that listen, as in Redis.
    pub const PUBSUB: OutputLimit =
        OutputLimit { hard_bytes: 32 << 20, soft_bytes: 8 << 20, soft_seconds: 60 };

    /// Whether so much waits that the client must go. `since` is kept by the caller: since when the soft limit is exceeded.
    pub fn is_exceeded(&self, bytes: usize, since: &mut Option<Instant>) -> bool {
        if self.hard_bytes > 0 && bytes > self.hard_bytes {
            return true;
        }
        self.time_left(bytes, since).is_some_and(|left| left.is_zero())
    }

    /// Time that the client has to take some of what waits; `None`: as long as it likes.
    pub fn time_left(&self, bytes: usize, since: &mut Option<Instant>) -> Option<Duration> {
        if !self.is_soft_exceeded(bytes) {
            *since = None;
            return None;
        }
        let passed = since.get_or_insert_with(Instant::now).elapsed();
        Some(Duration::from_secs(self.soft_seconds).saturating_sub(passed))
    }

    /// Whether this is more than should wait for long.
    pub fn is_soft_exceeded(&self, bytes: usize) -> bool {
        self.soft_bytes > 0 && bytes > self.soft_bytes
    }
}

/// By the kind of client. Redis's third kind, replicas, are no clients here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputLimits {
    pub normal: OutputLimit,
    pub pubsub: OutputLimit,
}

impl OutputLimits {
    pub(super) fn new(values: &Values) -> Result<Self, String> {
        let words: Vec<&str> = values.get("client-output-buffer-limit").split_whitespace().collect();
        let of = |class: &str| {
            let group = words.chunks_exact(4).find(|group| group.first() == Some(&class));
            let number = |at: usize| {
                let word = group.and_then(|group| group.get(at)).copied();
                word.and_then(|word| word.parse().ok())
                    .ok_or_else(|| format!("client-output-buffer-limit: no limits for {class} clients"))
            };
            let bytes = |at| number(at).map(|bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX));
            Ok::<_, String>(OutputLimit {
                hard_bytes: bytes(1)?,
                soft_bytes: bytes(2)?,
                soft_seconds: number(3)?,
            })
        };
        Ok(OutputLimits { normal: of("normal")?, pubsub: of("pubsub")? })
    }
}

/// A number of bytes, or a part of the memory that the process may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryShare {
    Bytes(u64),
    Percent(u64),
}

impl MemoryShare {
    pub(super) fn new(name: &str, text: &str) -> Result<Self, String> {
        let bad = || format!("{name}: neither bytes nor a percentage");
        match text.strip_suffix('%') {
            Some(percent) => Ok(MemoryShare::Percent(percent.parse().map_err(|_| bad())?)),
            None => Ok(MemoryShare::Bytes(text.parse().map_err(|_| bad())?)),
        }
    }

    /// The bound in bytes, where this much memory may be used; 0 = there is none.
    pub fn bytes_max(self, of_bytes: u64) -> Option<u64> {
        let bytes = match self {
            MemoryShare::Bytes(bytes) => bytes,
            MemoryShare::Percent(percent) => (of_bytes / 100).saturating_mul(percent),
        };
        (bytes > 0).then_some(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_soft_limit_counts_the_time_and_starts_anew() {
        let limit = OutputLimit { hard_bytes: 100, soft_bytes: 10, soft_seconds: 3600 };
        let mut since = None;
        assert!(!limit.is_exceeded(10, &mut since) && since.is_none());
        assert!(!limit.is_exceeded(100, &mut since) && since.is_some());
        assert!(limit.is_exceeded(101, &mut since));
        since = Instant::now().checked_sub(Duration::from_secs(3600));
        assert!(limit.is_exceeded(11, &mut since));
        assert!(!limit.is_exceeded(10, &mut since) && since.is_none(), "it has caught up");
        let none = OutputLimit { hard_bytes: 0, soft_bytes: 0, soft_seconds: 0 };
        assert!(!none.is_exceeded(usize::MAX, &mut since));
    }

    #[test]
    fn a_share_is_of_the_memory_there_is() {
        let share = |text| MemoryShare::new("x", text).unwrap().bytes_max(1000);
        assert_eq!([share("0"), share("0%"), share("77"), share("20%")], [None, None, Some(77), Some(200)]);
        assert!(MemoryShare::new("x", "a%").is_err());
    }

    #[test]
    fn defaults_are_those_of_redis_for_listeners() {
        let limits = OutputLimits::new(&Values::default()).unwrap();
        assert_eq!(limits.pubsub, OutputLimit::PUBSUB);
        assert_eq!(limits.normal.hard_bytes, 0);
    }
}
