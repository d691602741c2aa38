//! The rules of the source tree, as a test: imports point down, a crate has one owner, a file says what it is.
//!
//! Tests (`tests.rs`, `tests/`, `#[cfg(test)]` items) may import what they like. So may `src/fuzz`, a package of its own.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::{fs, path::Path};
use syn::{
    Attribute, File, ItemMod, ItemUse, UseTree,
    visit::{self, Visit},
};

/// Bottom first. A module may import those of lower layers, and itself.
pub(crate) const LAYERS: [&[&str]; 20] = [
    &["time", "limits", "value", "fail", "feature_level", "checked"],
    &["environment", "tls"],
    &["resp", "rdb"],
    &["error", "remote"],
    &["config", "store"],
    &["script", "types"],
    &["acl", "psync"],
    &["state"],
    &["session"],
    &["command"],
    &["commands"],
    &["replica"],
    &["peer"],
    &["replication"],
    &["server", "ops", "signals"],
    &["moving"],
    &["admin", "backup", "top"],
    &["node", "transfer"],
    &["manual"],
    &["main"],
];

/// The rooms of a module, bottom first: a room may import those before it, and itself. Beside them: `mod.rs` and tests.
pub(crate) const ROOMS: [(&str, &[&str]); 1] = [(
    "replication",
    &[
        "wal",
        "wire",
        "queue",
        "snapshots",
        "directory",
        "consensus",
        "proposals",
        "pubsub",
        "upkeep",
        "verify",
        "edge",
        "membership",
        "group",
    ],
)];
/// Fewer lines do not say to a newcomer what a room does.
const ROOM_ESSAY_LINES_MIN: usize = 15;

/// Crates that only one place may name, so that they can be replaced there.
const OWNERS: [(&str, &[&str]); 27] = [
    ("redis_protocol", &["resp"]),
    ("rocksdb", &["store"]),
    ("quick_cache", &["store"]),
    ("triomphe", &["value"]),
    ("openraft", &["replication::consensus"]),
    ("openraft_rt_tokio", &["replication::consensus"]),
    ("tokio_rustls", &["ops", "peer", "server", "tls"]),
    ("webpki", &["peer"]),
    ("x509_parser", &["tls"]),
    ("tonic", &["peer"]),
    ("tonic_prost", &["peer"]),
    ("fs4", &["replication::directory"]),
    ("axum", &["ops"]),
    ("base64", &["ops"]),
    ("hyper", &["ops"]),
    ("hyper_util", &["ops"]),
    ("prometheus_client", &["ops"]),
    ("histogram", &["session"]),
    ("opentelemetry", &["session"]),
    ("opentelemetry_otlp", &["session"]),
    ("opentelemetry_sdk", &["session"]),
    ("clap", &["admin", "backup", "config", "main", "manual", "remote", "top", "transfer"]),
    ("clap_complete", &["manual"]),
    ("clap_mangen", &["manual"]),
    ("ratatui", &["top"]),
    ("object_store", &["backup"]),
    ("mimalloc", &["main"]),
];

/// Files of the product that name a test: openraft takes its runtime as a type.
const NAMES_TESTS: [&str; 1] = ["replication/consensus/types.rs"];
const FILE_LINES_MAX: usize = 400;

/// The module that a file is: `src/replication/wal/mod.rs` is `replication::wal`.
fn module_of(path: &str) -> Vec<String> {
    let inner = path.trim_end_matches(".rs").trim_end_matches("/mod");
    inner.split('/').map(str::to_owned).collect()
}

fn is_test(path: &str) -> bool {
    path.split('/').any(|part| part == "tests" || part == "tests.rs" || part == "tidy.rs")
}

