//! The pages' claims match the program: options, subcommands, ports, modules, functions, links; and outdated claims stay
//! out.

use crate::{
    admin, backup, config, manual,
    tidy::{LAYERS, ROOMS},
    top, transfer,
};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Options of other programs that the pages show.
const FOREIGN: [&str; 10] =
    ["cacert", "check", "check-config", "config", "lib", "now", "platform", "quick", "scenario", "tls"];

/// Claims of pages that are no longer true.
const NO_LONGER_TRUE: [&str; 5] =
    ["runs as one node today", "There is no TLS", "read-only edge", "read-only **edge**", "read-only copy"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn page(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The Markdown files of a directory.
fn pages_in(directory: &str) -> impl Iterator<Item = String> {
    let names = fs::read_dir(root().join(directory)).unwrap().map(|entry| entry.unwrap().file_name());
    let names: BTreeSet<String> = names.map(|name| name.to_str().unwrap().to_owned()).collect();
    let directory = directory.to_owned();
    names.into_iter().filter(|name| name.ends_with(".md")).map(move |name| format!("{directory}/{name}"))
}

/// The pages that are for users and operators, and for developers as they are now.
fn pages() -> Vec<String> {
    let top = ["README.md", "SECURITY.md", "helm/README.md"].map(str::to_owned);
    top.into_iter().chain(pages_in("src/docs")).collect()
}

fn options(command: &clap::Command, found: &mut BTreeSet<String>) {
    found.extend(command.get_arguments().filter_map(|arg| arg.get_long().map(str::to_owned)));
    command.get_subcommands().for_each(|sub| options(sub, found));
}

/// The words behind `mark`, as far as letters, digits and hyphens go.
fn words_behind<'a>(text: &'a str, mark: &'a str) -> impl Iterator<Item = &'a str> {
    text.split(mark).skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).unwrap_or(rest.len());
        rest.get(..end).filter(|word| word.starts_with(|c: char| c.is_ascii_lowercase()))
    })
}

#[test]
fn every_option_on_a_page_is_one_of_the_program() {
    let mut known: BTreeSet<String> =
        ["help", "version", "name"].into_iter().chain(FOREIGN).map(str::to_owned).collect();
    known.extend(config::PARAMETERS.iter().map(|row| row.name.to_owned()));
    options(&admin::program(), &mut known);
    options(&top::program(), &mut known);
    let more = transfer::programs().into_iter().chain(backup::programs()).chain(manual::programs());
    more.for_each(|program| options(&program, &mut known));
    for name in pages() {
        let text = page(&name);
        let missing: Vec<&str> = words_behind(&text, "--").filter(|word| !known.contains(*word)).collect();
        assert!(missing.is_empty(), "{name}: no option {missing:?}");
    }
}

#[test]
fn every_subcommand_on_a_page_is_one_of_flotilla_admin() {
    let program = admin::program();
    let known: BTreeSet<&str> = program.get_subcommands().map(clap::Command::get_name).collect();
    for name in pages() {
        let text = page(&name);
        let missing: Vec<&str> =
            words_behind(&text, "flotilla admin ").filter(|word| !known.contains(word)).collect();
        assert!(missing.is_empty(), "{name}: flotilla admin has no {missing:?}");
    }
}

#[test]
fn the_ports_on_the_pages_are_the_defaults() {
    let port = |name: &str| config::PARAMETERS.iter().find(|row| row.name == name).unwrap().default;
    assert!(page("README.md").contains(&format!("127.0.0.1:{}", port("port"))));
    assert!(page("src/docs/operating.md").contains(&format!("HTTP port ({})", port("http-port"))));
    let helm = page("helm/README.md");
    assert!(helm.contains(&format!("peer port ({})", port("peer-port"))));
    assert!(helm.contains(&format!("clients ({})", port("port"))));
}

#[test]
fn nothing_is_claimed_that_was_true_once() {
    for name in pages() {
        let text = page(&name).split_whitespace().collect::<Vec<_>>().join(" ");
        for claim in NO_LONGER_TRUE {
            assert!(!text.contains(claim), "{name} still says '{claim}'");
        }
    }
    // These facts must be on the page where readers look for them.
    let differences = page("src/docs/differences.md");
    for word in ["CROSSSLOT", "READONLY", "requirepass"] {
        assert!(differences.contains(word), "differences.md says nothing of {word}");
    }
}

/// Visitors read the README only: it stays short.
#[test]
fn readme_is_short() {
    let lines = page("README.md").lines().count();
    assert!(lines <= 125, "{lines} lines: move something to src/docs");
}

/// The targets of a page's links, as written.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
}

/// The anchors of a page, as GitHub makes them from its headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let slug = |heading: &str| {
        let letters = heading.trim_start_matches('#').trim().chars().filter_map(|c| match c {
            ' ' => Some('-'),
            '-' | '_' => Some(c),
            c if c.is_alphanumeric() => Some(c.to_ascii_lowercase()),
            _ => None,
        });
        letters.collect::<String>()
    };
    headings.map(slug).collect()
}

