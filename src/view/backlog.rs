//! Changes that are told to one reader alone, message by message.

use std::{collections::VecDeque, sync::Arc};

use bytes::{Bytes, BytesMut};

use super::{
    View,
    frame::{encode_change, size_hint},
    transition,
};
use crate::{resource::ResourceVersion, store::Change};

/// Changes (whole groups) for a reader that comes from further back than the view's log reaches.
/// Each is let go as soon as it is encoded, so what is held shrinks as the reader reads.
#[derive(Debug, Default)]
pub struct Backlog {
    changes: VecDeque<Arc<Change>>,
    /// Whether more events belong together with the last ones.
    open: bool,
}

impl Backlog {
    /// Takes changes in order.
    pub fn new(changes: Vec<Arc<Change>>) -> Self {
        Self {
            changes: changes.into(),
            open: false,
        }
    }

    /// Whether there is nothing left.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// Whether the next events belong together with the last ones: there is no position here.
    pub fn is_within_group(&self) -> bool {
        self.open
    }

    /// The next events that `view` shows, up to about `max` bytes and at least those of one change;
    /// `None` if there are none left. `mint` makes the token of a position.
    pub fn next(
        &mut self,
        view: &View,
        max: usize,
        mint: impl Fn(&ResourceVersion) -> String,
    ) -> Option<Bytes> {
        let query = view.query();
        let shows = |change: &Change| transition(query, change).iter().any(Option::is_some);
        let mut buffer = BytesMut::new();
        while let Some(change) = self.changes.front().cloned() {
            let deliveries = transition(query, &change);
            if !buffer.is_empty() && buffer.len() + size_hint(&deliveries) > max {
                break;
            }
            self.changes.pop_front();
            if deliveries.iter().all(Option::is_none) {
                continue;
            }
            let mut group = self
                .changes
                .iter()
                .take_while(|later| later.group_end == change.group_end);
            let closes = !group.any(|later| shows(later));
            let token = if closes {
                mint(&change.position)
            } else {
                String::new()
            };
            self.open = !closes;
            encode_change(&mut buffer, &deliveries, token, query.include_old());
        }
        (!buffer.is_empty()).then(|| buffer.freeze())
    }
}
