//! A source that the data follow, as an administrator sees it: begun, ended, taken over from. `src/moving` does the following.

use super::GroupHandle;
use crate::{
    feature_level,
    replica::{STALE, SourceChange},
    replication::queue::Outcome,
    resp::{ErrorReply, Reply},
    session::{Consistency, SourceOrder, SourceRequest},
    store::{SourcePhase, SourceRecord},
};
use bytes::Bytes;

/// The node that follows changes the record as well.
const TRIES: usize = 20;

impl GroupHandle {
    /// Does what an administrator asks about a source.
    pub async fn source(&self, request: SourceRequest) -> Reply {
        match self.try_source(&request).await {
            Ok(text) => Reply::simple(text),
            Err(error) => Reply::Error(error),
        }
    }

    async fn try_source(&self, request: &SourceRequest) -> Result<String, ErrorReply> {
        if self.state().edge.is_edge() {
            return Err(ErrorReply::err("an edge follows its core; ask a node of the core"));
        }
        if self.state().feature_level() < feature_level::SOURCE {
            return Err(ErrorReply::err(format!(
                "the core's feature level is {}; following a Redis needs {}: finish the upgrade first",
                self.state().feature_level(),
                feature_level::SOURCE
            )));
        }
        for _ in 0..TRIES {
            self.barrier(Consistency::Linearizable).await?;
            let there = self.store().published().source().map(|record| (**record).clone());
            let (record, settings, done) = match request {
                SourceRequest::Start(order) => self.start_source(there.as_ref(), order)?,
                SourceRequest::Stop => stop(there.as_ref())?,
                SourceRequest::CutOver => cut_over(there.as_ref())?,
            };
            let starts = matches!(request, SourceRequest::Start(_));
            let replaces = matches!(request, SourceRequest::Start(order) if order.replaces);
            let record = json(&record)?;
            let change = SourceChange {
                version: there.as_ref().map_or(0, |there| there.version),
                takes_position: starts,
                only_if_empty: starts && !replaces,
                record: &record,
                settings: settings.as_deref(),
            };
            match self.propose_source(change.encode()).await {
                Ok(_) => return Ok(done),
                Err(error) if error.code() == STALE => {}
                Err(error) if error.code() == "NOTEMPTY" => {
                    return Err(ErrorReply::new(
                        "NOTEMPTY",
                        "there are keys here, and all of them would be replaced by the source's; to do that, add --replace",
                    ));
                }
                Err(error) => return Err(error),
            }
        }
        Err(ErrorReply::try_again("the state of the source changed meanwhile"))
    }

    /// Proposes a change or a step; the number that it answers.
    pub async fn propose_source(&self, proposal: Bytes) -> Result<u64, ErrorReply> {
        let outcome: Outcome = self.propose(proposal).await;
        match outcome.applied()?.into_iter().next() {
            Some(Reply::Int(number)) => Ok(number.unsigned_abs()),
            Some(Reply::Error(error)) => Err(error),
            other => Err(ErrorReply::err(format!("unexpected answer: {other:?}"))),
        }
    }

    fn start_source(&self, there: Option<&SourceRecord>, order: &SourceOrder) -> Result<Planned, ErrorReply> {
        if let Some(there) = there.filter(|there| there.is_engaged()) {
            let text = format!("{} is followed already; stop that first", there.address);
            return Err(ErrorReply::err(text));
        }
        let address = order.settings.address();
        let record = SourceRecord {
            address: address.clone(),
            allows_writes: order.allows_writes,
            bytes_per_second: order.bytes_per_second,
            pause_ms: order.pause_ms,
            began_at: self.state().clock.now_ms(),
            ..SourceRecord::default()
        };
        Ok((record, Some(json(&order.settings)?), format!("OK following {address}")))
    }
}

/// The record, how the source is reached if that changes, and what the administrator is told.
type Planned = (SourceRecord, Option<Vec<u8>>, String);

fn stop(there: Option<&SourceRecord>) -> Result<Planned, ErrorReply> {
    let Some(there) = there.filter(|there| there.is_engaged()) else {
        return Err(ErrorReply::err("nothing is followed"));
    };
    let address = &there.address;
    let done = match there.is_partial {
        true => format!(
            "OK {address} is not followed any more; only a part of its data is here, and clients may write"
        ),
        false => format!("OK {address} is not followed any more; clients may write"),
    };
    let record = SourceRecord { phase: SourcePhase::Stopped, error: String::new(), ..there.clone() };
    // The password goes.
    Ok((record, Some(b"{}".to_vec()), done))
}

fn cut_over(there: Option<&SourceRecord>) -> Result<Planned, ErrorReply> {
    let Some(there) = there.filter(|there| there.is_engaged()) else {
        return Err(ErrorReply::err("nothing is followed"));
    };
    match there.phase {
        SourcePhase::Following | SourcePhase::CuttingOver => {
            let record =
                SourceRecord { phase: SourcePhase::CuttingOver, error: String::new(), ..there.clone() };
            Ok((record, None, "OK cutting over".into()))
        }
        _ => Err(ErrorReply::err(format!(
            "{} is not followed yet: its data are still to come; see the status",
            there.address
        ))),
    }
}

fn json(value: &impl serde::Serialize) -> Result<Vec<u8>, ErrorReply> {
    serde_json::to_vec(value).map_err(|error| ErrorReply::err(error.to_string()))
}
