//! What tests of several modules share.

mod command_names;
mod pages;
pub(crate) mod stage;
