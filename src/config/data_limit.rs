//! `maxmemory` and what belongs to it.

use super::Values;

/// Which keys go first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvictionOrder {
    LeastRecentlyUsed,
    LeastFrequentlyUsed,
    Random,
    SoonestToExpire,
}

/// Which keys may go, and in which order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Eviction {
    pub order: EvictionOrder,
    /// Only keys with an expiry.
    pub is_of_expiring_keys: bool,
}

/// What the data may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct DataLimit {
    /// 0 = no limit.
    pub bytes: u64,
    /// `None`: no key is evicted.
    pub eviction: Option<Eviction>,
    /// Keys that are looked at for one that goes.
    pub samples: usize,
    pub lfu: Lfu,
}

/// How accesses are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lfu {
    /// The larger, the more accesses it takes to count one up.
    pub log_factor: u32,
    /// Minutes in which a key that is not accessed loses one; 0 = it loses none.
    pub decay_minutes: u32,
}

impl DataLimit {
    pub(super) fn new(values: &Values) -> Result<Self, String> {
        Ok(DataLimit {
            bytes: values.number("maxmemory")?,
            eviction: Eviction::of(values.get("maxmemory-policy")),
            samples: values.number("maxmemory-samples")?,
            lfu: Lfu {
                log_factor: values.number("lfu-log-factor")?,
                decay_minutes: values.number("lfu-decay-time")?,
            },
        })
    }

    /// Whether the policy goes by how often keys are used.
    pub fn is_by_frequency(&self) -> bool {
        self.eviction.is_some_and(|eviction| eviction.order == EvictionOrder::LeastFrequentlyUsed)
    }
}

impl Eviction {
    fn of(policy: &str) -> Option<Self> {
        let (keys, order) = policy.split_once('-')?;
        let order = match order {
            "lru" => EvictionOrder::LeastRecentlyUsed,
            "lfu" => EvictionOrder::LeastFrequentlyUsed,
            "random" => EvictionOrder::Random,
            "ttl" => EvictionOrder::SoonestToExpire,
            _ => return None,
        };
        Some(Eviction { order, is_of_expiring_keys: keys == "volatile" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn each_policy_says_which_keys_go_first() {
        let config = Config::new(Values::default()).unwrap();
        let of = |policy: &str| {
            let pairs = [("maxmemory-policy", policy), ("maxmemory", "1mb")];
            let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
            config.set(&pairs, false).unwrap();
            config.settings().data_limit
        };
        assert_eq!((of("noeviction").eviction, of("noeviction").bytes), (None, 1 << 20));
        for (policy, order, is_of_expiring_keys) in [
            ("allkeys-lru", EvictionOrder::LeastRecentlyUsed, false),
            ("allkeys-lfu", EvictionOrder::LeastFrequentlyUsed, false),
            ("allkeys-random", EvictionOrder::Random, false),
            ("volatile-lru", EvictionOrder::LeastRecentlyUsed, true),
            ("volatile-lfu", EvictionOrder::LeastFrequentlyUsed, true),
            ("volatile-random", EvictionOrder::Random, true),
            ("volatile-ttl", EvictionOrder::SoonestToExpire, true),
        ] {
            assert_eq!(of(policy).eviction, Some(Eviction { order, is_of_expiring_keys }), "{policy}");
            assert_eq!(of(policy).is_by_frequency(), policy.ends_with("lfu"), "{policy}");
        }
    }
}
