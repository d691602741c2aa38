//! How openraft hands a proposal's result back: to a closure, on whatever thread completes it.

use super::types::Types;
use openraft::raft::responder::Responder;

/// Calls its closure once with the result. Dropped without one, it drops the closure, which must then see to its waiters.
pub struct CallbackResponder<T>(Box<dyn FnOnce(T) + Send>);

impl<T> CallbackResponder<T> {
    pub(super) fn new(then: impl FnOnce(T) + Send + 'static) -> Self {
        CallbackResponder(Box::new(then))
    }
}

impl<T: Send + 'static> Responder<Types, T> for CallbackResponder<T> {
    fn on_complete(self, result: T) {
        (self.0)(result);
    }
}
