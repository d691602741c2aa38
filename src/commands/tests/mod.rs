//! Properties of calls that follow from rows.

mod costs;
mod names;
mod permission;
