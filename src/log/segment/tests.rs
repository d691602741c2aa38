//! What the log promises, against damage, crashes and a model.

mod damage;
mod durability;
pub(super) mod hand;
mod model;
mod support;
mod torn;
