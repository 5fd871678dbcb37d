//! A lane of questions: so many are asked at once, so many wait, and no more.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Questions that are asked at once, and questions that wait for that.
#[derive(Debug)]
pub(super) struct Lane {
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

/// A place in the queue. Dropping it leaves the queue.
#[derive(Debug)]
pub(super) struct Place {
    turns: Arc<Semaphore>,
    _place: OwnedSemaphorePermit,
}

/// A question that is being asked. Dropping it lets the next one have its turn.
#[derive(Debug)]
pub(super) struct Turn {
    _turn: OwnedSemaphorePermit,
}

impl Lane {
    pub(super) fn new(at_once: usize, waiting: usize) -> Self {
        Self {
            turns: Arc::new(Semaphore::new(at_once)),
            places: Arc::new(Semaphore::new(waiting)),
        }
    }

    /// Joins the queue; `None` if it is full.
    pub(super) fn enter(&self) -> Option<Place> {
        let place = self.places.clone().try_acquire_owned().ok()?;
        Some(Place {
            turns: self.turns.clone(),
            _place: place,
        })
    }
}

impl Place {
    /// Waits for its turn. Cancel safe: who stops waiting leaves the queue.
    pub(super) async fn turn(self) -> Turn {
        let turn = self.turns.acquire_owned().await;
        Turn {
            _turn: turn.expect("the semaphore is never closed"),
        }
    }
}
