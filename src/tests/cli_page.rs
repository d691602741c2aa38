//! `src/docs/cli.md`: every subcommand with its arguments, as the program has them.

use crate::{admin, backup, manual, top, transfer};
use clap::{Arg, Command};
use std::fmt::Write;

const HEAD: &str = "\
# Command line\n\n\
Generated from the program; `UPDATE=1 cargo test --lib cli_page` updates it.\n\n\
`flotilla` runs a node of a core, `flotilla edge` a node of an edge site; both take the parameters of [configuration](configuration.md), and\n\
`--check-config`. The other subcommands work on a node that runs, or on files.\n";

/// A cell of a table.
fn cell(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|").replace('<', "&lt;")
}

fn usage(arg: &Arg) -> String {
    let values: Vec<String> =
        arg.get_value_names().into_iter().flatten().map(|name| format!(" {name}")).collect();
    let values = if arg.get_action().takes_values() { values.concat() } else { String::new() };
    match arg.get_long() {
        Some(long) => format!("--{long}{values}"),
        None => values.trim().to_owned(),
    }
}

fn describe(command: &Command, name: &str, out: &mut String) {
    let _ = writeln!(out, "\n## {name}\n");
    for text in [command.get_about(), command.get_after_help()].into_iter().flatten() {
        let _ = writeln!(out, "{}.\n", cell(&text.to_string()).trim_end_matches('.'));
    }
    let mut args = command.get_arguments().filter(|arg| !arg.is_hide_set()).peekable();
    if args.peek().is_some() {
        out.push_str("| argument | default | meaning |\n|---|---|---|\n");
        for arg in args {
            let defaults: Vec<String> = arg
                .get_default_values()
                .iter()
                .filter(|_| arg.get_action().takes_values())
                .map(|value| format!("`{}`", value.to_string_lossy()))
                .collect();
            let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
            let variable = arg.get_env().map(|name| format!(" Environment: `{}`.", name.to_string_lossy()));
            let must = if arg.is_required_set() { " Required." } else { "" };
            let help =
                format!("{}.{must}{}", cell(&help).trim_end_matches('.'), variable.unwrap_or_default());
            let _ = writeln!(out, "| `{}` | {} | {help} |", usage(arg), defaults.join(" "));
        }
    }
    for sub in command.get_subcommands().filter(|sub| !sub.is_hide_set()) {
        describe(sub, &format!("{name} {}", sub.get_name()), out);
    }
}

fn markdown() -> String {
    let mut out = HEAD.to_owned();
    let programs = [admin::program()]
        .into_iter()
        .chain(backup::programs())
        .chain(transfer::programs())
        .chain([top::program()])
        .chain(manual::programs());
    for program in programs {
        describe(&program, &format!("flotilla {}", program.get_name()), &mut out);
    }
    out
}

#[test]
fn cli_page_is_what_the_program_says() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/docs/cli.md");
    let page = markdown();
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let stands = std::fs::read_to_string(path).unwrap_or_default();
    assert!(stands == page, "{path} differs from the program: run this test with UPDATE=1");
    for name in ["## flotilla admin status", "## flotilla restore", "## flotilla import", "`--retry-for"] {
        assert!(page.contains(name), "{name}");
    }
}
