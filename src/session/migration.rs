//! What a call of MIGRATE asks for.

use std::{fmt, time::Duration};

/// Keys that go to another server, and how.
#[derive(Clone, PartialEq, Eq)]
pub struct Migration {
    pub host: String,
    pub port: u16,
    /// The database there.
    pub db: i64,
    /// Longest wait for a sign of life from there.
    pub idle_max: Duration,
    /// The words behind AUTH: a password, or a user and a password.
    pub login: Vec<Vec<u8>>,
    pub keys: Vec<Vec<u8>>,
    /// The keys stay here as well.
    pub copies: bool,
    /// Keys of these names there are replaced.
    pub replaces: bool,
}

/// Without the password.
impl fmt::Debug for Migration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Migration { host, port, db, keys, .. } = self;
        write!(f, "Migration({} keys to {host}:{port}, database {db})", keys.len())
    }
}
