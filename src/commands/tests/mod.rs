//! Properties of calls that follow from rows.

mod compatibility;
mod costs;
mod names;
mod permission;
