//! Words of rules that belong together.

/// A selector may come as several words: each parenthesis and what is in it becomes one. An error is the position of a word whose
/// parenthesis nothing closes.
pub fn whole_selectors(rules: &[&[u8]]) -> Result<Vec<Vec<u8>>, usize> {
    let mut whole: Vec<Vec<u8>> = Vec::with_capacity(rules.len());
    let mut open: Option<(usize, Vec<u8>)> = None;
    for (at, rule) in rules.iter().enumerate() {
        let ends = rule.ends_with(b")");
        open = match open.take() {
            None if rule.starts_with(b"(") && !ends => Some((at, rule.to_vec())),
            None => {
                whole.push(rule.to_vec());
                None
            }
            Some((from, mut selector)) => {
                selector.push(b' ');
                selector.extend_from_slice(rule);
                if ends {
                    whole.push(selector);
                    None
                } else {
                    Some((from, selector))
                }
            }
        };
    }
    match open {
        Some((from, _)) => Err(from),
        None => Ok(whole),
    }
}
