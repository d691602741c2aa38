//! Rules, their descriptions and rows, and what users may do.

mod descriptions;
mod questions;
mod random;

use super::{CATEGORIES, Catalogue, Definition, Entry, RuleError, User};

/// A few commands.
pub(super) fn catalogue() -> Catalogue {
    let rows: [(&str, Option<usize>, &[&str]); 8] = [
        ("get", None, &["read", "string", "fast"]),
        ("set", None, &["write", "string", "slow"]),
        ("config", None, &["slow"]),
        ("config|get", Some(2), &["admin", "slow", "dangerous"]),
        ("config|set", Some(2), &["admin", "slow", "dangerous"]),
        ("ping", None, &["fast", "connection"]),
        ("publish", None, &["pubsub", "fast"]),
        ("select", None, &["fast", "connection"]),
    ];
    let bits = |names: &[&str]| {
        let bits = CATEGORIES.iter().enumerate().filter(|(_, category)| names.contains(category));
        bits.fold(0, |bits, (at, _)| bits | 1 << at)
    };
    let entries = rows.into_iter().map(|(name, parent, categories)| Entry {
        name: name.into(),
        parent,
        categories: bits(categories),
    });
    Catalogue::new(entries.collect())
}

/// A definition of these rules, one a word; those of a selector are separated by commas.
pub(super) fn define(rules: &str) -> Result<Definition, RuleError> {
    let mut definition = Definition::new();
    for rule in rules.split(' ') {
        let rule = if rule.starts_with('(') { rule.replace(',', " ") } else { rule.to_owned() };
        let rule = Definition::logged(rule.as_bytes());
        definition.apply(&rule, Some(&catalogue()))?;
    }
    Ok(definition)
}

pub(super) fn user(rules: &str) -> User {
    User::new("u", 1, define(rules).unwrap(), &catalogue())
}
