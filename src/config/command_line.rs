//! Reads the command line, the environment and the configuration file through the table.

use super::{
    Settings, Values,
    parameter::{Change, Kind, environment_name},
    password_file,
    table::{PARAMETERS, find},
};
use clap::{Arg, ArgAction, ArgMatches, Command};
use std::{ffi::OsString, path::Path};

/// The result of reading the command line.
#[derive(Debug)]
pub struct Parsed {
    pub values: Values,
    /// `--check-config`: check the configuration, print it and exit.
    pub check_only: bool,
    /// Older names that were used, as (older, current), each in the form of its source.
    pub older_names: Vec<(String, String)>,
}

/// Which of these programs a command line is of (`flotilla backup …`), and what it says; `None`: it is of none. Where it is wrong, or
/// asks for help, clap says so and the process ends.
pub fn subcommand(
    arguments: &[OsString],
    programs: impl IntoIterator<Item = Command>,
) -> Option<(String, ArgMatches)> {
    let word = arguments.get(1)?.to_str()?;
    let program = programs.into_iter().find(|program| program.get_name() == word)?;
    let matches = program.try_get_matches_from(arguments.iter().skip(1)).unwrap_or_else(|error| error.exit());
    Some((word.to_owned(), matches))
}

/// Reads everything; `environment` looks up a variable. The error goes to the terminal and may be clap's help.
pub fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Parsed, clap::Error> {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let mut older_names = older_arguments(&arguments);
    let mut program = program();
    let matches = program.try_get_matches_from_mut(arguments)?;
    let is_edge = matches.subcommand_name() == Some("edge");
    let matches = matches.subcommand().filter(|(name, _)| is_role(name)).map_or(&matches, |(_, own)| own);
    let mut fail = |text: String| program.error(clap::error::ErrorKind::ValueValidation, text);
    let mut values = Values::default();
    let file = matches.get_one::<String>("config").cloned().or_else(|| environment("FLOTILLA_CONFIG"));
    if let Some(file) = file {
        older_names.extend(read_file(Path::new(&file), &mut values).map_err(&mut fail)?);
    }
    for parameter in PARAMETERS.iter().filter(|parameter| settable(parameter.change)) {
        let current = environment_name(parameter.name);
        // The current name comes last, so it wins.
        for name in [parameter.alias, parameter.name].into_iter().filter(|name| !name.is_empty()) {
            let variable = environment_name(name);
            let Some(value) = environment(&variable) else { continue };
            values.set(parameter, &value).map_err(|why| fail(format!("{variable}: {why}")))?;
            if variable != current {
                older_names.push((variable, current.clone()));
            }
        }
        if let Some(value) = matches.get_one::<String>(parameter.name) {
            values.set(parameter, value).map_err(|why| fail(format!("--{}: {why}", parameter.name)))?;
        }
    }
    if let Some(role) = find("role").filter(|_| is_edge) {
        values.set(role, "edge").map_err(&mut fail)?;
    }
    password_file::resolve(&mut values).map_err(&mut fail)?;
    let settings = Settings::new(&values).map_err(&mut fail)?;
    if let Some(danger) = settings.danger() {
        return Err(fail(danger));
    }
    Ok(Parsed { values, check_only: matches.get_flag("check-config"), older_names })
}

/// Options given by an older name, with the current one.
fn older_arguments(arguments: &[OsString]) -> Vec<(String, String)> {
    let names = arguments.iter().filter_map(|argument| argument.to_str()?.strip_prefix("--"));
    let names = names.map(|option| option.split('=').next().unwrap_or_default());
    names
        .filter_map(|name| older(name).map(|current| (format!("--{name}"), format!("--{current}"))))
        .collect()
}

/// The current name of a parameter that can be set at start, if `name` is its older one.
fn older(name: &str) -> Option<&'static str> {
    let parameter = find(name).filter(|parameter| settable(parameter.change))?;
    (!parameter.name.eq_ignore_ascii_case(name)).then_some(parameter.name)
}

fn is_role(subcommand: &str) -> bool {
    matches!(subcommand, "core" | "edge")
}

/// Parameters without effect exist for CONFIG only.
fn settable(change: Change) -> bool {
    match change {
        Change::Start | Change::Live => true,
        Change::Never | Change::NoEffect | Change::Protected => false,
    }
}

