//! Shared by the tests of several modules.

mod cli_page;
mod command_names;
mod errors_page;
mod flags;
mod pages;
mod retired;
pub(crate) mod stage;
