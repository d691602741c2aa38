//! Decimal numbers of INCRBYFLOAT: any text is read or refused; a sum is a text that can be read again.

use flotilla::types::decimal::{add, parse};

/// The two numbers are on both sides of the first space.
pub fn run(data: &[u8]) {
    let mut parts = data.splitn(2, |byte| *byte == b' ');
    let (Some(a), Some(b)) = (parts.next(), parts.next()) else { return };
    let (Ok(a), Ok(b)) = (parse(a), parse(b)) else { return };
    let Ok(sum) = add(&a, &b) else { return };
    assert!(parse(sum.as_bytes()).is_ok(), "{a} + {b} gave {sum}, which cannot be read");
    assert_eq!(add(&b, &a).as_ref(), Ok(&sum));
}
