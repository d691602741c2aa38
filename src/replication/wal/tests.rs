//! What the log promises, against damage, crashes and a model.

mod damage;
mod durability;
pub(super) mod hand;
mod model;
mod power;
mod support;
mod torn;
