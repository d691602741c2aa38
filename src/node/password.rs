//! Follows `requirepass-file`, so that a password changes without a restart.

use crate::config::Config;
use std::{io, sync::Arc, thread, time::Duration};

const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// Reads the file every second in a thread of its own, for as long as somebody else has the configuration. A disk that stalls
/// holds up nobody else.
pub(super) fn follow(config: &Arc<Config>) -> io::Result<()> {
    if config.settings().requirepass_file.is_none() {
        return Ok(());
    }
    let config = Arc::downgrade(config);
    let run = move || {
        let mut said = String::new();
        while let Some(config) = config.upgrade() {
            match config.reload_password() {
                Ok(true) => tracing::info!("the password has changed with its file"),
                Ok(false) => said.clear(),
                Err(error) if error != said => {
                    let remedy = "write the password into the file; until then the former one stays valid";
                    tracing::error!(%error, remedy, "cannot read the password");
                    said = error;
                }
                Err(_) => {}
            }
            drop(config);
            thread::sleep(LOOK_INTERVAL);
        }
    };
    thread::Builder::new().name("password".into()).spawn(run).map(drop)
}
