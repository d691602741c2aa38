//! What the log promises, against damage, crashes and a model.

mod damage;
mod durability;
mod model;
mod support;
mod torn;
