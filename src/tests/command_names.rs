//! What the server does with a command follows from its row: nothing outside `commands/` knows a command by its name or its
//! group.

use crate::commands;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// They may spell commands: those who have the rows, and those who send commands, as any client does.
/// Scripts see a table KEYS.
const MAY_NAME: [&str; 9] =
    ["commands", "admin", "moving", "psync", "top", "transfer", "remote.rs", "fuzz", "script"];

fn files(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.file_name().and_then(|name| name.to_str()).unwrap() {
            "tests" | "tests.rs" | "docs" => {}
            _ if path.is_dir() => files(&path, found),
            name if name.ends_with(".rs") => found.push(path),
            _ => {}
        }
    }
}

/// Product files by their path below `src/`, without the tests in them.
fn sources() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    files(&root, &mut paths);
    assert!(paths.len() > 100, "only {} files found", paths.len());
    let read = |path: PathBuf| {
        let text = fs::read_to_string(&path).unwrap();
        let product = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default().to_owned();
        (path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned(), product)
    };
    paths.into_iter().map(read).collect()
}

/// The names of commands that a text spells as literals, but for an error's code.
fn spelled(text: &str) -> Vec<&str> {
    let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
    code.flat_map(|line| {
        let mut pieces: Vec<&str> = line.split('"').collect();
        // Every second piece is between quotes.
        let before: Vec<&str> = pieces.iter().copied().step_by(2).collect();
        pieces = pieces.into_iter().skip(1).step_by(2).collect();
        let is_code = move |at: usize| before.get(at).is_some_and(|before| before.ends_with("new("));
        pieces.into_iter().enumerate().filter(move |(at, _)| !is_code(*at)).map(|(_, piece)| piece)
    })
    .filter(|piece| *piece == piece.to_ascii_uppercase() && commands::table().get(piece.as_bytes()).is_some())
    .collect()
}

#[test]
fn no_command_is_known_by_its_name_outside_commands() {
    let mut complaints = Vec::new();
    for (path, text) in sources() {
        let module = path.split('/').next().unwrap_or_default();
        if MAY_NAME.contains(&module) || ["resp/error.rs", "acl/rescue.rs"].contains(&path.as_str()) {
            continue;
        }
        complaints.extend(spelled(&text).into_iter().map(|name| format!("{path}: {name}")));
        if module != "command"
            && module != "types"
            && (text.contains("Group::") || text.contains(".group =="))
        {
            complaints.push(format!("{path}: a command's group"));
        }
    }
    assert!(complaints.is_empty(), "say it in the row (command/row.rs):\n{}", complaints.join("\n"));
}

#[test]
fn a_name_that_is_spelled_is_found() {
    assert_eq!(spelled("if name == \"EXEC\" || word.eq_ignore_ascii_case(b\"TOUCH\") {}"), ["EXEC", "TOUCH"]);
    assert_eq!(spelled("// \"EXEC\"\nErrorReply::new(\"READONLY\", \"no\"); join(\"exec\")"), [""; 0]);
}
