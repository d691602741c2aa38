//! A blocking client, for what is asked now and then and whose answer matters.

use resp_tests::connection::{Connection, Received};
pub use resp_tests::value::Value;
use std::{
    io::{Error, ErrorKind, Result},
    net::SocketAddr,
    time::Duration,
};

/// A connection that waits for each reply, up to a limit.
pub struct Client(Connection);

impl Client {
    /// Connects; no reply may take longer than `answer_max`.
    pub fn connect(address: SocketAddr, answer_max: Duration) -> Result<Self> {
        let mut connection = Connection::open_at(address)?;
        connection.set_deadline(answer_max);
        Ok(Client(connection))
    }

    /// Sends a command and waits for its reply.
    pub fn call(&mut self, words: &[&str]) -> Result<Value> {
        match self.0.call(words)? {
            Received::Reply(value) => Ok(value),
            Received::Closed => Err(Error::from(ErrorKind::UnexpectedEof)),
        }
    }
}

/// The text of a reply that is one; of others how they look.
pub fn text(value: &Value) -> String {
    match value {
        Value::Simple(text) | Value::Bulk(text) | Value::Error(text) => {
            String::from_utf8_lossy(text).into_owned()
        }
        other => format!("{other:?}"),
    }
}
