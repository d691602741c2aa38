//! ACL DRYRUN.

use crate::{
    command::{Args, check},
    commands::table,
    error::Result,
    resp::{ErrorReply, Reply, excerpt},
    session::Context,
};

pub(super) fn dryrun(context: &mut Context<'_>, args: &mut Args<'_>) -> Result<Reply> {
    let name = args.next_word()?;
    let user = std::str::from_utf8(name).ok().and_then(|name| context.node.users.get(name));
    let user = user.ok_or_else(|| ErrorReply::err(format!("User '{}' not found", excerpt(name))))?;
    let argv = args.rest();
    let call = match table().resolve(argv) {
        Ok(call) => call,
        Err(error) if table().knows(argv) => return Err(error.into()),
        Err(_) => {
            let command = argv.first().copied().unwrap_or_default();
            return Err(ErrorReply::err(format!("Command '{}' not found", excerpt(command))).into());
        }
    };
    match check(&user, call, argv, context.session.db) {
        Ok(()) => Ok(Reply::Ok),
        Err(denied) => Ok(Reply::bulk(denied.full_text(&user, call, argv))),
    }
}
