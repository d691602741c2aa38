//! What tests of several modules share.

mod command_names;
mod pages;
mod retired;
pub(crate) mod stage;
