//! The configuration file: any bytes are valid settings or an error.

use std::{cell::OnceCell, ffi::OsString, fs, path::PathBuf};

thread_local! {
    static FILE: OnceCell<(tempfile::TempDir, PathBuf)> = const { OnceCell::new() };
}

pub fn run(data: &[u8]) {
    FILE.with(|file| {
        let (_directory, path) = file.get_or_init(|| {
            let directory = tempfile::tempdir().expect("a directory for the file");
            let path = directory.path().join("flotilla.toml");
            (directory, path)
        });
        fs::write(path, data).expect("the file can be written");
        let arguments = ["flotilla".into(), "--config".into(), OsString::from(path)];
        let _valid_or_not = flotilla::config::parse(arguments, |_| None);
    });
}
