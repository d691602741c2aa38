//! The promises of the log, against damage, crashes and a model.

mod damage;
mod durability;
pub(crate) mod hand;
mod model;
mod power;
mod support;
mod torn;
