//! Arithmetic of expiry times: a client's time relative to the entry's clock.

/// How a time is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Seconds from now.
    Seconds,
    /// Milliseconds from now.
    Millis,
    /// Seconds since the epoch.
    UnixSeconds,
    /// Milliseconds since the epoch.
    UnixMillis,
}

/// Milliseconds since the epoch; `None` = it overflows. May lie before the epoch.
pub fn absolute_ms(amount: i64, unit: Unit, now: u64) -> Option<i64> {
    let now = i64::try_from(now).ok()?;
    match unit {
        Unit::Seconds => amount.checked_mul(1000)?.checked_add(now),
        Unit::Millis => amount.checked_add(now),
        Unit::UnixSeconds => amount.checked_mul(1000),
        Unit::UnixMillis => Some(amount),
    }
}

/// As `absolute_ms` for SET and its kin, where only positive amounts make sense.
pub fn positive_absolute_ms(amount: i64, unit: Unit, now: u64) -> Option<u64> {
    if amount <= 0 {
        return None;
    }
    u64::try_from(absolute_ms(amount, unit, now)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overflow_is_seen() {
        assert_eq!(absolute_ms(1, Unit::Seconds, 5), Some(1005));
        assert_eq!(absolute_ms(-1, Unit::Seconds, 5), Some(-995));
        assert_eq!(absolute_ms(i64::MAX, Unit::Seconds, 5), None);
        assert_eq!(absolute_ms(i64::MAX, Unit::Millis, 5), None);
        assert_eq!(absolute_ms(i64::MAX, Unit::UnixMillis, 5), Some(i64::MAX));
        assert_eq!(positive_absolute_ms(0, Unit::Millis, 5), None);
        assert_eq!(positive_absolute_ms(7, Unit::UnixSeconds, 5), Some(7000));
    }
}