/// The complaints about a file, by its path below `src/` and its text.
fn complaints(path: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    if !text.starts_with("//!") {
        complaints.push(format!("{path}: does not open with what it is (//!)"));
    }
    if text.lines().count() > FILE_LINES_MAX {
        complaints.push(format!("{path}: more than {FILE_LINES_MAX} lines"));
    }
    if is_test(path) || path == "lib.rs" {
        return complaints;
    }
    complaints.extend(room_complaints(path, text));
    let file: File = syn::parse_str(text).unwrap_or_else(|error| panic!("{path}: {error}"));
    let mut names = Names { module: module_of(path), found: Vec::new() };
    names.visit_file(&file);
    let module = module_of(path);
    for name in &names.found {
        complaints.extend(judge(path, &module, name));
    }
    complaints.extend(errors_without_remedy(text).map(|line| {
        format!("{path}: a line of level ERROR without a remedy (a human must act; how?): {line}")
    }));
    complaints.sort();
    complaints.dedup();
    complaints
}

/// The complaints about a file of a room.
fn room_complaints(path: &str, text: &str) -> Vec<String> {
    let mut complaints = Vec::new();
    let parts: Vec<&str> = path.split('/').collect();
    let (Some(module), Some(room)) = (parts.first(), parts.get(1)) else { return complaints };
    let Some((_, rooms)) = ROOMS.iter().find(|(name, _)| name == module) else { return complaints };
    if parts.len() == 2 && *room != "mod.rs" {
        complaints.push(format!("{path}: a loose file of {module}: it belongs into one of its rooms"));
    } else if parts.len() > 2 && !rooms.contains(room) {
        complaints.push(format!("{path}: {room} is no room of {module}"));
    }
    let essay = text.lines().take_while(|line| line.starts_with("//!")).count();
    if parts.len() == 3 && parts[2] == "mod.rs" && essay < ROOM_ESSAY_LINES_MIN {
        complaints
            .push(format!("{path}: a room opens with a page that says what it does, not {essay} lines"));
    }
    if text.contains(&format!("pub(in crate::{module})")) {
        complaints.push(format!(
            "{path}: visible beyond its room: what other rooms need is pub, and exported by mod.rs"
        ));
    }
    complaints
}

/// The macros that log an error and do not say what helps.
fn errors_without_remedy(text: &str) -> impl Iterator<Item = String> {
    let calls = text.split(concat!("error", "!(")).skip(1);
    calls.filter_map(|rest| {
        let (mut depth, mut end) = (1_i32, rest.len());
        for (at, letter) in rest.char_indices() {
            depth += match letter {
                '(' => 1,
                ')' => -1,
                _ => 0,
            };
            if depth == 0 {
                end = at;
                break;
            }
        }
        let call = rest.get(..end)?;
        (!call.contains("remedy")).then(|| call.split_whitespace().collect::<Vec<_>>().join(" "))
    })
}

/// Whether `module` may name this path. `crate::…` is resolved already.
fn judge(path: &str, module: &[String], name: &[String]) -> Option<String> {
    let first = name.first()?;
    if first == "crate" || (first == "flotilla" && module == ["main"]) {
        let other = name.get(1)?;
        if name.iter().any(|part| part == "tests") && !NAMES_TESTS.contains(&path) {
            return Some(format!("{path}: names {}, a test's: take it as a value", name.join("::")));
        }
        let (own, theirs) = (layer(&module[0]), layer(other)?);
        let Some(own) = own else { return Some(format!("{path}: module {} has no layer", module[0])) };
        if *other == module[0] && theirs == own {
            return judge_room(path, module, name);
        }
        let down = theirs < own;
        return (!down).then(|| format!("{path}: {} imports {other}, which is not below it", module[0]));
    }
    let (_, owners) = OWNERS.iter().find(|(name, _)| name == first)?;
    let place = module.join("::");
    let owns = owners.iter().any(|owner| place == *owner || place.starts_with(&format!("{owner}::")));
    (!owns).then(|| format!("{path}: {first} belongs to {}", owners.join(", ")))
}

