//! How openraft hands a proposal's result back: to a closure, on whatever thread completes it.

use super::types::Types;
use openraft::raft::responder::Responder;

/// Calls its closure once with the result. Dropped without one, it drops the closure, which must then see to its waiters.
pub struct Fan<T>(Box<dyn FnOnce(T) + Send>);

impl<T> Fan<T> {
    pub(super) fn new(then: impl FnOnce(T) + Send + 'static) -> Self {
        Fan(Box::new(then))
    }
}

impl<T: Send + 'static> Responder<Types, T> for Fan<T> {
    fn on_complete(self, result: T) {
        (self.0)(result);
    }
}
