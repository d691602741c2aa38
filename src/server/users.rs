//! Calls that change users, or write them to a file.

use super::{
    connection::Connection,
    read::{borrowed, owned},
};
use crate::{command::Resolved, commands::acl::save_users, resp::Reply};
use std::sync::Arc;

impl Connection {
    /// Logs a call that changes users. Those behind it in the same chunk are asked for by the new rules, so it is not gathered
    /// with them.
    pub(super) async fn change_users(&mut self, call: Resolved, argv: &[&[u8]]) {
        let logged = match call.command.logged_as {
            None => Ok(owned(argv)),
            Some(as_logged) => {
                let (node, argv) = (Arc::clone(&self.thread.node), owned(argv));
                self.on_pool(move || as_logged(&node, &borrowed(&argv))).await.and_then(|logged| logged)
            }
        };
        match logged {
            Ok(words) => {
                self.write_words(call, &borrowed(&words)).await;
                self.flush_writes().await;
                // Elsewhere than at the leader the entry may be applied here a moment later. If that is not to be expected now, the
                // calls that follow are asked for by the users that this node has, as any other.
                let _ = self.barrier().await;
            }
            Err(error) => {
                self.flush_writes().await;
                self.finish(call.index, &Reply::Error(error));
            }
        }
    }

    /// ACL SAVE.
    pub(super) async fn save_users(&self) -> Reply {
        let node = Arc::clone(&self.thread.node);
        self.on_pool(move || save_users(&node)).await.unwrap_or_else(Reply::Error)
    }
}