/// Whether a file of a room may name this path of the same module.
fn judge_room(path: &str, module: &[String], name: &[String]) -> Option<String> {
    let (_, rooms) = ROOMS.iter().find(|(name, _)| *name == module[0])?;
    let level = |room: Option<&String>| rooms.iter().position(|name| Some(*name) == room.map(String::as_str));
    let (Some(own), Some(theirs)) = (level(module.get(1)), level(name.get(2))) else {
        // `mod.rs` of the module exports what it likes; a room does not take what it exports.
        let is_room = level(module.get(1)).is_some();
        return is_room.then(|| format!("{path}: {} is named by way of {}", name.join("::"), module[0]));
    };
    let down = theirs <= own;
    (!down).then(|| format!("{path}: room {} imports {}, which is not below it", rooms[own], rooms[theirs]))
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// Collects the paths that a file names, `self`, `super` and `crate` resolved to begin with `crate`.
struct Names {
    module: Vec<String>,
    found: Vec<Vec<String>>,
}

impl Names {
    fn add(&mut self, segments: &[String]) {
        let first = segments.first().map(String::as_str);
        let ups = segments.iter().take_while(|segment| *segment == "super").count();
        let resolved = match first {
            Some("self") => [&["crate".to_owned()], &self.module[..], &segments[1..]].concat(),
            Some("super") => {
                let kept = self.module.len().saturating_sub(ups);
                [&["crate".to_owned()], &self.module[..kept], &segments[ups..]].concat()
            }
            _ => segments.to_vec(),
        };
        self.found.push(resolved);
    }

    fn add_tree(&mut self, before: &[String], tree: &UseTree) {
        let with = |ident: &syn::Ident| [before, &[ident.to_string()]].concat();
        match tree {
            UseTree::Path(path) => self.add_tree(&with(&path.ident), &path.tree),
            UseTree::Name(name) => self.add(&with(&name.ident)),
            UseTree::Rename(rename) => self.add(&with(&rename.ident)),
            UseTree::Glob(_) => self.add(before),
            UseTree::Group(group) => group.items.iter().for_each(|tree| self.add_tree(before, tree)),
        }
    }
}

fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.parse_args::<syn::Path>().is_ok_and(|path| path.is_ident("test"))
    })
}

impl<'ast> Visit<'ast> for Names {
    fn visit_item_mod(&mut self, item: &'ast ItemMod) {
        if is_for_tests(&item.attrs) || item.content.is_none() {
            return;
        }
        self.module.push(item.ident.to_string());
        visit::visit_item_mod(self, item);
        self.module.pop();
    }

    fn visit_item_use(&mut self, item: &'ast ItemUse) {
        let before = self.found.len();
        self.add_tree(&[], &item.tree);
        if is_for_tests(&item.attrs) {
            // May import what it likes but tests.
            let names_tests = |name: &Vec<String>| name.iter().any(|part| part == "tests");
            let imported = self.found.split_off(before);
            self.found.extend(imported.into_iter().filter(names_tests));
        }
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        if segments.len() > 1 {
            self.add(&segments);
        }
        visit::visit_path(self, path);
    }
}

fn files(directory: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        match path.file_name().and_then(|name| name.to_str()).unwrap() {
            "fuzz" | "docs" if path.is_dir() => {}
            _ if path.is_dir() => files(&path, found),
            name if name.ends_with(".rs") => found.push(path),
            _ => {}
        }
    }
}

#[test]
fn the_source_tree_keeps_its_rules() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = Vec::new();
    files(&root, &mut paths);
    assert!(paths.len() > 100, "only {} files found", paths.len());
    let complaints: Vec<String> = paths
        .iter()
        .flat_map(|path| {
            let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
            complaints(&name, &fs::read_to_string(path).unwrap())
        })
        .collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// `lib.rs` says what it says: top first, so that imports point down its list, with a blank line between layers.
#[test]
fn lib_lists_every_module_in_its_layer() {
    let lib = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/lib.rs")).unwrap();
    let groups = lib.split("\n\n").map(|group| {
        group.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect::<Vec<_>>()
    });
    let declared: Vec<Vec<&str>> = groups.filter(|group| !group.is_empty()).collect();
    let sorted = |layer: &&[&'static str]| {
        let mut layer = layer.to_vec();
        layer.sort_unstable();
        layer
    };
    let layered: Vec<Vec<&str>> = LAYERS.iter().rev().skip(1).map(sorted).collect();
    assert_eq!(LAYERS.last(), Some(&&["main"][..]));
    assert_eq!(declared, layered);
}

