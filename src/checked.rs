//! Small text files with a checksum, which are replaced atomically.
//!
//! The last line of a sealed text is `/crc32c:` and eight hexadecimal digits, over everything before that line. Texts from
//! builds without checksums lack this line and are accepted. The slash protects against those builds: they take all of
//! `CURRENT_DB` for the name of a directory, and refuse to start with a name that contains a slash. Otherwise they would
//! start with an empty store and remove the real one.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

const TAG: &str = "/crc32c:";

/// The text with its checksum.
pub fn seal(text: &str) -> String {
    let text = text.trim_end();
    format!("{text}\n{TAG}{:08x}\n", crc32c::crc32c(text.as_bytes()))
}

/// The content of a sealed text. `Err`: the text does not match its checksum.
pub fn unseal(sealed: &str) -> Result<Unsealed<'_>, &'static str> {
    let sealed = sealed.trim_end();
    let Some((text, tag)) = sealed.rsplit_once('\n') else {
        return Ok(Unsealed { text: sealed, is_checked: false });
    };
    match tag.strip_prefix(TAG) {
        None => Ok(Unsealed { text: sealed, is_checked: false }),
        Some(sum) if format!("{:08x}", crc32c::crc32c(text.as_bytes())) == sum => {
            Ok(Unsealed { text, is_checked: true })
        }
        Some(_) => Err("its checksum is wrong"),
    }
}

/// A text, and whether it had a checksum.
#[derive(Debug, PartialEq, Eq)]
pub struct Unsealed<'a> {
    pub text: &'a str,
    pub is_checked: bool,
}

/// Replaces a file durably: temporary file beside it, fsync, rename, fsync of the directory.
pub fn replace_file(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".tmp");
    let temporary = path.with_file_name(name);
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&temporary, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sealed_text_is_read_back_and_no_other() {
        let sealed = seal("one\ntwo\n");
        assert_eq!(unseal(&sealed), Ok(Unsealed { text: "one\ntwo", is_checked: true }));
        let bytes = sealed.as_bytes();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let Ok(text) = String::from_utf8(flipped) else { continue };
            // A flipped bit in the tag, or in white space at the end, leaves the content unchanged.
            match unseal(&text) {
                Ok(read) => assert!(!read.is_checked || read.text == "one\ntwo", "bit {bit}: {read:?}"),
                Err(_) => continue,
            }
        }
        assert!(unseal("one\ntvo\n/crc32c:00000000").is_err());
        assert_eq!(unseal("as it was\n"), Ok(Unsealed { text: "as it was", is_checked: false }));
    }

    #[test]
    fn a_file_is_replaced_whole() {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("FILE");
        for text in ["first", "second"] {
            replace_file(&path, text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), text);
        }
        assert_eq!(fs::read_dir(home.path()).unwrap().count(), 1);
    }
}
