//! `flotilla admin rescue`: writes into a node's data directory what the node then does (`node/rescue.rs`).

use super::failure::{Failure, Outcome};
use crate::{acl::Rescue, checked::replace_file};
use std::{
    fs, io,
    os::unix::fs::{MetadataExt, chown},
    path::Path,
    thread::sleep,
    time::{Duration, Instant},
};

/// A running node looks once a second, and a core may be about to elect a leader.
const WAIT_MAX: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(50);

/// Waits until it is done, or for as long as a running node may take.
pub(super) fn rescue(directory: &Path, user: &str, password: &str) -> Result<String, Failure> {
    let failed = |error: io::Error| Failure::refused(format!("{}: {error}", directory.display()));
    let rescue = Rescue::new(user, password.as_bytes())
        .ok_or_else(|| Failure::refused(format!("'{}' is no name of a user", user.escape_debug())))?;
    let owner = fs::metadata(directory).map_err(failed)?;
    if !directory.join("store").is_dir() {
        return Err(Failure::refused(format!(
            "{}: this is no data directory of a node",
            directory.display()
        )));
    }
    let (file, refused) = (directory.join(Rescue::FILE), directory.join(Rescue::REFUSED));
    match fs::remove_file(&refused) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
        _ => {}
    }
    replace_file(&file, rescue.encode().as_bytes()).map_err(failed)?;
    // The node need not run as root, even if this does.
    if fs::metadata(&file).map_err(failed)?.uid() != owner.uid() {
        chown(&file, Some(owner.uid()), Some(owner.gid())).map_err(failed)?;
    }
    let began = Instant::now();
    while file.exists() && began.elapsed() < WAIT_MAX {
        sleep(POLL);
    }
    if file.exists() {
        let text = format!(
            "{}: no node runs here, or its core has no leader; '{user}' gets the password as soon as there is one. To call it off, \
             remove {}",
            directory.display(),
            file.display()
        );
        return Err(Failure { outcome: Outcome::Incomplete, text });
    }
    match fs::read_to_string(&refused) {
        Ok(why) => Err(Failure::refused(why)),
        Err(_) => Ok(format!("'{user}' has this password now, and may do everything, on all nodes")),
    }
}
