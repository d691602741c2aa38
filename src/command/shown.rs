//! A call as it may be shown later, to people who did not make it: without secrets (MONITOR), and cut to a bounded size as well
//! (SLOWLOG, COMMANDLOG), as by Redis.

use super::Resolved;

/// In the place of a secret.
const REDACTED: &[u8] = b"(redacted)";
/// Words of a call that a log keeps, and bytes of a word.
const WORDS_MAX: usize = 32;
const WORD_BYTES_MAX: usize = 128;

/// The words of a call, its secrets blotted out.
pub fn without_secrets<'a>(call: Resolved, argv: &[&'a [u8]]) -> Vec<&'a [u8]> {
    let mut words = argv.to_vec();
    let secrets = call.command.secrets.map(|secrets| secrets(argv)).unwrap_or_default();
    for at in secrets {
        if let Some(word) = words.get_mut(at) {
            *word = REDACTED;
        }
    }
    words
}

/// As `without_secrets`; of a long call the beginning, with a note of what is left out.
pub fn trimmed(call: Resolved, argv: &[&[u8]]) -> Vec<Vec<u8>> {
    // A secret may be anywhere in what is shown, so it is looked for in the whole call.
    let words = without_secrets(call, argv);
    let shown = if words.len() > WORDS_MAX { WORDS_MAX - 1 } else { words.len() };
    let mut trimmed: Vec<Vec<u8>> = words.iter().take(shown).map(|word| trim(word)).collect();
    let left = words.len().saturating_sub(shown);
    if left > 0 {
        trimmed.push(format!("... ({left} more arguments)").into_bytes());
    }
    trimmed
}

fn trim(word: &[u8]) -> Vec<u8> {
    match word.get(..WORD_BYTES_MAX) {
        Some(start) if word.len() > WORD_BYTES_MAX => {
            let left = word.len().saturating_sub(WORD_BYTES_MAX);
            [start, format!("... ({left} more bytes)").as_bytes()].concat()
        }
        _ => word.to_vec(),
    }
}
