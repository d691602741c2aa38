//! Does what `flotilla admin rescue` asks for by a file in the data directory: a user gets a password and all rights, as by an ACL
//! SETUSER of somebody who may do everything.

use crate::{
    acl::Rescue,
    checked::replace_file,
    replica::ProposalBuilder,
    replication::{GroupHandle, Outcome},
    resp::Reply,
    session::Node,
};
use std::{
    convert::Infallible,
    fs::{self, File},
    io::{self, ErrorKind, Read},
    path::{Path, PathBuf},
    time::Duration,
};

const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Looks for the file for ever.
pub(super) async fn watch(node: &Node, log: &GroupHandle) -> Infallible {
    let file = node.config.settings().data_dir.join(Rescue::FILE);
    loop {
        tokio::time::sleep(LOOK_INTERVAL).await;
        // Who waits for the rescue sees that the file stays.
        let text = match read(&file) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => continue,
            Err(error) => {
                tracing::warn!(%error, path = %file.display(), "cannot read what flotilla admin rescue has written");
                continue;
            }
        };
        match done(node, log, &text).await {
            Done::Yes => remove(&file),
            Done::NotYet => {}
            Done::Refused(why) => {
                tracing::error!(
                    why,
                    path = %file.display(),
                    remedy = "run flotilla admin rescue again, at a node of the core and by its own program",
                    "the rescue that was asked for was refused"
                );
                let told: PathBuf = file.with_file_name(Rescue::REFUSED);
                if let Err(error) = replace_file(&told, why.as_bytes()) {
                    tracing::warn!(%error, path = %told.display(), "cannot write why");
                }
                remove(&file);
            }
        }
    }
}

enum Done {
    Yes,
    NotYet,
    Refused(String),
}

fn read(file: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(file)?.take(Rescue::BYTES_MAX).read_to_string(&mut text)?;
    Ok(text)
}

async fn done(node: &Node, log: &GroupHandle, text: &str) -> Done {
    let Some(rescue) = Rescue::decode(text) else { return Done::Refused("the file is damaged".into()) };
    if log.state().edge.is_edge() {
        return Done::Refused("an edge has the users of its core: rescue one at a node of the core".into());
    }
    let words = rescue.call();
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    let mut proposal = ProposalBuilder::commands();
    proposal.push(0, &words);
    match log.propose(proposal.finish()).await {
        Outcome::Applied(replies) => match replies.into_iter().next() {
            Some(Reply::Error(error)) => Done::Refused(error.to_string()),
            _ => {
                tracing::warn!(
                    user = rescue.user,
                    data_dir = %node.config.settings().data_dir.display(),
                    "a user has a new password and may do everything, as flotilla admin rescue asked for in the data directory"
                );
                Done::Yes
            }
        },
        // Once more does no harm.
        Outcome::NotDone(_) | Outcome::Unknown(_) => Done::NotYet,
    }
}

fn remove(file: &Path) {
    if let Err(error) = fs::remove_file(file) {
        tracing::warn!(%error, path = %file.display(), "cannot remove what flotilla admin rescue has written; it is done again and again");
    }
}
