//! Sums over samples.

/// The middle of the numbers; 0 of none.
pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let (low, high) = (numbers.len().saturating_sub(1) / 2, numbers.len() / 2);
    match (numbers.get(low), numbers.get(high)) {
        (Some(low), Some(high)) => (low + high) / 2.0,
        _ => 0.0,
    }
}

/// The smallest number that at least the share `q` of all numbers does not exceed (nearest rank); 0 of none.
pub fn quantile(mut numbers: Vec<f64>, q: f64) -> f64 {
    numbers.sort_by(f64::total_cmp);
    let rank = (q * numbers.len() as f64).ceil() as usize;
    numbers.get(rank.max(1) - 1).copied().unwrap_or(0.0)
}

/// `a` / `b` of each round.
pub fn ratios(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).filter(|(_, b)| **b > 0.0).map(|(a, b)| a / b).collect()
}

/// The median with the smallest and the largest, two digits.
pub fn spread(numbers: Vec<f64>) -> String {
    let (low, high) = (quantile(numbers.clone(), 0.0), quantile(numbers.clone(), 1.0));
    format!("{:.2} ({low:.2}–{high:.2})", median(numbers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians() {
        assert!((median(vec![3.0, 1.0, 2.0]) - 2.0).abs() < 1e-9);
        assert!((median(vec![4.0, 1.0]) - 2.5).abs() < 1e-9);
        assert!(median(vec![]).abs() < 1e-9);
    }

    #[test]
    fn quantiles_are_numbers_that_were_seen() {
        let to_sixty = || (1..=60).map(f64::from).collect::<Vec<_>>();
        assert!((quantile(to_sixty(), 0.99) - 60.0).abs() < 1e-9);
        assert!((quantile(to_sixty(), 0.5) - 30.0).abs() < 1e-9);
        assert!((quantile(to_sixty(), 0.0) - 1.0).abs() < 1e-9);
        assert!((quantile(to_sixty(), 1.0) - 60.0).abs() < 1e-9);
        assert!(quantile(vec![], 0.5).abs() < 1e-9);
    }

    #[test]
    fn ratios_are_of_pairs() {
        assert_eq!(ratios(&[1.0, 3.0, 5.0], &[2.0, 2.0, 0.0]), [0.5, 1.5]);
        assert_eq!(spread(vec![0.5, 1.5, 0.75]), "0.75 (0.50–1.50)");
    }
}
