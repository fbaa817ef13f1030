//! The policy that is in force, for everybody to read while it may be replaced.

use std::sync::Arc;

use parking_lot::RwLock;

use super::model::Policy;

/// The policy in force. Cheap to clone; all clones see the same.
#[derive(Clone)]
pub struct Handle(Arc<RwLock<Arc<Policy>>>);

impl Handle {
    /// Puts the first policy in force.
    #[must_use]
    pub fn new(policy: Policy) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(policy))))
    }

    /// The policy in force now. Whoever holds it keeps it unchanged.
    #[must_use]
    pub fn current(&self) -> Arc<Policy> {
        Arc::clone(&self.0.read())
    }

    /// Puts another policy in force.
    pub fn replace(&self, policy: Policy) {
        *self.0.write() = Arc::new(policy);
    }
}
