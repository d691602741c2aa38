//! Generates `src/docs/configuration.md` from the table.

use super::parameter::{Change, Kind, Parameter, environment_name};
use super::table::PARAMETERS;

/// The page as Markdown.
pub fn markdown() -> String {
    let mut out = String::from(
        "# Configuration\n\n\
         Generated from the table in `src/config/table.rs`; `UPDATE=1 cargo test --lib configuration_page` updates it.\n\n\
         Set a parameter on the command line (`--name value`), in the environment, or in a TOML file named by\n\
         `--config FILE` (`name = \"value\"`). The command line wins over the environment, the environment over the file.\n\
         `CONFIG SET` changes parameters marked *live*, until the next start. `flotilla --check-config` checks the\n\
         configuration and prints it.\n\n\
         | parameter | environment | value | default | change | meaning |\n|---|---|---|---|---|---|\n",
    );
    for parameter in PARAMETERS.iter() {
        let Parameter { name, default, help, .. } = parameter;
        let default = if default.is_empty() { "(empty)" } else { default };
        let (value, change, environment) =
            (value(parameter.kind), change(parameter.change), environment(parameter));
        let older = match parameter.alias {
            "" => String::new(),
            alias => format!(" Older name: `{alias}`."),
        };
        out.push_str(&format!(
            "| `{name}` | {environment} | {value} | `{default}` | {change} | {help}{older} |\n"
        ));
    }
    out
}

pub(super) fn value(kind: Kind) -> String {
    match kind {
        Kind::Bytes { min, max } => format!("bytes, {min} to {max}; kb, mb, gb"),
        Kind::MemoryShare => "bytes; kb, mb, gb; or 0% to 100%".to_owned(),
        Kind::Number { min, max } if max == i64::MAX => format!("number, at least {min}"),
        Kind::Number { min, max } => format!("number, {min} to {max}"),
        Kind::Bool => "yes or no".to_owned(),
        Kind::Text => "text".to_owned(),
        Kind::Secret => "secret".to_owned(),
        Kind::Choice(words) => words.join(", "),
        Kind::Addresses => "IP addresses".to_owned(),
        Kind::OutputLimit => "class hard soft seconds …".to_owned(),
        Kind::EventClasses => "letters of Ag$lshzxeKEtmdn".to_owned(),
        Kind::Clamped { min, max } => {
            format!("number, {min} to {max}; values outside become the nearest bound")
        }
        Kind::Percentiles => "numbers from 0 to 100".to_owned(),
        Kind::Only(_) => "fixed".to_owned(),
    }
}

/// Empty for a parameter that cannot be set at start.
fn environment(parameter: &Parameter) -> String {
    match parameter.change {
        Change::Start | Change::Live => format!("`{}`", environment_name(parameter.name)),
        Change::Never | Change::NoEffect | Change::Protected => String::new(),
    }
}

fn change(change: Change) -> &'static str {
    match change {
        Change::Start => "at start",
        Change::Live => "live",
        Change::Never => "never",
        Change::NoEffect => "no effect",
        Change::Protected => "no effect, protected",
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn configuration_page_is_what_the_table_says() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/src/docs/configuration.md");
        let page = super::markdown();
        if std::env::var_os("UPDATE").is_some() {
            std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/src/docs")).unwrap();
            std::fs::write(path, &page).unwrap();
        }
        let stands = std::fs::read_to_string(path).unwrap_or_default();
        assert!(stands == page, "{path} differs from the table: run this test with UPDATE=1");
    }
}
