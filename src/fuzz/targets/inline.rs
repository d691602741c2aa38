//! Inline commands: any line is split or refused, and a split line can be quoted and split again.

use flotilla::resp::split_inline;

pub fn run(line: &[u8]) {
    let Some(words) = split_inline(line) else { return };
    assert!(words.iter().map(Vec::len).sum::<usize>() <= line.len());
    let quoted = words.iter().map(|word| quote(word)).collect::<Vec<_>>().join(&b' ');
    assert_eq!(split_inline(&quoted), Some(words));
}

fn quote(word: &[u8]) -> Vec<u8> {
    let inner = word.iter().map(|byte| format!("\\x{byte:02x}")).collect::<String>();
    format!("\"{inner}\"").into_bytes()
}