/// The rules can be broken, and it is seen.
#[test]
fn broken_rules_are_found() {
    for (path, text, complaint) in [
        ("store/a.rs", "//! A.\nuse crate::replication::GroupHandle;", "store imports replication"),
        ("store/a.rs", "//! A.\nuse crate::{error::A, session::{Stats, Node}};", "store imports session"),
        ("store/a.rs", "//! A.\nfn f() { crate::server::run() }", "store imports server"),
        ("types/a/b.rs", "//! A.\nuse super::super::super::commands::table;", "types imports commands"),
        (
            "types/a.rs",
            "//! A.\nmod inner { fn f(_: &super::super::super::node::Node) {} }",
            "types imports node",
        ),
        ("session/a.rs", "//! A.\nuse rocksdb::DB;", "rocksdb belongs to store"),
        ("server/a.rs", "//! A.\nfn f(_: openraft::Raft) {}", "openraft belongs to replication"),
        ("replication/edge/a.rs", "//! A.\nuse openraft as o;", "openraft belongs to replication::consensus"),
        ("replication/a.rs", "//! A.", "a loose file of replication"),
        ("replication/attic/a.rs", "//! A.", "attic is no room"),
        ("replication/wal/mod.rs", "//! A.\n//! B.", "not 2 lines"),
        ("replication/wal/a.rs", "//! A.\nuse crate::replication::edge::Feed;", "room wal imports edge"),
        (
            "replication/wal/a.rs",
            "//! A.\nuse super::super::snapshots::Snapshots;",
            "room wal imports snapshots",
        ),
        (
            "replication/wal/a.rs",
            "//! A.\nfn f() { crate::replication::queue::g() }",
            "room wal imports queue",
        ),
        ("replication/edge/a.rs", "//! A.\nuse crate::replication::Outcome;", "by way of replication"),
        ("replication/edge/a.rs", "//! A.\npub(in crate::replication) fn f() {}", "visible beyond its room"),
        ("store/a.rs", "//! A.\nfn f() { #[cfg(test)] crate::tests::g() }", "names crate::tests::g"),
        ("store/a.rs", "//! A.\n#[cfg(test)]\nuse super::tests::g;", "names crate::store::tests::g"),
        ("store/a.rs", "use std::fs;", "does not open"),
        ("novel/a.rs", "//! A.\nuse crate::store::Store;", "novel has no layer"),
        (
            "store/a.rs",
            "//! A.\nfn f() { tracing::error!(x = (1), \"no\"); g(\"remedy\") }",
            "without a remedy",
        ),
    ] {
        let found = complaints(path, text);
        assert!(found.iter().any(|text| text.contains(complaint)), "{path}: {text}: {found:?}");
    }
    let long = format!("//! A.\n{}", "\n".repeat(FILE_LINES_MAX));
    assert_eq!(complaints("store/a.rs", &long).len(), 1);
}

#[test]
fn kept_rules_are_not_complained_of() {
    for (path, text) in [
        (
            "replication/consensus/a.rs",
            "//! A.\nuse openraft::Raft;\nuse super::super::queue::Queue;\nuse crate::store::Store;",
        ),
        ("replication/mod.rs", "//! A.\npub use self::edge::Feed;\npub use wal::Log;"),
        ("replication/edge/a.rs", "//! A.\nuse crate::replication::{edge::b::C, wire};"),
        ("replication/edge/a.rs", "//! A.\npub(in crate::replication::edge) fn f() {}"),
        ("store/a.rs", "//! A.\n#[cfg(test)]\nmod tests { use crate::node::Node; }"),
        ("store/a.rs", "//! A.\n#[cfg(test)]\nmod tests { use crate::tests::stage::Stage; }"),
        ("store/tests/a.rs", "//! A.\nuse crate::node::Node;"),
        ("store/a.rs", "//! crate::node is above.\nconst A: &str = \"crate::node::x\";"),
        ("store/a.rs", "//! A.\nfn f() { tracing::error!(remedy = \"empty it\", \"full\") }"),
        ("main.rs", "//! A.\nuse flotilla::{config, node};\nuse clap::Parser;"),
    ] {
        assert_eq!(complaints(path, text), Vec::<String>::new(), "{path}: {text}");
    }
}
