//! The difference between two states, told to those who come from the older one.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};

use super::{
    Budget, View,
    budget::Reserve,
    frame::{encode_change, size_hint},
    past::STEP_CHANGES,
    transition,
};
use crate::{resource::ResourceVersion, store::Change};

/// What leads from one state to another: one group of changes, shared by all who come from the
/// same state. The older objects are kept alive by it alone, and count in the budget.
#[derive(Debug)]
pub struct Difference {
    changes: Vec<Arc<Change>>,
    _reserve: Reserve,
}

impl Difference {
    /// Takes the changes in order, unless the budget has no room for them.
    pub fn new(changes: Vec<Arc<Change>>, budget: &Arc<Budget>) -> Option<Arc<Self>> {
        let pointer = std::mem::size_of::<Arc<Change>>();
        let bytes = changes.iter().map(|change| change.weight() + pointer).sum();
        let reserve = budget.reserve(bytes)?;
        Some(Arc::new(Self {
            changes,
            _reserve: reserve,
        }))
    }
}

/// How far one reader has come in a difference.
#[derive(Debug, Default)]
pub struct Backlog {
    difference: Option<Arc<Difference>>,
    /// The next change to look at.
    next: usize,
    /// A change that is shown and was not told yet: the next that is shown decides on its token.
    held: Option<usize>,
    told: bool,
}

/// What comes next of a difference.
#[derive(Debug, PartialEq, Eq)]
pub enum Untold {
    /// Events, a message.
    Events(Bytes),
    /// A stretch without matches; ask again, but let others have a turn.
    Working,
    /// The budget has no room for a message.
    Full,
    /// It has been told; whether it showed anything.
    End(bool),
}

impl Backlog {
    /// Begins with all of it.
    pub fn new(difference: Arc<Difference>) -> Self {
        Self {
            difference: Some(difference),
            ..Self::default()
        }
    }

    /// Whether there is nothing left.
    pub fn is_empty(&self) -> bool {
        self.difference.is_none()
    }

    /// The next events that `view` shows, in a message of the size that the budget allows; `None`
    /// if there is nothing left. `mint` makes the token of a position.
    pub fn next(
        &mut self,
        view: &View,
        mint: impl FnOnce(&ResourceVersion) -> String,
    ) -> Option<Untold> {
        let difference = self.difference.clone()?;
        if !view.budget().make_room() {
            return Some(Untold::Full);
        }
        let mut buffer = BytesMut::new();
        let more = self.fill(&difference.changes, view, &mut buffer);
        if !more {
            if let Some(last) = self.held.take() {
                let last = &difference.changes[last];
                encode(view, last, mint(&last.position), &mut buffer);
            }
            self.difference = None;
        }
        self.told |= !buffer.is_empty();
        Some(match (buffer.is_empty(), more) {
            (false, _) => Untold::Events(view.budget().track(buffer)),
            (true, true) => Untold::Working,
            (true, false) => Untold::End(self.told),
        })
    }

    /// Encodes what is known not to be the last; says whether there is more than what is held.
    fn fill(&mut self, changes: &[Arc<Change>], view: &View, buffer: &mut BytesMut) -> bool {
        let max = view.budget().message();
        let query = view.query();
        let size = |at: usize| size_hint(&transition(query, &changes[at]), query.include_old());
        for _ in 0..STEP_CHANGES {
            if let Some(held) = self.held
                && !buffer.is_empty()
                && buffer.len() + size(held) > max
            {
                return true;
            }
            let Some(change) = changes.get(self.next) else {
                return false;
            };
            let shown = transition(query, change).iter().any(Option::is_some);
            if shown && let Some(held) = self.held.replace(self.next) {
                encode(view, &changes[held], String::new(), buffer);
            }
            self.next += 1;
        }
        true
    }
}

fn encode(view: &View, change: &Change, token: String, buffer: &mut BytesMut) {
    let deliveries = transition(view.query(), change);
    let old = view.query().include_old();
    buffer.reserve(size_hint(&deliveries, old));
    encode_change(buffer, &deliveries, token, old);
}
