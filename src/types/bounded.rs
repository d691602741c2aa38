//! Addition within bounds, as INCREX does it: a sum beyond a bound, or beyond what the type can hold, is not taken, or becomes
//! the bound.

use super::decimal::{self, Decimal, DecimalError};

/// The bounds of a sum, these included; `None` = those of the type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bounds<T> {
    pub lower: Option<T>,
    pub upper: Option<T>,
    /// A sum beyond a bound becomes the bound.
    pub saturates: bool,
}

/// The result of an addition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Increment<T> {
    /// The number that is there afterwards.
    pub value: T,
    /// The number that was added.
    pub applied: T,
    /// False: it stays as it was.
    pub is_done: bool,
}

/// Adds integers; `None` = what would have been added is no 64-bit integer.
pub fn add_integers(number: i64, increment: i64, bounds: &Bounds<i64>) -> Option<Increment<i64>> {
    let sum = i128::from(number).saturating_add(i128::from(increment));
    let lower = i128::from(bounds.lower.unwrap_or(i64::MIN));
    let upper = i128::from(bounds.upper.unwrap_or(i64::MAX));
    let within = sum.clamp(lower, upper.max(lower));
    if within != sum && !bounds.saturates {
        return Some(Increment { value: number, applied: 0, is_done: false });
    }
    let applied = i64::try_from(within.saturating_sub(i128::from(number))).ok()?;
    Some(Increment { value: i64::try_from(within).ok()?, applied, is_done: true })
}

/// Adds decimals, which come back as INCRBYFLOAT writes them. Without a bound, a sum that no number can be is an error if it
/// should be saturated.
pub fn add_decimals(
    number: &Decimal,
    increment: &Decimal,
    bounds: &Bounds<Decimal>,
) -> Result<Increment<String>, DecimalError> {
    let zero = Decimal::from(0);
    let text = |number: &Decimal| decimal::add(number, &zero);
    let sum = number + increment;
    let bound = match (&bounds.lower, &bounds.upper) {
        (Some(lower), _) if sum < *lower => Some(lower),
        (_, Some(upper)) if sum > *upper => Some(upper),
        _ => None,
    };
    let refused = || -> Result<Increment<String>, DecimalError> {
        Ok(Increment { value: text(number)?, applied: "0".to_owned(), is_done: false })
    };
    match bound {
        Some(_) if !bounds.saturates => refused(),
        Some(bound) => {
            let applied = decimal::add(bound, &-number)?;
            Ok(Increment { value: text(bound)?, applied, is_done: true })
        }
        None => match text(&sum) {
            Ok(value) => Ok(Increment { value, applied: text(increment)?, is_done: true }),
            Err(_) if !bounds.saturates => refused(),
            Err(error) => Err(error),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decimal(text: &str) -> Decimal {
        decimal::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn sums_of_decimals_stay_within_bounds() {
        for (number, increment, lower, upper, saturates, expected) in [
            ("1.5", "0.25", None, None, false, ("1.75", "0.25", true)),
            ("10", "10", None, Some("15.5"), false, ("10", "0", false)),
            ("10", "10", None, Some("15.5"), true, ("15.5", "5.5", true)),
            ("10", "-10", Some("5.5"), None, true, ("5.5", "-4.5", true)),
            ("50.5", "5.5", None, Some("30"), true, ("30", "-20.5", true)),
            ("50", "-25", None, Some("30"), false, ("25", "-25", true)),
            ("5", "-5", Some("0"), None, false, ("0", "-5", true)),
        ] {
            let bounds = Bounds { lower: lower.map(decimal), upper: upper.map(decimal), saturates };
            let step = add_decimals(&decimal(number), &decimal(increment), &bounds).unwrap();
            assert_eq!((&*step.value, &*step.applied, step.is_done), expected, "{number} + {increment}");
        }
        let huge = decimal(&"9".repeat(4932));
        let bounds = |saturates| Bounds { lower: None, upper: None, saturates };
        assert!(!add_decimals(&huge, &huge, &bounds(false)).unwrap().is_done);
        assert_eq!(add_decimals(&huge, &huge, &bounds(true)), Err(DecimalError::NotFinite));
    }

    proptest! {
        /// What is said to be added was added, and nothing comes to lie beyond a bound that it has not been beyond.
        #[test]
        fn sums_of_integers_stay_within_bounds(
            number in any::<i64>(),
            increment in prop_oneof![any::<i64>(), -9..9_i64],
            ends in prop_oneof![any::<(i64, i64)>(), (-9..9_i64, -9..9_i64)],
            has in any::<(bool, bool)>(),
            saturates in any::<bool>(),
        ) {
            let (low, high) = (ends.0.min(ends.1), ends.0.max(ends.1));
            let bounds = Bounds { lower: has.0.then_some(low), upper: has.1.then_some(high), saturates };
            let is_within = |n: i64| bounds.lower.is_none_or(|low| n >= low) && bounds.upper.is_none_or(|high| n <= high);
            match add_integers(number, increment, &bounds) {
                None => prop_assert!(saturates && (has.0 || has.1)),
                Some(step) => {
                    prop_assert_eq!(number.checked_add(step.applied), Some(step.value));
                    prop_assert!(is_within(step.value) || !step.is_done);
                    let plain = number.checked_add(increment).filter(|sum| is_within(*sum));
                    prop_assert_eq!(step.is_done, saturates || plain.is_some());
                    if let Some(sum) = plain {
                        prop_assert_eq!(step.value, sum);
                    }
                }
            }
        }
    }
}
