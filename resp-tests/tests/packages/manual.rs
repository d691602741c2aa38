//! `flotilla man` and `flotilla completion`, compared with what `--help` says.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::{flotilla, run, text};

/// The words of `--help` of a command: options, and subcommands but for `help`.
struct Help {
    options: BTreeSet<String>,
    subcommands: Vec<String>,
}

fn help(path: &[String]) -> Help {
    let words: Vec<&str> = path.iter().map(String::as_str).chain(["--help"]).collect();
    let output = flotilla(&words);
    assert!(output.status.success(), "{words:?}");
    let said = text(&output.stdout);
    let (mut options, mut subcommands, mut section) = (BTreeSet::new(), Vec::new(), "");
    for line in said.lines() {
        match line {
            "Commands:" | "Options:" | "Arguments:" => section = line,
            _ if !line.starts_with(' ') && !line.is_empty() => section = "",
            _ => {}
        }
        let bare = line.trim_start();
        let indent = line.len() - bare.len();
        match section {
            // Under each stands what it is for, further in.
            "Commands:" if indent == 2 => subcommands.extend(bare.split(' ').next().map(str::to_owned)),
            "Options:" if bare.starts_with('-') && indent <= 6 => {
                let word = bare.split([' ', ',']).find(|word| word.starts_with("--"));
                options.extend(word.map(str::to_owned));
            }
            _ => {}
        }
    }
    subcommands.retain(|name| name != "help");
    Help { options, subcommands }
}

/// A page as a reader with a very wide terminal sees it.
fn rendered(page: &Path) -> String {
    let mut man = Command::new("man");
    man.args(["--no-hyphenation", "--no-justification", "--warnings", "--encoding=UTF-8", "--local-file"])
        .arg(page);
    man.envs([("MANWIDTH", "1000"), ("LC_ALL", "C.UTF-8"), ("MAN_KEEP_FORMATTING", ""), ("PAGER", "cat")]);
    run(&mut man)
}

fn compare(path: &[String], pages: &Path, seen: &mut BTreeSet<String>) {
    let name = [&["flotilla".to_owned()], path].concat().join("-");
    let page = pages.join(format!("{name}.1"));
    assert!(page.exists(), "there is no page {name}");
    let shown = rendered(&page);
    let help = help(path);
    assert!(!help.options.is_empty(), "{name}");
    let words: BTreeSet<&str> = shown.split(|c: char| c.is_whitespace() || "[],=".contains(c)).collect();
    for option in &help.options {
        assert!(words.contains(option.as_str()), "{name}: {option} is not on its page\n{shown}");
    }
    for sub in &help.subcommands {
        assert!(shown.contains(&format!("{name}-{sub}(1)")), "{name}: {sub} is not on its page");
        compare(&[path, std::slice::from_ref(sub)].concat(), pages, seen);
    }
    seen.insert(format!("{name}.1"));
}

#[test]
fn manual_pages_have_every_subcommand_and_option_of_help() {
    let home = tempfile::tempdir().unwrap();
    let pages = home.path().join("man1");
    let made = flotilla(&["man", pages.to_str().unwrap()]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let mut seen = BTreeSet::new();
    compare(&[], &pages, &mut seen);
    assert!(seen.len() > 30, "{seen:?}");
    let all: BTreeSet<String> = fs::read_dir(&pages)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert_eq!(all, seen, "pages that no --help names");
}

#[test]
fn manual_pages_are_sound_and_repeatable() {
    let home = tempfile::tempdir().unwrap();
    let make = |name: &str| {
        let mut command = Command::new(resp_tests::server::Program::product().path);
        run(command.env("SOURCE_DATE_EPOCH", "1764490500").arg("man").arg(home.path().join(name)));
    };
    make("one");
    make("two");
    run(Command::new("diff").arg("-r").args(["one", "two"].map(|name| home.path().join(name))));
    let mut pages: Vec<_> =
        fs::read_dir(home.path().join("one")).unwrap().map(|entry| entry.unwrap().path()).collect();
    pages.sort();
    let complaints = run(Command::new("mandoc").args(["-T", "lint", "-W", "warning"]).args(&pages));
    assert_eq!(complaints, "");
    for page in &pages {
        let groff = run(Command::new("groff").args(["-man", "-ww", "-z", "-Kutf8", "-Tutf8"]).arg(page));
        assert_eq!(groff, "", "{}", page.display());
    }
}

fn script(shell: &str, home: &Path) -> String {
    let made = flotilla(&["completion", shell]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let path = home.join(shell);
    fs::write(&path, made.stdout).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn bash_completes() {
    let home = tempfile::tempdir().unwrap();
    let script = script("bash", home.path());
    let said = run(Command::new("bash").args(["-euc", &format!("source {script}; complete -p flotilla")]));
    assert!(said.contains("-F _flotilla flotilla"), "{said}");
    // As readline asks: the word, the one before it, all words.
    for (line, expected) in [
        ("flotilla adm", "admin"),
        ("flotilla admin tr", "transfer-leader"),
        ("flotilla admin upgrade f", "finish"),
        ("flotilla restore --to-r", "--to-revision"),
        ("flotilla edge --upstream-d", "--upstream-discovery"),
    ] {
        let words: Vec<&str> = line.split(' ').collect();
        let at = words.len() - 1;
        let ask = format!(
            "source {script}; COMP_WORDS=({line}); COMP_CWORD={at}; COMP_LINE='{line}'; COMP_POINT=${{#COMP_LINE}}; \
             _flotilla flotilla '{}' '{}'; echo \"${{COMPREPLY[@]}}\"",
            words[at],
            words[at - 1]
        );
        assert_eq!(run(Command::new("bash").args(["-c", &ask])).trim(), expected, "{line}");
    }
}

#[test]
fn fish_and_zsh_complete() {
    let home = tempfile::tempdir().unwrap();
    let fish = script("fish", home.path());
    let ask = format!("source {fish}; complete -C 'flotilla admin tr'");
    let said = run(Command::new("fish").args(["--no-config", "--command", &ask]).env("HOME", home.path()));
    assert!(said.starts_with("transfer-leader\t"), "{said}");
    let zsh = script("zsh", home.path());
    run(Command::new("zsh").args(["--no-rcs", "-n", &zsh]));
    assert!(fs::read_to_string(zsh).unwrap().starts_with("#compdef flotilla\n"));
}