/// The command line of a node. Other subcommands are named in it; their modules read them.
pub fn program() -> Command {
    let core = with_parameters(Command::new("core").about("Run a core node (the default)"));
    with_parameters(
        Command::new("flotilla")
            .version(env!("CARGO_PKG_VERSION"))
            .about("A Redis-protocol store that puts one consistent data set everywhere")
            .after_help("Every option can also be set in the environment (FLOTILLA_DATA_DIR for --data-dir) or in a TOML file (--config)."),
    )
    .subcommand(core)
    .subcommand(with_parameters(Command::new("edge").about(
        "Run an edge node: a live copy of a core that answers reads locally (--site NAME --upstream HOST:PEER-PORT)",
    )))
    .subcommand(Command::new("admin").about("Inspect a core or an edge, and change the core's members (flotilla admin --help)"))
    .subcommand(Command::new("backup").about("List, verify and delete backups in an object store (flotilla backup --help)"))
    .subcommand(Command::new("top").about("Watch the nodes in a terminal (flotilla top --help)"))
    .subcommand(Command::new("restore").about("Make a data directory from a backup (flotilla restore --help)"))
    .subcommand(Command::new("import").about("Import the keys of an RDB file into a running node (flotilla import --help)"))
    .subcommand(Command::new("export").about("Export the keys of a running node to an RDB file (flotilla export --help)"))
    .subcommand(Command::new("completion").about("Print a completion script for a shell (flotilla completion --help)"))
    .subcommand(Command::new("man").about("Write the manual pages (flotilla man --help)"))
}

fn with_parameters(command: Command) -> Command {
    let own = [
        Arg::new("config").long("config").value_name("FILE").help("TOML file with parameters"),
        Arg::new("check-config")
            .long("check-config")
            .action(ArgAction::SetTrue)
            .help("Check the configuration, print it and exit"),
    ];
    let parameters = PARAMETERS.iter().filter(|parameter| settable(parameter.change)).map(|parameter| {
        let default = if parameter.default.is_empty() { "none" } else { parameter.default };
        let value_name = match parameter.kind {
            Kind::Bytes { .. } => "BYTES",
            Kind::MemoryShare => "BYTES|N%",
            Kind::Number { .. } | Kind::Clamped { .. } => "N",
            Kind::Bool => "yes|no",
            Kind::Addresses => "IP",
            Kind::Choice(_) => "WORD",
            Kind::Text
            | Kind::Secret
            | Kind::OutputLimit
            | Kind::EventClasses
            | Kind::Percentiles
            | Kind::Only(_) => "TEXT",
        };
        Arg::new(parameter.name)
            .long(parameter.name)
            .aliases(Some(parameter.alias).filter(|alias| !alias.is_empty()))
            .value_name(value_name)
            .help(format!("{} [default: {default}]", parameter.help))
    });
    command.args(own).args(parameters)
}

