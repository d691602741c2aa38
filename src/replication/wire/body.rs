//! Bodies: how a message becomes bytes, and is read again.

use bytes::Bytes;
use prost::Message;

/// A body that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot decode a message from another node: {0}")]
pub struct Unreadable(pub String);

/// The bytes of a body.
pub fn write(message: &impl Message) -> Bytes {
    message.encode_to_vec().into()
}

/// Reads a body.
pub fn read<M: Message + Default>(body: Bytes) -> Result<M, Unreadable> {
    M::decode(body).map_err(|error| Unreadable(error.to_string()))
}