/// Errors in a page's links.
fn dead_links(name: &str, text: &str) -> Vec<String> {
    let directory = root().join(name).parent().unwrap().to_path_buf();
    let is_dead = |target: &&str| {
        if target.starts_with("https://") {
            return false;
        }
        let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
        let path: PathBuf = if file.is_empty() { root().join(name) } else { directory.join(file) };
        let has_anchor = || fs::read_to_string(&path).is_ok_and(|text| anchors(&text).contains(anchor));
        !path.exists() || !(anchor.is_empty() || has_anchor())
    };
    links(text).filter(is_dead).map(|target| format!("{name}: {target}")).collect()
}

#[test]
fn every_link_leads_somewhere() {
    let more = ["CHANGELOG.md".to_owned(), "bench/README.md".to_owned()];
    let all =
        pages().into_iter().chain(more).chain(pages_in("src/docs/adr")).chain(pages_in("bench/results"));
    let dead: Vec<String> = all.flat_map(|name| dead_links(&name, &page(&name))).collect();
    assert!(dead.is_empty(), "{}", dead.join("\n"));
    for (text, count) in [
        (
            "[a](README.md) [b](src/docs/edge.md#a-site-of-several-nodes) [c](https://example.com) [d](src/docs)",
            0,
        ),
        ("[a](nowhere.md) [b](src/docs/edge.md#nowhere) [c](#nowhere)", 3),
    ] {
        assert_eq!(dead_links("README.md", text).len(), count, "{text}");
    }
}

#[test]
fn every_page_is_in_an_index() {
    for (index, directory) in [("src/docs/README.md", "src/docs"), ("src/docs/adr/README.md", "src/docs/adr")]
    {
        let text = page(index);
        let listed: BTreeSet<String> = links(&text).map(|target| format!("{directory}/{target}")).collect();
        let missing: Vec<String> =
            pages_in(directory).filter(|name| name != index && !listed.contains(name)).collect();
        assert!(missing.is_empty(), "{index} does not list {missing:?}");
    }
}

/// Programs that read about Flotilla begin there.
#[test]
fn llms_txt_names_every_page() {
    let text = page("src/docs/llms.txt");
    let listed: BTreeSet<&str> = links(&text).collect();
    let all = pages().into_iter().chain(["CHANGELOG.md".to_owned(), "src/docs/adr/README.md".to_owned()]);
    let missing: Vec<String> =
        all.filter(|name| name != "src/docs/README.md" && !listed.contains(&name[..])).collect();
    assert!(missing.is_empty(), "llms.txt does not name {missing:?}");
    let dead: Vec<&&str> = listed.iter().filter(|target| !root().join(target).exists()).collect();
    assert!(dead.is_empty(), "{dead:?}");
}

/// The words between backticks in a text.
fn quoted(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// Quoted words in the first column of the table behind a heading of architecture.md, row by row.
fn architecture(heading: &str) -> Vec<BTreeSet<String>> {
    let text = page("src/docs/architecture.md");
    let (_, table) =
        text.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no section '{heading}'"));
    let rows = table.lines().skip_while(|line| !line.starts_with("|---")).skip(1);
    let rows = rows.take_while(|line| line.starts_with('|'));
    rows.map(|row| quoted(row.split('|').nth(1).unwrap()).map(str::to_owned).collect()).collect()
}

/// The tables of modules and rooms have a row for each layer, top first.
#[test]
fn architecture_lists_every_module_and_room_in_its_layer() {
    let layers: Vec<BTreeSet<String>> =
        LAYERS.iter().rev().map(|layer| layer.iter().map(|name| (*name).to_owned()).collect()).collect();
    assert_eq!(architecture("## Modules"), layers, "'Modules' in architecture.md, and LAYERS in tidy.rs");
    for (module, rooms) in ROOMS {
        let rooms: Vec<BTreeSet<String>> =
            rooms.iter().rev().map(|room| BTreeSet::from([(*room).to_owned()])).collect();
        let heading = format!("### Rooms of {module}");
        assert_eq!(architecture(&heading), rooms, "'{heading}' in architecture.md, and ROOMS in tidy.rs");
    }
}

/// Steps name functions as `path/of/file.rs` `function`, below src/.
#[test]
fn architecture_names_functions_that_exist() {
    let text = page("src/docs/architecture.md");
    let words: Vec<&str> = quoted(&text).collect();
    let mut named = 0;
    for (at, path) in words.iter().enumerate().filter(|(_, word)| word.ends_with(".rs") && word.contains('/'))
    {
        let code = fs::read_to_string(root().join("src").join(path.trim_start_matches("src/")));
        let code = code.unwrap_or_else(|error| panic!("architecture.md names {path}: {error}"));
        let between = format!("`{path}` `");
        let Some(function) = words.get(at + 1).filter(|next| text.contains(&format!("{between}{next}`")))
        else {
            continue;
        };
        let name = function.rsplit("::").next().unwrap();
        let defined = ["fn ", "struct ", "enum ", "trait "].iter().any(|kind| {
            code.split(kind).skip(1).any(|rest| {
                rest.strip_prefix(name)
                    .is_some_and(|rest| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_'))
            })
        });
        assert!(defined, "architecture.md names {function}, which is not in {path}");
        named += 1;
    }
    assert!(named >= 12, "only {named} functions are named");
}
