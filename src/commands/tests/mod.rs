//! What rows say of calls.

mod names;
