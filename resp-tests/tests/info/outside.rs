//! What a server leaves on the machine: its data directory, for its own user alone, and nothing else.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use resp_tests::connection::{Connection, Received};
use resp_tests::ports::free_port;
use resp_tests::process::Process;
use resp_tests::server::Program;
use resp_tests::support::{call, eventually, ok};
use resp_tests::value::Value;

/// Everything below a directory, with its permission bits.
fn below(directory: &Path) -> BTreeMap<PathBuf, u32> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        // What is removed meanwhile was there for its moment only.
        let Ok(metadata) = entry.metadata() else { continue };
        found.insert(entry.path(), metadata.permissions().mode() & 0o777);
        if metadata.is_dir() {
            found.append(&mut below(&entry.path()));
        }
    }
    found
}

#[test]
fn nothing_is_written_outside_the_data_directory_and_nobody_else_may_read_what_is_inside() {
    let home = tempfile::tempdir().unwrap();
    let place = |name: &str| home.path().join(name);
    for name in ["data", "work", "tmp", "user"] {
        fs::create_dir(place(name)).unwrap();
    }
    let ports: Vec<String> = (0..3).map(|_| free_port().unwrap().to_string()).collect();
    // A shell that would let everybody read and write what is made.
    let mut command = Command::new("sh");
    command.args(["-c", "umask 000; exec \"$@\"", "sh"]).arg(Program::product().path);
    command.args(["--port", &ports[0], "--http-port", &ports[1], "--peer-port", &ports[2]]);
    command.args([
        "--memtable-bytes",
        "1mb",
        "--log-retain-bytes",
        "1mb",
        "--log-retain-seconds",
        "0",
        "--data-dir",
    ]);
    command.arg(place("data"));
    command.current_dir(place("work")).env("TMPDIR", place("tmp")).env("HOME", place("user"));
    let mut process = Process::new(place("output.log"));
    process.start(&mut command).unwrap();
    let port = ports[0].parse().unwrap();
    let is_up = || {
        Connection::open(port).is_ok_and(|mut connection| {
            matches!(connection.call(&["PING"]), Ok(Received::Reply(Value::Simple(_))))
        })
    };
    eventually("it serves", is_up);
    let mut connection = Connection::open(port).unwrap();
    // Segments roll, memtables are flushed, snapshots are made, files are dropped.
    let value = "x".repeat(100_000);
    for key in 0..100 {
        assert_eq!(call(&mut connection, &["SET", &format!("k{key}"), &value]), ok());
    }
    assert_eq!(call(&mut connection, &["SAVE"]), ok());
    // Refused or not: there is no file to write to.
    call(&mut connection, &["CONFIG", "REWRITE"]);
    for name in ["work", "tmp", "user"] {
        assert_eq!(below(&place(name)), BTreeMap::new(), "{name}");
    }
    let data = below(&place("data"));
    assert!(data.len() > 10, "{data:?}");
    let others: Vec<_> = data.iter().filter(|(_, mode)| **mode & 0o077 != 0).collect();
    // Files may rely on their directories: nobody else gets in.
    let open: Vec<_> = others
        .iter()
        .filter(|(path, _)| {
            let mut above = path.ancestors().skip(1).take_while(|above| above.starts_with(place("data")));
            !above.any(|above| {
                fs::metadata(above).is_ok_and(|metadata| metadata.permissions().mode() & 0o077 == 0)
            })
        })
        .collect();
    assert!(open.is_empty(), "others may read {open:?}");
    process.stop(rustix::process::Signal::TERM, std::time::Duration::from_secs(30)).unwrap();
    for name in ["work", "tmp", "user"] {
        assert_eq!(below(&place(name)), BTreeMap::new(), "{name}");
    }
}
