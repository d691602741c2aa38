//! What the server asks before it lets a reader wait; and ids from logged time.

use super::support::{Home, words};
use crate::{
    commands::stream::{block_ms, with_last_ids},
    resp::Reply,
};

fn resolved(home: &Home, line: &str) -> String {
    let words = home.view(0, |view| with_last_ids(view, &words(line)).unwrap());
    String::from_utf8(words.join(&b' ')).unwrap()
}

#[test]
fn the_last_id_is_that_of_the_call() {
    let home = Home::new();
    home.call(1, "XADD s 5-1 n 1");
    home.call(1, "XADD empty 7-1 n 1");
    home.call(1, "XDEL empty 7-1");
    let line = "XREAD BLOCK 0 STREAMS s empty none s s $ $ $ 3 5-1";
    assert_eq!(resolved(&home, line), "XREAD BLOCK 0 STREAMS s empty none s s 5-1 7-1 0-0 3 5-1");
    assert_eq!(
        resolved(&home, "XREAD BLOCK 0 STREAMS empty none + $"),
        "XREAD BLOCK 0 STREAMS empty none + 0-0"
    );
    // Keys and option words that look like ids are left alone.
    assert_eq!(resolved(&home, "XREAD COUNT 1 STREAMS $ $"), "XREAD COUNT 1 STREAMS $ 0-0");
    let refused = home.view(0, |view| with_last_ids(view, &words("XREAD STREAMS s >")).is_err());
    assert!(refused);
}

#[test]
fn how_long_a_reader_waits() {
    for (line, ms) in [
        ("XREAD BLOCK 0 STREAMS s $", Some(0)),
        ("XREAD COUNT 1 block 1500 STREAMS s $", Some(1500)),
        ("XREAD STREAMS s $", None),
        ("XREAD COUNT 2 STREAMS BLOCK 5", None),
        ("XREADGROUP GROUP BLOCK 7 STREAMS s >", None),
        ("XREADGROUP GROUP g c NOACK BLOCK 7 STREAMS s >", Some(7)),
        ("XREAD BLOCK x STREAMS s $", None),
        ("XREAD BLOCK", None),
    ] {
        assert_eq!(block_ms(&words(line)), ms, "{line}");
    }
}

#[test]
fn ids_follow_logged_time_and_never_go_back() {
    let home = Home::new();
    let id = |text: &str| Reply::bulk(text);
    assert_eq!(home.call(1000, "XADD s * n 1"), id("1000-0"));
    assert_eq!(home.call(1000, "XADD s * n 1"), id("1000-1"));
    assert_eq!(home.call(1500, "XADD s * n 1"), id("1500-0"));
    // A new leader's clock is behind.
    assert_eq!(home.call(900, "XADD s * n 1"), id("1500-1"));
    assert_eq!(home.call(1600, "XADD s 9000-5 n 1"), id("9000-5"));
    assert_eq!(home.call(1700, "XADD s * n 1"), id("9000-6"));
    assert_eq!(home.call(1700, "XADD s 9000-18446744073709551615 n 1"), id("9000-18446744073709551615"));
    assert_eq!(home.call(1700, "XADD s * n 1"), id("9001-0"));
}
