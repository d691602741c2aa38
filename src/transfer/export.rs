//! A node's keys into a file.
//!
//! Keys are read one after the other while the node serves: each value is one that the key had, but the file is not a
//! snapshot of one moment. For that, export from a node without writes.

use super::report::Report;
use crate::{
    limits::{LIBRARIES_BYTES_MAX, RDB_OBJECT_BYTES_MAX, REPORTED_REDIS_VERSION},
    moving::Client,
    ops::keys_bar,
    rdb::{Object, Writer, load, load_functions},
    remote::Remote,
    resp::Answer,
};
use foldhash::HashSet;
use std::{
    fs::{self, File},
    io::BufWriter,
    path::{Path, PathBuf},
    time::Instant,
};
use xxhash_rust::xxh3::xxh3_128;

/// Keys asked for at a time.
const KEYS: &[u8] = b"500";
const FILE_BUFFER_BYTES: usize = 1024 * 1024;

/// The options of the command line.
pub struct Options<'a> {
    pub from: &'a Remote,
    /// Of RDB.
    pub version: u16,
}

/// Exports all keys of a node to a file, which appears under its name when it is complete.
pub fn export(path: &Path, options: &Options<'_>) -> Result<Report, String> {
    let started = Instant::now();
    let mut report = Report {
        title: format!("{}: exported from {}, RDB version {}", path.display(), options.from, options.version),
        is_whole: true,
        ..Report::default()
    };
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let part = PathBuf::from(part);
    let failed = |error: std::io::Error| format!("{}: {error}", part.display());
    let mut client = Client::connect(options.from)?;
    let file = File::create(&part).map_err(failed)?;
    let target = BufWriter::with_capacity(FILE_BUFFER_BYTES, file);
    let created = (client.time_ms()? / 1000).to_string();
    let about = [("redis-ver", REPORTED_REDIS_VERSION), ("redis-bits", "64"), ("ctime", &created)];
    let writer = Writer::new(target, options.version, &about).map_err(failed)?;
    let mut export =
        Export { client, writer, report: &mut report, seen: HashSet::default(), lost: 0, gone: 0 };
    export.functions().map_err(|error| error.text(&part))?;
    let databases = export.databases()?;
    let bar = keys_bar(databases.iter().map(|(_, keys, _)| keys).sum());
    for (db, keys, expiring) in databases {
        export.writer.select(db, keys, expiring).map_err(failed)?;
        export.database(db, |keys| bar.set_position(keys)).map_err(|error| error.text(&part))?;
    }
    bar.finish_and_clear();
    let Export { writer, lost, gone, .. } = export;
    report.bytes = writer.written();
    let target = writer.finish().map_err(failed)?;
    target.into_inner().map_err(|error| failed(error.into_error()))?.sync_all().map_err(failed)?;
    fs::rename(&part, path).map_err(failed)?;
    report.counts.push(("hashes and sets whose elements lost their expiry", lost));
    report.counts.push(("deleted or expired while they were read", gone));
    report.is_whole = lost == 0;
    report.took = started.elapsed();
    Ok(report)
}

/// A failure of the connection or of the file.
enum Failure {
    Node(String),
    File(std::io::Error),
}

impl Failure {
    fn text(self, path: &Path) -> String {
        match self {
            Failure::Node(text) => text,
            Failure::File(error) => format!("{}: {error}", path.display()),
        }
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Failure::Node(text)
    }
}

struct Export<'a> {
    client: Client,
    writer: Writer<BufWriter<File>>,
    report: &'a mut Report,
    /// Hashes of the keys read from the database: SCAN may return a key twice, a file must not contain it twice.
    seen: HashSet<u128>,
    lost: u64,
    gone: u64,
}

