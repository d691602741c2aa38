//! What the page shows, made at most once a second for all watchers together.

use super::WATCHERS_MAX;
use crate::{ops::doctor, replication::GroupHandle};
use axum::body::Bytes;
use serde_json::{Value, json};
use std::{
    sync::OnceLock,
    time::{Duration, Instant},
};
use tokio::sync::{Mutex, Semaphore};

/// A text is shown again for so long.
const NOW_KEPT: Duration = Duration::from_millis(900);
const HISTORY_KEPT: Duration = Duration::from_secs(5);
/// Longest time to ask all nodes.
const ASK_MAX: Duration = Duration::from_secs(4);

/// See the module.
pub(in crate::ops) struct Board {
    /// Unset until the log is open.
    group: OnceLock<GroupHandle>,
    pub(super) room: Semaphore,
    now: Mutex<Option<Kept>>,
    history: Mutex<Option<Kept>>,
}

struct Kept {
    at: Instant,
    text: Bytes,
}

impl Default for Board {
    fn default() -> Self {
        Board {
            group: OnceLock::new(),
            room: Semaphore::new(WATCHERS_MAX),
            now: Mutex::default(),
            history: Mutex::default(),
        }
    }
}

impl Board {
    /// From now on it asks the nodes of this group.
    pub(in crate::ops) fn show(&self, group: GroupHandle) {
        let _ = self.group.set(group);
    }

    /// The text for the page; `None`: there is none yet.
    pub(super) async fn told(&self, is_history: bool) -> Option<Bytes> {
        let group = self.group.get()?;
        let (place, keep) = match is_history {
            true => (&self.history, HISTORY_KEPT),
            false => (&self.now, NOW_KEPT),
        };
        // Others wait for the same answer.
        let mut place = place.lock().await;
        if let Some(kept) = place.as_ref().filter(|kept| kept.at.elapsed() < keep) {
            return Some(kept.text.clone());
        }
        let text = tokio::time::timeout(ASK_MAX, group.reports(is_history)).await.ok()?;
        let text = if is_history { text } else { with_findings(&text)? };
        let text = Bytes::from(text);
        *place = Some(Kept { at: Instant::now(), text: text.clone() });
        Some(text)
    }
}

fn with_findings(reports: &str) -> Option<String> {
    let mut reports: Value = serde_json::from_str(reports).ok()?;
    let findings: Vec<Value> = doctor::examine(&reports).iter().map(doctor::Finding::to_json).collect();
    reports.as_object_mut()?.insert("findings".to_owned(), json!(findings));
    Some(reports.to_string())
}
