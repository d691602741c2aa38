//! The command line, the environment and the file, all read through the table.

use super::{
    Settings, Values,
    parameter::{Change, Kind, environment_name},
    table::{PARAMETERS, find},
};
use clap::{Arg, ArgAction, Command};
use std::{ffi::OsString, path::Path};

/// What the command line asked for.
#[derive(Debug)]
pub struct Parsed {
    pub values: Values,
    /// `--check-config`: say whether the configuration is valid, and stop.
    pub check_only: bool,
}

/// Reads everything; `environment` looks a variable up. The error is for the terminal and may be clap's help.
pub fn parse(
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Parsed, clap::Error> {
    let mut program = program();
    let matches = program.try_get_matches_from_mut(arguments)?;
    let is_edge = matches.subcommand_name() == Some("edge");
    let matches = matches.subcommand().filter(|(name, _)| is_role(name)).map_or(&matches, |(_, own)| own);
    let mut fail = |text: String| program.error(clap::error::ErrorKind::ValueValidation, text);
    let mut values = Values::default();
    let file = matches.get_one::<String>("config").cloned().or_else(|| environment("FLOTILLA_CONFIG"));
    if let Some(file) = file {
        read_file(Path::new(&file), &mut values).map_err(&mut fail)?;
    }
    for parameter in PARAMETERS.iter().filter(|parameter| settable(parameter.change)) {
        let variable = environment_name(parameter.name);
        if let Some(value) = environment(&variable) {
            values.set(parameter, &value).map_err(|why| fail(format!("{variable}: {why}")))?;
        }
        if let Some(value) = matches.get_one::<String>(parameter.name) {
            values.set(parameter, value).map_err(|why| fail(format!("--{}: {why}", parameter.name)))?;
        }
    }
    if let Some(role) = find("role").filter(|_| is_edge) {
        values.set(role, "edge").map_err(&mut fail)?;
    }
    let settings = Settings::new(&values).map_err(&mut fail)?;
    if let Some(danger) = settings.danger() {
        return Err(fail(danger));
    }
    Ok(Parsed { values, check_only: matches.get_flag("check-config") })
}

fn is_role(subcommand: &str) -> bool {
    matches!(subcommand, "core" | "edge")
}

/// Parameters without effect are for CONFIG only.
fn settable(change: Change) -> bool {
    match change {
        Change::Start | Change::Live => true,
        Change::Never | Change::NoEffect | Change::Protected => false,
    }
}

fn program() -> Command {
    let core = with_parameters(Command::new("core").about("Run a core node (the default)"));
    with_parameters(
        Command::new("flotilla")
            .version(env!("CARGO_PKG_VERSION"))
            .about("A Redis-protocol store that puts one consistent data set everywhere")
            .after_help("Every option can also be set in the environment (FLOTILLA_DATA_DIR for --data-dir) and in a TOML file."),
    )
    .subcommand(core)
    .subcommand(with_parameters(Command::new("edge").about(
        "Run a node of an edge site: a live copy of a core that answers reads (--site NAME --upstream HOST:PEER-PORT)",
    )))
    .subcommand(Command::new("admin").about("Look at a core and change which nodes it has (flotilla admin --help)"))
    .subcommand(Command::new("import").about("Put the keys of an RDB file into a running node (flotilla import --help)"))
    .subcommand(Command::new("export").about("Write the keys of a running node to an RDB file (flotilla export --help)"))
}

fn with_parameters(command: Command) -> Command {
    let own = [
        Arg::new("config").long("config").value_name("FILE").help("TOML file with parameters"),
        Arg::new("check-config")
            .long("check-config")
            .action(ArgAction::SetTrue)
            .help("Check the configuration, show it and exit"),
    ];
    let parameters = PARAMETERS.iter().filter(|parameter| settable(parameter.change)).map(|parameter| {
        let default = if parameter.default.is_empty() { "none" } else { parameter.default };
        let value_name = match parameter.kind {
            Kind::Bytes { .. } => "BYTES",
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
            .value_name(value_name)
            .help(format!("{} [default: {default}]", parameter.help))
    });
    command.args(own).args(parameters)
}

fn read_file(path: &Path, values: &mut Values) -> Result<(), String> {
    let name = path.display();
    let text = std::fs::read_to_string(path).map_err(|error| format!("{name}: {error}"))?;
    let table: toml::Table = text.parse().map_err(|error: toml::de::Error| {
        // Its own text repeats the line, which may hold a secret.
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        let line = before.matches('\n').count().saturating_add(1);
        format!("{name}: line {line}: {}", error.message())
    })?;
    for (key, value) in table {
        let parameter = find(&key)
            .filter(|parameter| settable(parameter.change))
            .ok_or_else(|| format!("{name}: unknown parameter '{key}'"))?;
        let text = match value {
            toml::Value::String(text) => text,
            toml::Value::Integer(number) => number.to_string(),
            toml::Value::Boolean(yes) => if yes { "yes" } else { "no" }.to_owned(),
            toml::Value::Array(items) => {
                let words: Option<Vec<&str>> = items.iter().map(toml::Value::as_str).collect();
                words.ok_or_else(|| format!("{name}: {key}: only texts may stand in a list"))?.join(" ")
            }
            other => {
                return Err(format!("{name}: {key}: {} is not possible here", other.type_str()));
            }
        };
        values.set(parameter, &text).map_err(|why| format!("{name}: {key}: {why}"))?;
    }
    Ok(())
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
    fn a_mistake_in_the_file_is_told_without_its_line() {
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
