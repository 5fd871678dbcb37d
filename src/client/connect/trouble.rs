//! What went wrong on the newest connection.

use std::sync::Arc;

use parking_lot::Mutex;

use super::TlsFailure;

/// Why the newest connection is of no use, if it is known. The libraries above tell calls that came
/// after it only that it is closed.
#[derive(Debug, Clone, Default)]
pub(in crate::client) struct Trouble(Arc<Mutex<Option<TlsFailure>>>);

impl Trouble {
    pub(in crate::client) fn last(&self) -> Option<TlsFailure> {
        self.0.lock().clone()
    }

    /// There is a newer connection.
    pub(super) fn forget(&self) {
        *self.0.lock() = None;
    }

    pub(super) fn note(&self, failure: &TlsFailure) {
        *self.0.lock() = Some(failure.clone());
    }
}
