//! Why a run could not go on, and whose fault that was.

use std::fmt;
use std::io;

/// See the module.
#[derive(Debug)]
pub enum Failure {
    /// The server did what it may not do, or did not what it must.
    Server(String),
    /// The machine or the test's own code. Says nothing about the server.
    Harness(String),
}

impl Failure {
    pub fn server(text: impl Into<String>) -> Failure {
        Failure::Server(text.into())
    }

    pub fn harness(text: impl Into<String>) -> Failure {
        Failure::Harness(text.into())
    }

    /// Says more about where it happened.
    pub fn during(self, what: &str) -> Failure {
        match self {
            Failure::Server(text) => Failure::Server(format!("{what}: {text}")),
            Failure::Harness(text) => Failure::Harness(format!("{what}: {text}")),
        }
    }
}

/// What the operating system refuses is the harness's trouble; where it is the server's, the caller says so.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Harness(error.to_string())
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Server(text) => write!(f, "the SERVER failed: {text}"),
            Failure::Harness(text) => {
                write!(f, "the TEST ITSELF failed, which says nothing about the server: {text}")
            }
        }
    }
}
