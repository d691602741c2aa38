//! A file of RDB, written from front to back.
//!
//! The version is at the beginning, so it is chosen before anything is written: 10 for Redis 7.0 and later, which cannot
//! represent fields of a hash that expire, or 12 for Redis 7.4.

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

    /// Writes a key. In a file of version 10, fields of a hash lose their expiry; true: this one had some.
    pub fn record(&mut self, key: &[u8], object: &Object, expires_at_ms: Option<u64>) -> io::Result<bool> {
        let is_too_new = encode::version(object) > self.version;
        let plain = if is_too_new { without_expiry(object) } else { None };
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
        Ok(is_too_new)
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

fn without_expiry(object: &Object) -> Option<Object> {
    let Object::Hash(fields) = object else { return None };
    let mut fields = fields.clone();
    fields.iter_mut().for_each(|field| field.expires_at_ms = None);
    Some(Object::Hash(fields))
}
