//! Reading on from the history, where the log of a view no longer reaches back.

use std::sync::Arc;

use super::{Feed, Place, Seat, State};
use crate::{
    store::{Change, Seq, Since},
    view::{HistoryPlace, Past},
};

/// Most changes that are taken from the history in one go, under the feed's lock.
const FETCH_CHANGES: usize = 512;

impl Feed {
    /// What follows a place. Encodes it if nobody has done so for the same query, a bounded stretch
    /// at a time.
    pub(in crate::subscription) fn past(&self, seat: &Seat, place: &Place) -> Past {
        let found = {
            let state = self.state.lock();
            // A position of another epoch may look like one of this.
            let same = self.epoch() == place.epoch;
            same.then(|| find(&state, place)).flatten()
        };
        let Some(found) = found else {
            return Past::Lost;
        };
        seat.view
            .past(found, |after| self.fetch(after, found.rewrites))
    }

    fn fetch(&self, after: Seq, rewrites: u64) -> Option<Vec<Arc<Change>>> {
        let state = self.state.lock();
        let valid = state.cache.rewrites() == rewrites;
        match state.cache.since(after, FETCH_CHANGES) {
            Since::Changes(changes) if valid => Some(changes),
            Since::Changes(_) | Since::Expired => None,
        }
    }
}

/// Where the history continues a place. The view may know that it is further on than its last
/// position tells.
fn find(state: &State, place: &Place) -> Option<HistoryPlace> {
    let cache = &state.cache;
    let by_seq = place
        .in_log
        .then(|| cache.place(place.after, None))
        .flatten();
    let position = place.exact.then_some(&place.version);
    let after = by_seq.or_else(|| cache.place(place.after, position))?;
    Some(HistoryPlace {
        after,
        seam: cache.seam(),
        rewrites: cache.rewrites(),
    })
}
