//! A file of RDB as a stream of records. Holds one value at a time.
//!
//! Use it as an iterator: it ends after the file's end mark and checksum were seen and found right, or with one error.
//! Libraries of functions stand between the records (`take_functions`). What cannot be a record here (values of modules) is
//! skipped and counted in `skipped`.

use super::{
    decode,
    error::{Fault, RdbError, Result},
    input::Input,
    object::Object,
    types::{self, CHECKSUM_VERSION_MIN, Dialect},
};
use crate::limits::{LIBRARIES_BYTES_MAX, RDB_OBJECT_BYTES_MAX};
use std::{collections::BTreeMap, io::Read};

/// One key.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    pub db: u32,
    pub key: Vec<u8>,
    pub object: Object,
    /// Unix time in milliseconds, never 0.
    pub expires_at_ms: Option<u64>,
    /// Seconds since it was used, if the server that wrote it counted that.
    pub idle_s: Option<u64>,
    /// Its access frequency (a logarithm), if the server that wrote the file counted it.
    pub freq: Option<u8>,
}

/// Parts of the file that are not returned as records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Skipped {
    /// Keys whose value belongs to a module, by its name.
    pub module_keys: BTreeMap<String, u64>,
    /// Keys with a collection without elements, which some old servers wrote.
    pub empty_keys: u64,
}

/// Reads an RDB file. Give it a buffered source: it reads in small pieces.
pub struct Reader<R> {
    input: Input<R>,
    version: u16,
    dialect: Dialect,
    db: u32,
    keys_told: u64,
    skipped: Skipped,
    /// Texts that nobody has taken yet.
    functions: Vec<Vec<u8>>,
    is_done: bool,
    /// Something else may follow.
    is_stream: bool,
}

/// The attributes read before the next key.
#[derive(Default)]
struct Attributes {
    expires_at_ms: Option<u64>,
    idle_s: Option<u64>,
    freq: Option<u8>,
}

impl<R: Read> Reader<R> {
    /// Reads the head of a file.
    pub fn new(source: R) -> Result<Self> {
        Self::begin(source, RDB_OBJECT_BYTES_MAX, false)
    }

    /// As `new`, but something else may follow the file, of which no byte is read. A value may take so many bytes.
    pub fn of_stream(source: R, object_bytes_max: u64) -> Result<Self> {
        Self::begin(source, object_bytes_max, true)
    }

    fn begin(source: R, object_bytes_max: u64, is_stream: bool) -> Result<Self> {
        let mut input = Input::new(source, object_bytes_max).with_checksum();
        let head: [u8; 9] = input.array()?;
        let version = match (head.strip_prefix(b"REDIS"), head.strip_prefix(b"VALKEY")) {
            (Some(version), _) | (_, Some(version)) => decimal(version),
            (None, None) => None,
        };
        let version = version.ok_or(RdbError { at: 0, fault: Fault::NotRdb })?;
        let dialect =
            Dialect::of_version(version).ok_or(RdbError { at: 0, fault: Fault::Version(version) })?;
        let (db, keys_told, skipped) = (0, 0, Skipped::default());
        let functions = Vec::new();
        Ok(Reader { input, version, dialect, db, keys_told, skipped, functions, is_done: false, is_stream })
    }

    /// Bytes read so far.
    pub fn position(&self) -> u64 {
        self.input.at()
    }

    pub fn version(&self) -> u16 {
        self.version
    }

    /// The number of keys in the databases begun so far, as announced by the file: a hint.
    pub fn keys_told(&self) -> u64 {
        self.keys_told
    }

    /// All of it when the iterator has ended.
    pub fn skipped(&self) -> &Skipped {
        &self.skipped
    }

