//! Where the scripts lie, and which commands they cover.
//!
//! A script covers the command its file is named after (`get.test`; `client-kill.test` is `client|kill`) and
//! those of its `# covers:` line. `tests/coverage.rs` proves that it really sends a command it claims.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::script::{Action, Script};

/// The root of the corpus.
pub fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts")
}

/// A script as it lies on disk.
#[derive(Clone, Debug)]
pub struct File {
    pub path: PathBuf,
    /// `group/stem`
    pub name: String,
    /// The command forms that the file name stands for.
    stem: String,
}

/// Every script of the corpus, sorted by name.
pub fn files() -> io::Result<Vec<File>> {
    let mut files = Vec::new();
    for group in fs::read_dir(directory())? {
        let group = group?;
        if !group.file_type()?.is_dir() {
            continue;
        }
        for entry in fs::read_dir(group.path())? {
            let path = entry?.path();
            let (Some(stem), Some("test")) = (
                path.file_stem().and_then(|stem| stem.to_str()),
                path.extension().and_then(|end| end.to_str()),
            ) else {
                continue;
            };
            let name = format!("{}/{stem}", group.file_name().to_string_lossy());
            files.push(File { stem: stem.to_owned(), name, path });
        }
    }
    files.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(files)
}

impl File {
    /// The commands that the file name may mean: `a-b` is both `a-b` and `a|b`.
    fn named(&self) -> [String; 2] {
        [self.stem.clone(), self.stem.replacen('-', "|", 1)]
    }

    /// The commands this script covers, lower case, `container|sub` for subcommands.
    pub fn covers(&self, script: &Script) -> BTreeSet<String> {
        let issued = issued(script);
        let named = self.named().into_iter().filter(|name| issued.contains(name));
        named.chain(script.covers.iter().cloned()).collect()
    }
}

/// Every command form the script sends: `name`, and `name|second-word`.
pub fn issued(script: &Script) -> BTreeSet<String> {
    let mut forms = BTreeSet::new();
    for step in script.blocks().flat_map(|block| &block.steps) {
        let (Action::Call(argv) | Action::SendOnly(argv)) = &step.action else {
            continue;
        };
        let mut words = argv.iter().map(|word| String::from_utf8_lossy(word).to_lowercase());
        if let Some(name) = words.next() {
            if let Some(second) = words.next() {
                forms.insert(format!("{name}|{second}"));
            }
            forms.insert(name);
        }
    }
    forms
}
