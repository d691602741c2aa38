//! A file of RDB, written from front to back.
//!
//! The version is at the beginning, so it is chosen before anything is written: 10 for Redis 7.0 and later, which cannot
//! represent fields of a hash that expire, or 12 for Redis 7.4. Members of a set that expire are in neither.

use super::{
    encode, functions,
    object::Object,
    output,
    types::{self, CRC64},
};
use crc::{Digest, Table};
use std::io::{self, Write};

/// Writes an RDB file. Give it a buffered target.
pub struct Writer<W> {
    target: W,
    digest: Digest<'static, u64, Table<16>>,
    version: u16,
    written: u64,
    buffer: Vec<u8>,
}

impl<W: Write> Writer<W> {
    /// Starts a file of this version with its auxiliary fields: names and values.
    pub fn new(target: W, version: u16, about: &[(&str, &str)]) -> io::Result<Self> {
        let (digest, buffer) = (CRC64.digest(), Vec::new());
        let mut writer = Writer { target, digest, version, written: 0, buffer };
        writer.buffer.extend(format!("REDIS{version:04}").into_bytes());
        for (name, value) in about {
            writer.buffer.push(types::OP_AUX);
            output::string(&mut writer.buffer, name.as_bytes());
            output::string(&mut writer.buffer, value.as_bytes());
        }
        writer.flush_buffer()?;
        Ok(writer)
    }

    /// Bytes written so far.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Starts a database: `keys` and `expiring` are about the numbers of keys that follow, and of those with an expiry.
    pub fn select(&mut self, db: u32, keys: u64, expiring: u64) -> io::Result<()> {
        self.buffer.push(types::OP_SELECT_DB);
        output::number(&mut self.buffer, u64::from(db));
        self.buffer.push(types::OP_RESIZE_DB);
        output::number(&mut self.buffer, keys);
        output::number(&mut self.buffer, expiring);
        self.flush_buffer()
    }

    /// Writes a library of functions; before the first database.
    pub fn function(&mut self, text: &[u8]) -> io::Result<()> {
        functions::put(&mut self.buffer, text);
        self.flush_buffer()
    }

    /// Writes a key. Members of a set lose their expiry, and so do fields of a hash in a file of version 10; true: this one
    /// had some.
    pub fn record(&mut self, key: &[u8], object: &Object, expires_at_ms: Option<u64>) -> io::Result<bool> {
        let plain = self.without_expiry(object);
        if let Some(at) = expires_at_ms {
            self.buffer.push(types::OP_EXPIRE_MS);
            self.buffer.extend(i64::try_from(at).unwrap_or(i64::MAX).to_le_bytes());
        }
        let mut body = Vec::new();
        let rdb_type = encode::body(&mut body, plain.as_ref().unwrap_or(object));
        self.buffer.push(rdb_type);
        output::string(&mut self.buffer, key);
        self.flush_buffer()?;
        self.put(&body)?;
        Ok(plain.is_some())
    }

    /// Writes the end mark and the checksum; flushes; returns the target.
    pub fn finish(mut self) -> io::Result<W> {
        self.buffer.push(types::OP_EOF);
        self.flush_buffer()?;
        let checksum = self.digest.clone().finalize();
        self.put(&checksum.to_le_bytes())?;
        self.target.flush()?;
        Ok(self.target)
    }

    /// An object whose elements expire as the file can represent it, if it cannot as it is.
    fn without_expiry(&self, object: &Object) -> Option<Object> {
        let is_lost = match object {
            Object::ExpiringSet(_) => true,
            Object::Hash(_) => encode::version(object) > self.version,
            Object::String(_)
            | Object::List(_)
            | Object::Set(_)
            | Object::SortedSet(_)
            | Object::Stream(_) => false,
        };
        is_lost.then(|| object.clone().without_element_expiries().0)
    }

    fn flush_buffer(&mut self) -> io::Result<()> {
        let buffer = std::mem::take(&mut self.buffer);
        self.put(&buffer)?;
        self.buffer = buffer;
        self.buffer.clear();
        Ok(())
    }

    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.digest.update(bytes);
        self.written = self.written.saturating_add(bytes.len() as u64);
        self.target.write_all(bytes)
    }
}
