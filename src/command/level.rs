//! The gate of commands and options that a feature level brought. It asks for the active level, in apply that of the state at
//! the entry: so all replicas decide alike, whatever each of their programs understands.

use crate::resp::ErrorReply;

/// Refuses what needs a feature level that is not active yet. `what`: a command or an option, as the client named it.
pub fn require_level(what: &str, needed: u32, active: u32) -> Result<(), ErrorReply> {
    match needed > active {
        false => Ok(()),
        true => Err(ErrorReply::err(format!(
            "{what} needs feature level {needed}, and the core is at {active}: upgrade all its nodes and edges, then run \
             'flotilla admin upgrade finish'"
        ))),
    }
}
