//! Sorting.

use super::{
    options::Options,
    pattern::Pattern,
    source::{Source, elements},
};
use crate::{error::Result, resp::ErrorReply, store::View, types::sorted_set, value::Value};
use std::cmp::Ordering;

/// The value by which elements are compared.
#[derive(Debug, Clone, PartialEq)]
enum Weight {
    Number(f64),
    /// `None` = there is no such key.
    Text(Option<Value>),
    /// The element itself, as text.
    Own,
}

/// The wanted elements of a key, in the wanted order.
pub(super) fn sorted(view: &View<'_>, key: &[u8], options: &Options<'_>) -> Result<Vec<Value>> {
    let source = Source::open(view, key)?;
    let len = source.len(view)?;
    let wanted = options.wanted(len);
    // A set has no order worth storing: its elements are sorted as texts then, as in Redis.
    let is_text_of_set = options.keeps_order && options.store.is_some() && matches!(source, Source::Set(_));
    if options.keeps_order && !is_text_of_set {
        let backwards = options.descending && !matches!(source, Source::Set(_));
        return elements(&source, view, wanted, backwards);
    }
    let (by, texts) = if is_text_of_set { (None, true) } else { (options.by.as_ref(), options.texts) };
    let mut weighed = Vec::new();
    for element in elements(&source, view, 0..len, false)? {
        view.keep(1, 0)?;
        weighed.push((weight(view, by, texts, &element)?, element));
    }
    weighed.sort_by(|a, b| {
        let order = compare(a, b);
        if options.descending { order.reverse() } else { order }
    });
    let start = usize::try_from(wanted.start).unwrap_or(usize::MAX);
    let count = usize::try_from(wanted.end.saturating_sub(wanted.start)).unwrap_or(usize::MAX);
    Ok(weighed.into_iter().map(|(_, element)| element).skip(start).take(count).collect())
}

fn weight(view: &View<'_>, by: Option<&Pattern<'_>>, texts: bool, element: &Value) -> Result<Weight> {
    if by.is_none() && texts {
        return Ok(Weight::Own);
    }
    let view = if texts { *view } else { view.in_passing() };
    let text = match by {
        Some(pattern) => pattern.look_up(&view, element)?,
        None => Some(element.clone()),
    };
    if texts {
        return Ok(Weight::Text(text));
    }
    let number = text.map_or(Some(0.0), |text| number(&text));
    let complaint = || ErrorReply::err("One or more scores can't be converted into double");
    Ok(Weight::Number(number.ok_or_else(complaint)?))
}

/// A text as a weight: space may precede the number, and an empty text is 0.
fn number(text: &[u8]) -> Option<f64> {
    let number = sorted_set::parse_lenient(text)?;
    // A number that is too large for a double is none; infinity is.
    let is_said = text.iter().any(|byte| byte.eq_ignore_ascii_case(&b'f'));
    (number.is_finite() || is_said).then_some(number)
}

fn compare((a, element_a): &(Weight, Value), (b, element_b): &(Weight, Value)) -> Ordering {
    match (a, b) {
        (Weight::Number(a), Weight::Number(b)) => {
            a.partial_cmp(b).unwrap_or(Ordering::Equal).then_with(|| element_a[..].cmp(&element_b[..]))
        }
        (Weight::Text(a), Weight::Text(b)) => a.as_deref().cmp(&b.as_deref()),
        _ => element_a[..].cmp(&element_b[..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_as_weights() {
        for (text, weight) in [
            ("1.5", Some(1.5)),
            ("", Some(0.0)),
            (" 2", Some(2.0)),
            ("0x10", Some(16.0)),
            ("-inf", Some(f64::NEG_INFINITY)),
            ("Infinity", Some(f64::INFINITY)),
            ("1e400", None),
            ("-1e400", None),
            ("2 ", None),
            ("nan", None),
            ("a", None),
        ] {
            assert_eq!(number(text.as_bytes()), weight, "{text}");
        }
    }
}
