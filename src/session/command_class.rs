//! Classes of commands, by what their calls wait for. Metrics have one histogram of latencies for each, whatever the number of commands.

/// See the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CommandClass {
    Read,
    /// Goes through the log.
    Write,
    Script,
    /// EXEC and what belongs to it.
    Transaction,
    /// Waits for others to write.
    Blocking,
    /// About connections, the node or messages.
    Other,
}

impl CommandClass {
    pub const ALL: [CommandClass; 6] = [
        CommandClass::Read,
        CommandClass::Write,
        CommandClass::Script,
        CommandClass::Transaction,
        CommandClass::Blocking,
        CommandClass::Other,
    ];

    /// The label of metrics.
    pub fn name(self) -> &'static str {
        match self {
            CommandClass::Read => "read",
            CommandClass::Write => "write",
            CommandClass::Script => "script",
            CommandClass::Transaction => "transaction",
            CommandClass::Blocking => "blocking",
            CommandClass::Other => "other",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_class_has_its_place() {
        for (at, class) in CommandClass::ALL.into_iter().enumerate() {
            assert_eq!(class as usize, at);
        }
    }
}
