//! Users as lines of a file, as Redis's `aclfile` has them: `user NAME RULES`, one user a line. Empty lines and lines that begin
//! with `#` are skipped (as by Redis 8.8).

use super::{Catalogue, Definition, RuleError, words::whole_selectors};
use crate::limits::{ACL_USER_BYTES_MAX, ACL_USERS_MAX};
use std::collections::BTreeMap;

/// Of the text that says what is wrong with a file.
const WRONG_CHARS_MAX: usize = 4096;

/// The users of a file, or all that is wrong with it, in Redis's words. `path`: as the text names the file.
pub fn read_users(
    text: &[u8],
    path: &str,
    names: &Catalogue,
) -> Result<BTreeMap<String, Definition>, String> {
    let (mut users, mut wrong) = (BTreeMap::new(), String::new());
    for (line, number) in text.split(|byte| *byte == b'\n').zip(1_usize..) {
        let words: Vec<&[u8]> = line
            .trim_ascii()
            .split(|byte| *byte == b' ')
            .map(<[u8]>::trim_ascii)
            .filter(|word| !word.is_empty())
            .collect();
        if words.first().is_none_or(|word| word.starts_with(b"#")) {
            continue;
        }
        if let Err(why) = read_line(&words, &format!("{path}:{number}"), number, names, &mut users) {
            wrong.push_str(&why);
        }
        if wrong.len() > WRONG_CHARS_MAX {
            wrong.push_str("... ");
            break;
        }
    }
    if users.len() as u64 > ACL_USERS_MAX {
        wrong.push_str(&format!("{path}: there may be no more than {ACL_USERS_MAX} users. "));
    }
    match wrong.is_empty() {
        true => Ok(users),
        false => Err(format!(
            "{wrong}WARNING: ACL errors detected, no change to the previously active ACL rules was performed"
        )),
    }
}

fn read_line(
    words: &[&[u8]],
    place: &str,
    number: usize,
    names: &Catalogue,
    users: &mut BTreeMap<String, Definition>,
) -> Result<(), String> {
    let [b"user", name, rules @ ..] = words else {
        return Err(format!("{place} should start with user keyword followed by the username. "));
    };
    if words.iter().fold(0, |sum: usize, word| sum.saturating_add(word.len())) > ACL_USER_BYTES_MAX {
        return Err(format!("{place}: {}. ", RuleError::TooMany));
    }
    let shown = String::from_utf8_lossy(name).escape_debug().to_string();
    let name = std::str::from_utf8(name).ok().filter(|name| Definition::allows_name(name.as_bytes()));
    let Some(name) = name else {
        return Err(format!("'{place}: username '{shown}' contains invalid characters. "));
    };
    if users.contains_key(name) {
        return Err(format!("WARNING: Duplicate user '{shown}' found on line {number}. "));
    }
    let Ok(rules) = whole_selectors(rules) else {
        return Err(format!("{place}: Unmatched parenthesis in selector definition."));
    };
    let (mut definition, mut wrong, mut is_told) = (Definition::new(), String::new(), false);
    for rule in rules {
        // After an error the definition is of no use, but for what else is wrong with it.
        match definition.apply(&Definition::logged(&rule), Some(names)) {
            Ok(()) => {}
            Err(why @ RuleError::Unknown) => {
                let rule = String::from_utf8_lossy(&rule).escape_debug().to_string();
                wrong.push_str(&format!("{place}: Error in applying operation '{rule}': {why}. "));
            }
            Err(why) if !is_told => {
                wrong.push_str(&format!("{place}: {why}. "));
                is_told = true;
            }
            Err(_) => {}
        }
        if wrong.len() > WRONG_CHARS_MAX {
            break;
        }
    }
    // Also when it is wrong: a second one of the name is wrong as well.
    users.insert(name.to_owned(), definition);
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

/// A user's line, with its end. `None`: there is no line that would be read as this user again, because of a parenthesis in a
/// pattern.
pub fn line_of(name: &str, definition: &Definition, names: &Catalogue) -> Option<Vec<u8>> {
    let line = [b"user ", name.as_bytes(), b" ", &definition.describe_exactly()[..], b"\n"].concat();
    let read = read_users(&line, "", names).ok()?;
    let is_same =
        |again: &Definition| *again == Definition { password_is_configured: false, ..definition.clone() };
    (read.len() == 1 && read.get(name).is_some_and(is_same)).then_some(line)
}
