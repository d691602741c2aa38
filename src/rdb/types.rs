//! The numbers of the format: versions, types of objects, opcodes of a file, encodings of a string.

use crc::{CRC_64_REDIS, Crc, Table};

/// The version to write: Redis 7.0 and later load it.
pub const VERSION: u16 = 10;
/// The version to write for a hash whose fields expire: Redis 7.4.
pub const VERSION_FIELD_EXPIRY: u16 = 12;
/// Newest of Redis that is read (7.4 and 8.0).
pub const REDIS_VERSION_MAX: u16 = 12;
/// Valkey counts from here since 9.0; what lies between belongs to Redis.
pub const VALKEY_VERSION_MIN: u16 = 80;
/// Newest of Valkey that is read (9.0 and 9.1).
pub const VALKEY_VERSION_MAX: u16 = 80;
/// A file has a checksum since this version.
pub const CHECKSUM_VERSION_MIN: u16 = 5;

/// One polynomial for payloads and files, reflected, starting with zero.
pub static CRC64: Crc<u64, Table<16>> = Crc::<u64, Table<16>>::new(&CRC_64_REDIS);

/// Type 22 and up mean different things to the two projects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    Redis,
    Valkey,
}

impl Dialect {
    /// The dialect of this version, if it can be read.
    pub fn of_version(version: u16) -> Option<Self> {
        match version {
            1..=REDIS_VERSION_MAX => Some(Dialect::Redis),
            VALKEY_VERSION_MIN..=VALKEY_VERSION_MAX => Some(Dialect::Valkey),
            _ => None,
        }
    }
}

pub const STRING: u8 = 0;
pub const LIST: u8 = 1;
pub const SET: u8 = 2;
/// Scores as text.
pub const ZSET: u8 = 3;
pub const HASH: u8 = 4;
/// Scores as eight bytes.
pub const ZSET_2: u8 = 5;
pub const MODULE_PRE_GA: u8 = 6;
pub const MODULE_2: u8 = 7;
pub const HASH_ZIPMAP: u8 = 9;
pub const LIST_ZIPLIST: u8 = 10;
pub const SET_INTSET: u8 = 11;
pub const ZSET_ZIPLIST: u8 = 12;
pub const HASH_ZIPLIST: u8 = 13;
pub const LIST_QUICKLIST: u8 = 14;
pub const STREAM_LISTPACKS: u8 = 15;
pub const HASH_LISTPACK: u8 = 16;
pub const ZSET_LISTPACK: u8 = 17;
pub const LIST_QUICKLIST_2: u8 = 18;
pub const STREAM_LISTPACKS_2: u8 = 19;
pub const SET_LISTPACK: u8 = 20;
pub const STREAM_LISTPACKS_3: u8 = 21;
/// Redis's release candidates of 7.4: absolute expiry. Valkey 9: expiry behind each value.
pub const HASH_22: u8 = 22;
pub const HASH_LISTPACK_EX_PRE_GA: u8 = 23;
/// Expiry of a field relative to the earliest of the hash.
pub const HASH_METADATA: u8 = 24;
pub const HASH_LISTPACK_EX: u8 = 25;

/// Flotilla's own, far from the numbers that other servers count up to: a set, with expiries as in `HASH_METADATA`.
pub const SET_METADATA: u8 = 200;

pub const OP_SLOT_IMPORT: u8 = 243;
pub const OP_SLOT_INFO: u8 = 244;
pub const OP_FUNCTION2: u8 = 245;
pub const OP_FUNCTION_PRE_GA: u8 = 246;
pub const OP_MODULE_AUX: u8 = 247;
pub const OP_IDLE: u8 = 248;
pub const OP_FREQ: u8 = 249;
pub const OP_AUX: u8 = 250;
pub const OP_RESIZE_DB: u8 = 251;
pub const OP_EXPIRE_MS: u8 = 252;
pub const OP_EXPIRE_S: u8 = 253;
pub const OP_SELECT_DB: u8 = 254;
pub const OP_EOF: u8 = 255;

/// Encodings of a string, in the low six bits of a length that begins with two ones.
pub const ENC_INT8: u8 = 0;
pub const ENC_INT16: u8 = 1;
pub const ENC_INT32: u8 = 2;
pub const ENC_LZF: u8 = 3;

/// A node of a quicklist that is one element.
pub const NODE_PLAIN: u64 = 1;
/// A node of a quicklist that is a listpack.
pub const NODE_PACKED: u64 = 2;
