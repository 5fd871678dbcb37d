//! Finds where a stream may stand after a difference of states.

use super::super::resync::{Leavers, Net, mismatch};
use super::{Failure, Place, Walk, distinct};
use crate::trace::Event;

impl Walk<'_, '_> {
    /// Where the stream may stand after `got` was delivered as the difference between the state
    /// at `place` and a later one at or below `upper`; and why not, if nowhere.
    pub(super) fn run(
        &self,
        place: Place,
        got: &[(usize, &Event)],
        upper: u64,
        last: bool,
    ) -> (Vec<Place>, Failure) {
        let partial = last && got.last().is_some_and(|(_, event)| event.token.is_empty());
        let lower = got
            .iter()
            .map(|(_, event)| event.version)
            .max()
            .unwrap_or(0);
        let frame = got.first().map_or(0, |(frame, _)| *frame);
        let mut closest = None;
        // The second round only explains why the first found nothing.
        for explain in [false, true] {
            let mut found = Vec::new();
            for begin in self.begins(place) {
                self.ends(begin, lower, upper, |end, net| {
                    let size = net.len(self.filter);
                    let fits = (size == got.len() || partial) && net.resembles(got);
                    if !(fits || explain && size >= got.len()) {
                        return;
                    }
                    match self.compare(end, net, got, partial) {
                        None => found.push(end),
                        // What came closest explains most.
                        Some(why) if closest.as_ref().is_none_or(|(at, _)| *at <= why.0) => {
                            closest = Some(why);
                        }
                        Some(_) => {}
                    }
                });
            }
            if !found.is_empty() || got.is_empty() {
                return (distinct(found), (frame, true, String::new()));
            }
        }
        let (frame, message) = closest.unwrap_or_else(|| (frame, self.count(place, got, lower)));
        (
            Vec::new(),
            (
                frame,
                true,
                format!("{message} (position {})", place.version),
            ),
        )
    }

    /// The daemon stood anywhere before the next event that it would have had to deliver.
    fn begins(&self, place: Place) -> impl Iterator<Item = Place> {
        let latest = self
            .wanted(place.next)
            .map_or(self.projection.events.len(), |(next, _)| next);
        (place.next..=latest).map(move |next| {
            let version = if next == place.next {
                place.version
            } else {
                self.version_of(next - 1)
            };
            Place { version, next }
        })
    }

    fn compare(
        &self,
        end: Place,
        net: &Net<'_>,
        got: &[(usize, &Event)],
        partial: bool,
    ) -> Option<(usize, String)> {
        let differs = |leavers| {
            let events = net.events(end.version, self.history, leavers, self.filter);
            mismatch(&events, got, partial)
        };
        let one = differs(Leavers::AtTheirVersion)?;
        let other = differs(Leavers::AtTheEnd)?;
        Some(if one.0 > other.0 { one } else { other })
    }

    fn version_of(&self, index: usize) -> u64 {
        self.projection.events[index].event.version
    }

    /// Visits each possible end in `lower..=upper`, with what is net of everything up to it.
    fn ends<'n>(
        &'n self,
        from: Place,
        lower: u64,
        upper: u64,
        mut visit: impl FnMut(Place, &Net<'n>),
    ) {
        let events = &self.projection.events;
        let mut net = Net::default();
        let mut begin = from.version;
        for next in from.next..=events.len() {
            // An end lies between two events; one version is never cut in two.
            let until = events
                .get(next)
                .map_or(u64::MAX, |wanted| wanted.event.version - 1);
            let (end, latest) = (begin.max(lower), until.min(upper));
            if end <= latest {
                visit(Place { version: end, next }, &net);
                // What has left the filter changes on without an event of it, and is told at its
                // own version.
                for version in net.moves_of_leavers(self.history, end, latest) {
                    visit(Place { version, next }, &net);
                }
            }
            let Some(wanted) = events.get(next) else {
                return;
            };
            if wanted.event.version > upper {
                return;
            }
            net.push(wanted);
            begin = wanted.event.version;
        }
    }

    fn count(&self, place: Place, got: &[(usize, &Event)], lower: u64) -> String {
        let mut size = 0;
        self.ends(place, lower, lower, |_, net| size = net.len(self.filter));
        format!(
            "expected a difference of {size} events up to {lower}, got {}",
            got.len()
        )
    }
}
