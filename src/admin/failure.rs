//! The error of a request that was not done as asked: a text and an exit code.

/// Why it did not end as asked; the number is the exit code. 2 is clap's, for a command line that makes no sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// Refused, or it failed; nothing was changed.
    Refused = 1,
    /// Nodes have different states; two servers have different data.
    Differs = 3,
    /// Something is still missing: a node did not answer, no leader is known, a change is under way.
    Incomplete = 4,
    /// It may or may not have been done.
    Unknown = 5,
}

pub(super) const EXIT_CODES: &str = "Exit codes: 0 done as asked; 1 refused or failed, nothing was changed; doctor, somebody has to act; 2 a mistake in the command line; \
     3 verify: nodes have different states; compare: the data differ; 4 not complete: verify, a node did not answer or compare; status, no leader that \
     a majority hears; add, replace, promote, remove: it goes on by itself; 5 the outcome is unknown: look at the status";

/// The reason why a request was not done as asked.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) outcome: Outcome,
    pub(super) text: String,
}

impl Failure {
    pub(super) fn refused(text: impl Into<String>) -> Self {
        Failure { outcome: Outcome::Refused, text: text.into() }
    }

    /// Whether the same request may be done a little later: the node was not there, or it does not serve yet.
    pub(super) fn may_pass(&self, server: &str) -> bool {
        const PASSING: [&str; 4] = ["CLUSTERDOWN", "LOADING", "MASTERDOWN", "TRYAGAIN"];
        let word = self.text.split(' ').next().unwrap_or_default();
        let is_unreachable = !server.is_empty() && self.text.starts_with(&format!("{server}: "));
        self.outcome == Outcome::Incomplete
            || self.outcome == Outcome::Refused && (PASSING.contains(&word) || is_unreachable)
    }

    /// Interprets an error reply.
    pub(super) fn of_reply(text: String) -> Self {
        let outcome = match text.split(' ').next() {
            Some("INPROGRESS") => Outcome::Incomplete,
            Some("UNKNOWN") => Outcome::Unknown,
            _ => Outcome::Refused,
        };
        Failure { outcome, text }
    }
}

impl From<String> for Failure {
    fn from(text: String) -> Self {
        Failure::refused(text)
    }
}
