//! The first line of a script or library: `#!lua name=… flags=…`.

use super::lib::is_name;
use crate::resp::ErrorReply;

/// What a script or function says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ScriptFlags {
    /// It only reads; a write in it is an error.
    pub no_writes: bool,
    /// It runs although memory (here: the disk) is almost full. Scripts that do not write run in any case.
    pub allow_oom: bool,
    /// It runs on a replica that has lost its leader.
    pub allow_stale: bool,
    /// It is refused in cluster mode.
    pub no_cluster: bool,
    /// In cluster mode it may use keys of several slots.
    pub allow_cross_slot_keys: bool,
    /// Whether there was a shebang at all. A script without one has Redis's old, lax rules.
    pub has_shebang: bool,
}

impl ScriptFlags {
    /// In Redis's order, as FUNCTION LIST shows them.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        let all = [
            (self.no_writes, "no-writes"),
            (self.allow_oom, "allow-oom"),
            (self.allow_stale, "allow-stale"),
            (self.no_cluster, "no-cluster"),
            (self.allow_cross_slot_keys, "allow-cross-slot-keys"),
        ];
        all.into_iter().filter(|(is, _)| *is).map(|(_, name)| name)
    }

    /// Sets a flag by its name; `None`: there is none of that name.
    pub fn add(&mut self, name: &[u8]) -> Option<()> {
        let flag = match name {
            b"no-writes" => &mut self.no_writes,
            b"allow-oom" => &mut self.allow_oom,
            b"allow-stale" => &mut self.allow_stale,
            b"no-cluster" => &mut self.no_cluster,
            b"allow-cross-slot-keys" => &mut self.allow_cross_slot_keys,
            _ => return None,
        };
        *flag = true;
        Some(())
    }
}

/// The first line, if it is a shebang, and the rest from its line break on, so that lines keep their numbers.
fn split(body: &[u8]) -> Option<(Option<&[u8]>, &[u8])> {
    if !body.starts_with(b"#!") {
        return Some((None, body));
    }
    let end = body.iter().position(|byte| *byte == b'\n')?;
    let (line, rest) = body.split_at_checked(end)?;
    Some((Some(line), rest))
}

fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| matches!(byte, b' ' | b'\t' | b'\r')).filter(|word| !word.is_empty())
}

fn show(word: &[u8]) -> String {
    String::from_utf8_lossy(word).into_owned()
}

/// The flags of a script, and its code.
pub fn of_script(body: &[u8]) -> Result<(ScriptFlags, &[u8]), ErrorReply> {
    let (line, code) = split(body).ok_or_else(|| ErrorReply::err("Invalid script shebang"))?;
    let Some(line) = line else { return Ok((ScriptFlags::default(), code)) };
    let mut flags = ScriptFlags { has_shebang: true, ..ScriptFlags::default() };
    let mut words = words(line);
    let engine = words.next().unwrap_or_default();
    if engine != b"#!lua" {
        return Err(ErrorReply::err(format!("Unexpected engine in script shebang: {}", show(engine))));
    }
    for word in words {
        let Some(list) = word.strip_prefix(b"flags=") else {
            return Err(ErrorReply::err(format!("Unknown lua shebang option: {}", show(word))));
        };
        for flag in list.split(|byte| *byte == b',').filter(|flag| !flag.is_empty()) {
            flags.add(flag).ok_or_else(|| {
                ErrorReply::err(format!("Unexpected flag in script shebang: {}", show(flag)))
            })?;
        }
    }
    Ok((flags, code))
}

/// The name of a library, and its code.
pub fn of_library(body: &[u8]) -> Result<(String, &[u8]), ErrorReply> {
    let (line, code) = split(body).ok_or_else(|| ErrorReply::err("Invalid library metadata"))?;
    let line = line.ok_or_else(|| ErrorReply::err("Missing library metadata"))?;
    let mut words = words(line);
    let engine = words.next().and_then(|word| word.strip_prefix(b"#!")).unwrap_or_default();
    let mut name: Option<&[u8]> = None;
    for word in words {
        let Some(value) = word.strip_prefix(b"name=") else {
            return Err(ErrorReply::err(format!("Invalid metadata value given: {}", show(word))));
        };
        if name.replace(value).is_some() {
            let text = "Invalid metadata value, name argument was given multiple times";
            return Err(ErrorReply::err(text));
        }
    }
    let name = name.ok_or_else(|| ErrorReply::err("Library name was not given"))?;
    if !is_name(name) {
        return Err(ErrorReply::err(
            "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long",
        ));
    }
    if !engine.eq_ignore_ascii_case(b"lua") {
        return Err(ErrorReply::err(format!("Engine '{}' not found", show(engine))));
    }
    Ok((show(name), code))
}
