//! The identity on disk: JSON whose last field is a checksum of everything before it.

use super::identity::Identity;
use crate::{checked, replication::wal::LogError};
use serde::Deserialize;
use std::{fs, io, path::Path};

pub const FORMAT_VERSION: u32 = 1;

pub fn load(path: &Path) -> Result<Option<Identity>, LogError> {
    let text = match fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(LogError::io("read", path)(error)),
    };
    // The version is read by itself first: a newer file may have fields unknown to this program.
    #[derive(Deserialize)]
    struct Version {
        format_version: u32,
    }
    let damaged = |error: serde_json::Error| LogError::damaged(path, 0, error.to_string());
    // Before anything in it counts, its format version included.
    if let Some((text, sum)) = sealed(&text)
        && sum != sum_of(text).as_bytes()
    {
        return Err(LogError::damaged(path, 0, "its checksum is wrong"));
    }
    let Version { format_version } = serde_json::from_slice(&text).map_err(damaged)?;
    if format_version > FORMAT_VERSION {
        return Err(LogError::Newer {
            path: path.to_path_buf(),
            found: format_version,
            known: FORMAT_VERSION,
        });
    }
    serde_json::from_slice(&text).map(Some).map_err(damaged)
}

/// The text before the checksum.
const BEFORE_SUM: &[u8] = b",\n  \"checksum\": \"";

fn sum_of(text: &[u8]) -> String {
    format!("{:08x}", crc32c::crc32c(text))
}

/// The text that the checksum covers, and the checksum; `None`: it was written before there was one.
fn sealed(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = text.windows(BEFORE_SUM.len()).rposition(|window| window == BEFORE_SUM)?;
    let (covered, rest) = text.split_at_checked(at)?;
    Some((covered, rest.get(BEFORE_SUM.len()..)?.split(|byte| *byte == b'"').next()?))
}

pub fn save(directory: &Path, identity: &Identity) -> Result<(), LogError> {
    let path = directory.join("IDENTITY");
    let write = || -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(identity)?;
        // Its last two bytes close it.
        text.truncate(text.len().saturating_sub(2));
        let sum = sum_of(&text);
        text.extend_from_slice(BEFORE_SUM);
        text.extend_from_slice(format!("{sum}\"\n}}\n").as_bytes());
        checked::replace_file(&path, &text)
    };
    write().map_err(LogError::io("create", &path))
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::replication::directory::identity::DataDirectory;

    /// As a program wrote it that knew of no checksum.
    pub fn without_checksum(text: &str) -> String {
        let (covered, _) = sealed(text.as_bytes()).unwrap();
        format!("{}\n}}\n", std::str::from_utf8(covered).unwrap())
    }

    #[test]
    fn an_identity_that_was_changed_is_refused_wherever_that_is() {
        let home = tempfile::tempdir().unwrap();
        let open = || DataDirectory::open(home.path(), "a", false);
        let known = open().unwrap().identity;
        let file = home.path().join("IDENTITY");
        let text = fs::read(&file).unwrap();
        for at in 0..text.len() {
            let mut changed = text.clone();
            // Another letter or digit.
            changed[at] ^= 1;
            fs::write(&file, changed).unwrap();
            match open() {
                Err(error) => assert!(error.to_string().contains("IDENTITY is damaged"), "{error}"),
                // Of the checksum's own name, or of white space.
                Ok(read) => assert_eq!(read.identity, known, "at {at}"),
            }
        }
        for id in [&known.history_id, &known.cluster_id] {
            let other = id.replace(|c: char| c.is_ascii_digit(), "a");
            fs::write(&file, String::from_utf8(text.clone()).unwrap().replace(id, &other)).unwrap();
            assert!(open().is_err());
        }
        let old = without_checksum(std::str::from_utf8(&text).unwrap());
        fs::write(&file, old).unwrap();
        assert_eq!(open().unwrap().identity, known);
    }
}
