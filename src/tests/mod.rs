//! What tests of several modules share.

mod pages;
pub(crate) mod stage;
