//! Manual pages of section 1: one for `flotilla`, one for each subcommand, named like it with hyphens.

use clap::Command;
use clap_mangen::{
    Man,
    roff::{Roff, bold, roman},
};
use std::{
    env, fs, io,
    path::Path,
    time::{Duration, UNIX_EPOCH},
};

const SECTION: &str = "1";
/// Of which reproducible builds take the date, see reproducible-builds.org.
const DATE: &str = "SOURCE_DATE_EPOCH";

/// The day that the environment gives.
pub(super) fn date() -> io::Result<Option<String>> {
    let Ok(text) = env::var(DATE) else { return Ok(None) };
    day(&text)
        .map(Some)
        .ok_or_else(|| io::Error::other(format!("{DATE}='{text}' is no number of seconds since 1970")))
}

/// `2026-11-30` of seconds since 1970.
pub(super) fn day(seconds: &str) -> Option<String> {
    const YEAR_10000: u64 = 253_402_300_800;
    let seconds = seconds.parse::<u64>().ok().filter(|seconds| *seconds < YEAR_10000)?;
    let moment =
        humantime::format_rfc3339_seconds(UNIX_EPOCH.checked_add(Duration::from_secs(seconds))?).to_string();
    moment.split('T').next().map(str::to_owned)
}

/// Writes all pages.
pub(super) fn write(program: Command, directory: &Path, date: Option<&str>) -> io::Result<()> {
    fs::create_dir_all(directory)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", directory.display())))?;
    // A page for `help` would say nothing.
    let mut program = program.disable_help_subcommand(true);
    program.build();
    write_below(&program, directory, date)
}

fn write_below(program: &Command, directory: &Path, date: Option<&str>) -> io::Result<()> {
    let path = directory.join(format!("{}.{SECTION}", name_of(program)));
    fs::write(&path, page(program, date)?)
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
    program
        .get_subcommands()
        .filter(|sub| !sub.is_hide_set())
        .try_for_each(|sub| write_below(sub, directory, date))
}

/// `flotilla-admin-status`.
pub(super) fn name_of(program: &Command) -> &str {
    program.get_display_name().unwrap_or_else(|| program.get_name())
}

fn page(program: &Command, date: Option<&str>) -> io::Result<Vec<u8>> {
    let name = name_of(program).to_owned();
    let man = Man::new(program.clone())
        .title(name.to_uppercase())
        .section(SECTION)
        .date(date.unwrap_or_default())
        .source(concat!("Flotilla ", env!("CARGO_PKG_VERSION")))
        .manual("Flotilla Manual");
    let mut out = Vec::new();
    man.render_title(&mut out)?;
    man.render_name_section(&mut out)?;
    // clap_mangen's own would list all options, of which a node has more than a hundred.
    let usage = program.clone().render_usage().to_string();
    let usage = usage.trim_start_matches("Usage:").split_whitespace().collect::<Vec<_>>().join(" ");
    let mut synopsis = Roff::default();
    synopsis.control("SH", ["SYNOPSIS"]).text([bold(usage)]);
    synopsis.to_writer(&mut out)?;
    man.render_description_section(&mut out)?;
    if program.get_arguments().any(|arg| !arg.is_hide_set()) {
        man.render_options_section(&mut out)?;
    }
    if program.get_subcommands().any(|sub| !sub.is_hide_set()) {
        man.render_subcommands_section(&mut out)?;
    }
    let mut rest = Roff::default();
    if let Some(text) = program.get_after_help() {
        rest.control("SH", ["NOTES"]).text([roman(text.to_string())]);
    }
    let is_whole = !name.contains('-');
    if is_whole {
        files(&mut rest);
    }
    rest.control("SH", ["SEE ALSO"]);
    let mut others: Vec<&str> =
        program.get_subcommands().filter(|sub| !sub.is_hide_set()).map(name_of).collect();
    if !is_whole {
        others.insert(0, "flotilla");
    }
    let last = others.len().saturating_sub(1);
    for (at, other) in others.into_iter().enumerate() {
        let behind = if at == last { "" } else { "," };
        rest.text([bold(other), roman(format!("({SECTION}){behind}"))]);
    }
    rest.to_writer(&mut out)?;
    Ok(tidied(&String::from_utf8_lossy(&out)).into_bytes())
}

/// Each section comes with the same definitions of what an apostrophe is, and possible values behind breaks and an empty line, of which
/// one break is enough.
fn tidied(page: &str) -> String {
    let (definitions, text) = page.split_at(page.find(".TH").unwrap_or(0));
    let is_definition = |line: &&str| definitions.lines().any(|definition| definition == *line);
    let lines = text.lines().filter(|line| !line.is_empty() && !is_definition(line));
    let mut out = definitions.to_owned();
    for line in lines {
        if !(line == ".br" && out.ends_with("\n.br\n")) {
            out.push_str(line);
            out.push('\n');
        }
    }
    out
}

/// Where the Debian package has them.
fn files(page: &mut Roff) {
    page.control("SH", ["FILES"]);
    for (path, what) in [
        (
            "/etc/flotilla/flotilla.toml",
            "Parameters of the service flotilla.service, name = \"value\" on each line.",
        ),
        (
            "/var/lib/flotilla/data",
            "Its data directory. One node owns it; it must be on a disk whose fsync is honest.",
        ),
    ] {
        page.control("TP", []).text([bold(path)]).text([roman(what)]);
    }
}
