//! `requirepass-file`: the password of the user default from a file, so that it is in no argument and no environment.
//!
//! While the parameter is set, the value of `requirepass` is the file's lines: the first is the password, further ones are valid
//! as well. A file that cannot be read, or that holds no password, changes nothing while the node runs.

use super::{Config, Values, table::find};
use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
};

/// A longer file holds no passwords.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// Each costs a hash at every AUTH.
const PASSWORDS_MAX: usize = 8;

pub(super) fn path(values: &Values) -> Option<PathBuf> {
    Some(values.get("requirepass-file")).filter(|path| !path.is_empty()).map(PathBuf::from)
}

/// The password, and those that are valid as well.
pub(super) fn passwords(values: &Values) -> (String, Vec<String>) {
    let text = values.get("requirepass");
    if path(values).is_none() {
        return (text.to_owned(), Vec::new());
    }
    let mut lines = text.lines().map(str::to_owned);
    (lines.next().unwrap_or_default(), lines.collect())
}

/// At start: the file takes the place of `requirepass`.
pub(super) fn resolve(values: &mut Values) -> Result<(), String> {
    let Some(path) = path(values) else { return Ok(()) };
    if !values.get("requirepass").is_empty() {
        return Err("give requirepass or requirepass-file, not both".into());
    }
    let lines = read(&path)?;
    find("requirepass").map_or(Ok(()), |parameter| values.set(parameter, &lines))
}

/// Lines that are not empty. The error names the file and never its content.
fn read(path: &Path) -> Result<String, String> {
    let bad = |why: String| format!("requirepass-file: {}: {why}", path.display());
    let mut text = String::new();
    let file = File::open(path).map_err(|error| bad(error.to_string()))?;
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(|error| bad(error.to_string()))?;
    let lines: Vec<&str> = text.lines().filter(|line| !line.is_empty()).collect();
    match lines.len() {
        0 => Err(bad("it holds no password".into())),
        1..=PASSWORDS_MAX => Ok(lines.join("\n")),
        count => Err(bad(format!("it holds {count} passwords, more than {PASSWORDS_MAX}"))),
    }
}

impl Config {
    /// Reads the file again; whether the passwords have changed.
    pub fn reload_password(&self) -> Result<bool, String> {
        let Some(path) = self.settings().requirepass_file.clone() else { return Ok(false) };
        self.replace_password(&read(&path)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn values(path: &Path, password: &str) -> Values {
        let mut values = Values::default();
        for (name, value) in [("requirepass-file", path.to_str().unwrap()), ("requirepass", password)] {
            values.set(find(name).unwrap(), value).unwrap();
        }
        values
    }

    #[test]
    fn a_file_gives_the_password_and_is_followed() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("password");
        let refused = |text: &str| {
            fs::write(&path, text).unwrap();
            resolve(&mut values(&path, "")).unwrap_err()
        };
        assert!(refused("\n\n").contains("no password"));
        let many = refused(&"hunter2\n".repeat(9));
        assert!(many.contains("more than 8") && !many.contains("hunter2"), "{many}");
        fs::write(&path, "mauve-a\n").unwrap();
        assert!(resolve(&mut values(&path, "x")).unwrap_err().contains("not both"));
        let mut values = values(&path, "");
        resolve(&mut values).unwrap();
        let config = Config::new(values).unwrap();
        assert_eq!(config.settings().requirepass, "mauve-a");
        assert_eq!(config.reload_password(), Ok(false));
        fs::write(&path, "mauve-b\nmauve-a\n").unwrap();
        assert_eq!(config.reload_password(), Ok(true));
        let settings = config.settings();
        assert_eq!(
            (settings.requirepass.as_str(), &settings.requirepass_also[..]),
            ("mauve-b", &["mauve-a".to_owned()][..])
        );
        fs::write(&path, "").unwrap();
        assert!(config.reload_password().is_err());
        assert_eq!(config.settings().requirepass, "mauve-b", "an empty file changes nothing");
        assert!(!format!("{:?}", config.show()).contains("mauve"));
    }
}