    /// The texts of the libraries of functions that were read since the last call.
    pub fn take_functions(&mut self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.functions)
    }

    fn record(&mut self) -> Result<Option<Record>> {
        let mut attributes = Attributes::default();
        loop {
            let code = self.input.byte()?;
            match code {
                types::OP_EOF => return self.end().map(|()| None),
                types::OP_EXPIRE_MS => attributes.expires_at_ms = Some(self.input.time_ms()?.max(1)),
                types::OP_EXPIRE_S => {
                    let seconds = i32::from_le_bytes(self.input.array()?);
                    let seconds = u64::try_from(seconds).unwrap_or(0);
                    attributes.expires_at_ms = Some(seconds.saturating_mul(1000).max(1));
                }
                types::OP_IDLE => attributes.idle_s = Some(self.input.number()?),
                types::OP_FREQ => attributes.freq = Some(self.input.byte()?),
                types::OP_SELECT_DB
                | types::OP_RESIZE_DB
                | types::OP_AUX
                | types::OP_MODULE_AUX
                | types::OP_FUNCTION2
                | types::OP_FUNCTION_PRE_GA
                | types::OP_SLOT_INFO
                | types::OP_SLOT_IMPORT => self.note(code)?,
                rdb_type => match self.value(rdb_type, std::mem::take(&mut attributes))? {
                    Some(record) => return Ok(Some(record)),
                    None => continue,
                },
            }
        }
    }

    /// Something between the keys.
    fn note(&mut self, code: u8) -> Result<()> {
        match code {
            types::OP_SELECT_DB => {
                let db = self.input.number()?;
                self.db = u32::try_from(db)
                    .map_err(|_| self.input.corrupt("the number of a database is too large"))?;
            }
            types::OP_RESIZE_DB => {
                self.keys_told = self.keys_told.saturating_add(self.input.number()?);
                let _expiring = self.input.number()?;
            }
            types::OP_AUX => {
                self.input.next_object();
                self.input.skip_string()?;
                self.input.skip_string()?;
            }
            types::OP_MODULE_AUX => {
                self.input.next_object();
                let _module = self.input.number()?;
                let (_kind, _when) = (self.input.number()?, self.input.number()?);
                decode::skip_module(&mut self.input)?;
            }
            types::OP_FUNCTION2 => {
                self.input.next_object();
                let text = self.input.string()?;
                let held = self.functions.iter().map(Vec::len).fold(text.len(), usize::saturating_add);
                if held as u64 > LIBRARIES_BYTES_MAX {
                    return Err(self.input.corrupt("the libraries of functions are too large"));
                }
                self.functions.push(text);
            }
            types::OP_SLOT_INFO => {
                let (_slot, _keys, _expiring) =
                    (self.input.number()?, self.input.number()?, self.input.number()?);
            }
            types::OP_SLOT_IMPORT => {
                self.input.next_object();
                self.input.skip_string()?;
                for _ in 0..self.input.number()? {
                    let (_first, _last) = (self.input.number()?, self.input.number()?);
                }
            }
            _ => return Err(self.input.corrupt("functions of a release candidate of Redis 7.0")),
        }
        Ok(())
    }

    fn value(&mut self, rdb_type: u8, attributes: Attributes) -> Result<Option<Record>> {
        self.input.next_object();
        let key = self.input.string()?;
        if rdb_type == types::MODULE_2 {
            let module = decode::module_name(self.input.number()?);
            decode::skip_module(&mut self.input)?;
            let count = self.skipped.module_keys.entry(module).or_default();
            *count = count.saturating_add(1);
            return Ok(None);
        }
        let object = match decode::object(&mut self.input, rdb_type, self.dialect) {
            Err(RdbError { fault: Fault::Empty, .. }) => {
                self.skipped.empty_keys = self.skipped.empty_keys.saturating_add(1);
                return Ok(None);
            }
            object => object?,
        };
        let Attributes { expires_at_ms, idle_s, freq } = attributes;
        Ok(Some(Record { db: self.db, key, object, expires_at_ms, idle_s, freq }))
    }

    /// The checksum, which may be 0 for none, and nothing behind it.
    fn end(&mut self) -> Result<()> {
        if self.version >= CHECKSUM_VERSION_MIN {
            let computed = self.input.checksum();
            let stored = u64::from_le_bytes(self.input.array()?);
            if stored != 0 && stored != computed {
                return Err(self.input.fault(Fault::Checksum { stored, computed }));
            }
        }
        let at = self.input.at();
        if !self.is_stream && !self.input.is_at_end()? {
            return Err(RdbError { at, fault: Fault::Trailing });
        }
        Ok(())
    }
}

impl<R: Read> Iterator for Reader<R> {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.is_done {
            return None;
        }
        let record = self.record().transpose();
        self.is_done = !matches!(record, Some(Ok(_)));
        record
    }
}

fn decimal(digits: &[u8]) -> Option<u16> {
    let digits =
        std::str::from_utf8(digits).ok().filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()))?;
    digits.parse().ok()
}