impl Export<'_> {
    /// All libraries of functions; a server before Redis 7 has none.
    fn functions(&mut self) -> Result<(), Failure> {
        let payload = match self.client.call(&[b"FUNCTION", b"DUMP"])? {
            Answer::Text(payload) => payload,
            Answer::Error(_) => return Ok(()),
            other => return Err(format!("FUNCTION DUMP: {other:?}").into()),
        };
        let texts = load_functions(&payload, LIBRARIES_BYTES_MAX)
            .map_err(|error| format!("the payload of FUNCTION DUMP: {error}"))?;
        for text in &texts {
            self.writer.function(text).map_err(Failure::File)?;
        }
        self.report.counts.push(("libraries of functions", texts.len() as u64));
        Ok(())
    }

    /// Databases with keys: number, keys, keys that expire.
    fn databases(&mut self) -> Result<Vec<(u32, u64, u64)>, String> {
        let info = match self.client.done(&[b"INFO", b"keyspace"])? {
            Answer::Text(text) => String::from_utf8_lossy(&text).into_owned(),
            other => return Err(format!("INFO: {other:?}")),
        };
        Ok(info.lines().filter_map(database_line).collect())
    }

    fn database(&mut self, db: u32, mut tell: impl FnMut(u64)) -> Result<(), Failure> {
        self.client.done(&[b"SELECT", db.to_string().as_bytes()])?;
        self.seen.clear();
        let mut cursor = b"0".to_vec();
        loop {
            let found = self.client.done(&[b"SCAN", &cursor, b"COUNT", KEYS])?;
            let Answer::List(parts) = found else { return Err(format!("SCAN: {found:?}").into()) };
            let (Some(Answer::Text(next)), Some(Answer::List(keys))) = (parts.first(), parts.get(1)) else {
                return Err("SCAN: unexpected reply".to_owned().into());
            };
            let keys: Vec<&[u8]> = keys.iter().filter_map(Answer::text).collect();
            let keys: Vec<&[u8]> = keys.into_iter().filter(|key| self.seen.insert(xxh3_128(key))).collect();
            self.keys(db, &keys)?;
            tell(self.report.keys);
            cursor.clone_from(next);
            if cursor == b"0" {
                return Ok(());
            }
        }
    }

    fn keys(&mut self, db: u32, keys: &[&[u8]]) -> Result<(), Failure> {
        for key in keys {
            self.client.send(&[b"PEXPIRETIME", key])?;
            self.client.send(&[b"DUMP", key])?;
        }
        for key in keys {
            let expires_at = match self.client.receive()? {
                Answer::Integer(at) => u64::try_from(at).ok(),
                other => return Err(format!("PEXPIRETIME: {other:?}").into()),
            };
            let payload = match self.client.receive()? {
                Answer::Text(payload) => payload,
                Answer::Nil => {
                    self.gone = self.gone.saturating_add(1);
                    continue;
                }
                other => return Err(format!("DUMP: {other:?}").into()),
            };
            let (object, _) = load(&payload, RDB_OBJECT_BYTES_MAX).map_err(|error| {
                format!("the value of {}: {error}", String::from_utf8_lossy(key).escape_debug())
            })?;
            self.write(db, key, &object, expires_at).map_err(Failure::File)?;
        }
        Ok(())
    }

    fn write(&mut self, db: u32, key: &[u8], object: &Object, at: Option<u64>) -> std::io::Result<()> {
        let has_lost = self.writer.record(key, object, at)?;
        self.lost = self.lost.saturating_add(u64::from(has_lost));
        self.report.count(db, object.type_name(), object.elements());
        Ok(())
    }
}

/// `db0:keys=5,expires=1,avg_ttl=0`
fn database_line(line: &str) -> Option<(u32, u64, u64)> {
    let (db, counts) = line.trim().strip_prefix("db")?.split_once(':')?;
    let count = |name: &str| {
        let found = counts.split(',').find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
        found.and_then(|number| number.parse().ok())
    };
    Some((db.parse().ok()?, count("keys")?, count("expires").unwrap_or(0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn databases_are_told_by_info() {
        assert_eq!(database_line("db15:keys=7,expires=2,avg_ttl=0,subexpiry=0\r"), Some((15, 7, 2)));
        assert_eq!(database_line("# Keyspace"), None);
    }
}