/// Reads a file. The result is the older names that it uses, with the current ones.
fn read_file(path: &Path, values: &mut Values) -> Result<Vec<(String, String)>, String> {
    let mut older_names = Vec::new();
    let name = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        // The error's own text quotes the line, which may hold a secret.
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count().saturating_add(1);
        format!("{name}: line {line}: {}", error.message())
    })?;
    let given: Vec<String> = table.keys().cloned().collect();
    for (key, value) in table {
        let parameter = find(&key)
            .filter(|parameter| settable(parameter.change))
            .ok_or_else(|| format!("{name}: unknown parameter '{key}'"))?;
        if let Some(current) = older(&key) {
            if given.iter().any(|name| name == current) {
                return Err(format!("{name}: {key} is the older name of {current}; give only one of them"));
            }
            older_names.push((key.clone(), current.to_owned()));
        }
        let text = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(yes) => if yes { "yes" } else { "no" }.to_owned(),
            toml::Value::Array(items) => {
                let words: Option<Vec<&str>> = items.iter().map(toml::Value::as_str).collect();
                words.ok_or_else(|| format!("{name}: {key}: a list may hold only strings"))?.join(" ")
            }
            other => {
                return Err(format!("{name}: {key}: a {} is not a valid value", other.type_str()));
            }
        };
        values.set(parameter, &text).map_err(|why| format!("{name}: {key}: {why}"))?;
    }
    Ok(older_names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn run(arguments: &[&str], variables: &[(&str, &str)]) -> Result<Parsed, String> {
        let arguments = std::iter::once("flotilla").chain(arguments.iter().copied()).map(OsString::from);
        parse(arguments, |name| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned()))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn flag_beats_environment_beats_file_beats_default() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "port = 1111\nmaxclients = 5\ntimeout = \"7\"\nbind = [\"127.0.0.1\", \"::1\"]")
            .unwrap();
        let path = file.path().to_str().unwrap();
        let parsed = run(
            &["core", "--config", path, "--port", "3333"],
            &[("FLOTILLA_PORT", "2222"), ("FLOTILLA_MAXCLIENTS", "6")],
        )
        .unwrap();
        let settings = Settings::new(&parsed.values).unwrap();
        assert_eq!(
            (settings.port, settings.maxclients, settings.timeout_seconds, settings.tcp_backlog),
            (3333, 6, 7, 511)
        );
        assert_eq!(settings.bind.len(), 2);
        assert!(!parsed.check_only);
    }

    #[test]
    fn an_older_name_is_accepted_and_reported() {
        let file = |text: &str| {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            file.write_all(text.as_bytes()).unwrap();
            file
        };
        let older = file("edge-seeds-max = 5");
        for (arguments, variables, name) in [
            (&["--edge-seeds-max", "5"][..], &[][..], "--edge-seeds-max"),
            (&["core", "--edge-seeds-max=5"], &[], "--edge-seeds-max"),
            (&[], &[("FLOTILLA_EDGE_SEEDS_MAX", "5")], "FLOTILLA_EDGE_SEEDS_MAX"),
            (&["--config", older.path().to_str().unwrap()], &[], "edge-seeds-max"),
        ] {
            let parsed = run(arguments, variables).unwrap();
            assert_eq!(parsed.values.get("edge-bootstraps-max"), "5", "{name}");
            let older: Vec<&str> = parsed.older_names.iter().map(|(older, _)| older.as_str()).collect();
            assert_eq!(older, [name]);
            assert!(
                parsed.older_names[0]
                    .1
                    .to_ascii_lowercase()
                    .replace('_', "-")
                    .ends_with("edge-bootstraps-max")
            );
        }
        let both = [("FLOTILLA_EDGE_SEEDS_MAX", "5"), ("FLOTILLA_EDGE_BOOTSTRAPS_MAX", "6")];
        assert_eq!(run(&[], &both).unwrap().values.get("edge-bootstraps-max"), "6");
        assert!(run(&["--edge-bootstraps-max", "6"], &[]).unwrap().older_names.is_empty());
        let both = file("edge-bootstraps-max = 6\nedge-seeds-max = 5");
        let error = run(&["--config", both.path().to_str().unwrap()], &[]).unwrap_err();
        assert!(error.contains("older name"), "{error}");
    }

    #[test]
    fn a_mistake_in_the_file_is_reported_without_its_line() {
        for line in [
            "requirepass = hunter2",
            "requirepass = \"hunter2",
            "requirepass = 'hunter2' 'x'",
            "requirepass hunter2",
        ] {
            let mut file = tempfile::NamedTempFile::new().unwrap();
            writeln!(file, "port = 1\n{line}").unwrap();
            let error = run(&["--config", file.path().to_str().unwrap()], &[]).unwrap_err();
            assert!(error.contains("line 2") && !error.contains("hunter2"), "{error}");
        }
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "requirepass = [\"hunter2\", 3]").unwrap();
        let error = run(&["--config", file.path().to_str().unwrap()], &[]).unwrap_err();
        assert!(error.contains("requirepass") && !error.contains("hunter2"), "{error}");
    }

    #[test]
    fn mistakes_are_named() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        writeln!(file, "prot = 1").unwrap();
        let path = file.path().to_str().unwrap();
        for (arguments, variables, word) in [
            (&["--config", path][..], &[][..], "unknown parameter 'prot'"),
            (&["--port", "70000"], &[], "--port"),
            (&[], &[("FLOTILLA_PORT", "x")], "FLOTILLA_PORT"),
            (&["--bind", "0.0.0.0"], &[], "without a password"),
            (&["--bogus"], &[], "--bogus"),
            (&["edge", "--site", "fra"], &[], "upstream"),
            (&["edge", "--site", "fra", "--upstream", "10.0.0.1:7379"], &[], "without TLS"),
        ] {
            let error = run(arguments, variables).unwrap_err();
            assert!(error.contains(word), "{error}");
        }
        assert!(run(&["--bind", "0.0.0.0", "--requirepass", "secret"], &[]).is_ok());
        assert!(run(&["--bind", "0.0.0.0", "--protected-mode", "no"], &[]).is_ok());
        assert!(run(&["--check-config"], &[]).unwrap().check_only);
    }
}
