//! What a view shows of changes that its log no longer holds.

use std::sync::Arc;

use super::{
    Deliveries, View,
    frame::{encode_change, size_hint},
    transition,
    unit::{Draft, Unit},
};
use crate::{
    resource::ResourceVersion,
    store::{Change, Seq},
};

/// Most changes looked at before others have a turn.
pub(super) const STEP_CHANGES: usize = 4096;

/// Encodes what follows `after`, up to about `max` bytes (at least the events of one change), and
/// no further than `until`. `fetch` gives the changes after one, none when there are no more, and
/// `None` when they are no longer known. `None` if nothing that follows is known.
pub(super) fn encode_past(
    view: &View,
    after: Seq,
    until: Option<Seq>,
    max: usize,
    mut fetch: impl FnMut(Seq) -> Option<Vec<Arc<Change>>>,
) -> Option<Unit> {
    let mut stretch = Stretch {
        view,
        draft: Draft::new(after, 0),
        max,
        until,
        reached: Reached::at(after),
        pending: None,
        seen: 0,
    };
    loop {
        let Some(changes) = fetch(stretch.reached.through) else {
            stretch.forget_pending();
            break;
        };
        if changes.is_empty() || !changes.into_iter().all(|change| stretch.take(change)) {
            break;
        }
    }
    stretch.finish(after)
}

/// How far one has come.
#[derive(Debug, Clone)]
struct Reached {
    through: Seq,
    position: Option<ResourceVersion>,
}

impl Reached {
    fn at(through: Seq) -> Self {
        Self {
            through,
            position: None,
        }
    }
}

/// A stretch of the past in the making.
struct Stretch<'a> {
    view: &'a View,
    draft: Draft,
    max: usize,
    until: Option<Seq>,
    reached: Reached,
    /// A change that is shown, in a group that may show more: only the last carries the token. With
    /// it, how far one had come before.
    pending: Option<(Arc<Change>, Reached)>,
    seen: usize,
}

impl Stretch<'_> {
    /// Takes the next change. Refuses it, and all that follow, where the stretch ends.
    fn take(&mut self, change: Arc<Change>) -> bool {
        let view = self.view;
        let deliveries = transition(view.query(), &change);
        let shown = deliveries.iter().any(Option::is_some);
        if shown && let Some((before, _)) = self.pending.take() {
            self.encode(&before, &transition(view.query(), &before), false);
        }
        if self.pending.is_none() && self.ends_before(&change, &deliveries) {
            return false;
        }
        self.seen += 1;
        let before = self.reached.clone();
        let closes = change.seq == change.group_end;
        self.reached = Reached {
            through: change.seq,
            position: closes.then(|| change.position.clone()),
        };
        match (shown, closes) {
            (true, true) => self.encode(&change, &deliveries, true),
            (true, false) => self.pending = Some((change, before)),
            (false, true) => self.settle(),
            (false, false) => {}
        }
        true
    }

    /// The group is over, and shows no more.
    fn settle(&mut self) {
        if let Some((last, _)) = self.pending.take() {
            let deliveries = transition(self.view.query(), &last);
            self.encode(&last, &deliveries, true);
        }
    }

    fn ends_before(&self, change: &Change, deliveries: &Deliveries<'_>) -> bool {
        let written = self.draft.buffer.len();
        self.seen >= STEP_CHANGES
            || self.until.is_some_and(|until| until < change.seq)
            || (written > 0
                && written + size_hint(deliveries, self.view.query().include_old()) > self.max)
    }

    fn encode(&mut self, change: &Change, deliveries: &Deliveries<'_>, closes: bool) {
        let position = closes.then(|| change.position.clone());
        let token = position.as_ref().map(|position| self.view.token(position));
        let old = self.view.query().include_old();
        let buffer = &mut self.draft.buffer;
        buffer.reserve(size_hint(deliveries, old));
        encode_change(buffer, deliveries, token.unwrap_or_default(), old);
        self.draft.mark(change.seq, position);
    }

    /// Nobody can tell any more whether it is the last of its group.
    fn forget_pending(&mut self) {
        if let Some((_, before)) = self.pending.take() {
            self.reached = before;
        }
    }

    fn finish(self, after: Seq) -> Option<Unit> {
        let Reached { through, position } = self.reached;
        let track = |buffer| self.view.budget().track(buffer);
        (through > after).then(|| self.draft.finish_at(through, position, track))
    }
}
