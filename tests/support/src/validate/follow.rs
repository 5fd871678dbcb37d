//! Walks a segment along the history that it must show. Positions are a set where a difference
//! of states doesn't tell its end; whatever follows narrows it down.

mod difference;

use std::collections::HashMap;

use super::case::Case;
use super::history::{History, Projection, Wanted};
use super::segment::{Item, Segment};
use crate::evaluate::wants;
use crate::trace::{Event, Filter, Gap, Start};

/// How a segment compares with its history.
#[derive(Debug, Default)]
pub(crate) struct Followed {
    /// The first divergence.
    pub(crate) divergence: Option<Divergence>,
    /// Per place of the last event of a difference: the versions it may stand for.
    pub(crate) positions: HashMap<usize, Vec<u64>>,
    /// Where the segment may have begun; empty if unknown, and then nothing was compared.
    pub(crate) origin: Vec<u64>,
}

/// Where and how a segment leaves its history.
#[derive(Debug)]
pub(crate) struct Divergence {
    /// The frame that doesn't fit.
    pub(crate) frame: usize,
    /// Whether no event of the segment was delivered before.
    pub(crate) at_begin: bool,
    /// Whether something that must come before the frame didn't come.
    pub(crate) missing: bool,
    /// Whether the frame is a bookmark.
    pub(crate) bookmark: bool,
    /// Expected and got.
    pub(crate) message: String,
}

/// One place in the history that fits all that came so far.
#[derive(Debug, Clone, Copy)]
struct Place {
    /// Everything up to here was delivered or filtered out.
    version: u64,
    /// The next event of the filter.
    next: usize,
}

struct Walk<'a, 'c> {
    projection: &'a Projection,
    history: &'a History<'c>,
    filter: &'a Filter,
    gaps: &'a [Gap],
}

/// Compares a segment with its history.
pub(crate) fn follow(case: &Case<'_>, segment: &Segment<'_>) -> Followed {
    let projection = case.projection(segment);
    let walk = Walk {
        projection: &projection,
        history: &case.histories[segment.history],
        filter: &case.stream(segment).filter,
        gaps: &case.run.gaps,
    };
    let mut followed = Followed {
        origin: origin(case, segment),
        ..Followed::default()
    };
    let place = |version: &u64| Place {
        version: *version,
        next: projection.after(*version),
    };
    let mut places: Vec<Place> = followed.origin.iter().map(place).collect();
    if places.is_empty() {
        return followed;
    }
    if segment.opening == "RESYNCED" && !matches!(segment.items.first(), Some(Item::Run(_))) {
        let bound = segment.items.first().map_or(u64::MAX, bound);
        let jumped = places
            .iter()
            .flat_map(|from| walk.run(*from, &[], bound, false).0)
            .collect();
        places = distinct(jumped);
    }
    let mut at_begin = true;
    for (index, item) in segment.items.iter().enumerate() {
        let following = segment.items.get(index + 1);
        match walk.step(&places, item, following) {
            Ok(next) => places = next,
            Err((frame, missing, message)) => {
                let bookmark = matches!(item, Item::Bookmark(..));
                followed.divergence = Some(Divergence {
                    frame,
                    at_begin,
                    missing,
                    bookmark,
                    message,
                });
                return followed;
            }
        }
        at_begin &= matches!(item, Item::Bookmark(..));
        if let Item::Run(events) = item {
            let versions = places.iter().map(|place| place.version).collect();
            let (frame, _) = events[events.len() - 1];
            followed.positions.insert(frame, versions);
        }
    }
    followed
}

/// Where a segment begins.
fn origin(case: &Case<'_>, segment: &Segment<'_>) -> Vec<u64> {
    if let Some(snapshot) = &segment.snapshot {
        return snapshot
            .end
            .map(|(_, version, _)| version)
            .into_iter()
            .collect();
    }
    if segment.opening == "FROM_NOW" {
        return match segment.items.first() {
            None => vec![],
            Some(Item::Event(_, event)) => vec![event.version.saturating_sub(1)],
            Some(Item::Bookmark(_, version)) => vec![*version],
            Some(run @ Item::Run(_)) => {
                let commits = &case.histories[segment.history].truth.commits;
                let versions = commits.iter().map(|commit| commit.version);
                versions
                    .take_while(|version| *version < run.version())
                    .collect()
            }
        };
    }
    match &case.stream(segment).start {
        Start::Version(version) => vec![*version],
        Start::Token(token) => case.positions(token, segment.stream),
        Start::Snapshot | Start::Now => vec![],
    }
}

/// The last position that the item before this one can end at.
fn bound(item: &Item<'_>) -> u64 {
    match item {
        Item::Event(_, event) => event.version.saturating_sub(1),
        _ => item.version(),
    }
}

/// One place per next event is enough.
fn distinct(mut places: Vec<Place>) -> Vec<Place> {
    places.sort_by_key(|place| (place.next, place.version));
    places.dedup_by_key(|place| place.next);
    places
}

type Failure = (usize, bool, String);

impl Walk<'_, '_> {
    fn step(
        &self,
        places: &[Place],
        item: &Item<'_>,
        following: Option<&Item<'_>>,
    ) -> Result<Vec<Place>, Failure> {
        let mut failure = None;
        let mut next = Vec::new();
        let mut take = |result: Result<Vec<Place>, Failure>| match result {
            Ok(mut places) => next.append(&mut places),
            Err(found) => failure = failure.take().or(Some(found)),
        };
        for place in places {
            match item {
                Item::Event(frame, event) => take(self.event(*place, *frame, event)),
                Item::Bookmark(frame, version) => take(self.bookmark(*place, *frame, *version)),
                Item::Run(events) => {
                    let upper = following.map_or(u64::MAX, bound);
                    let (found, why) = self.run(*place, events, upper, following.is_none());
                    take(if found.is_empty() {
                        Err(why)
                    } else {
                        Ok(found)
                    });
                }
            }
        }
        if next.is_empty() {
            return Err(failure.expect("each place went on or failed"));
        }
        Ok(distinct(next))
    }

    /// The first event at or after `next` that the filter's types let through.
    fn wanted(&self, next: usize) -> Option<(usize, &Wanted)> {
        let events = self.projection.events.iter().enumerate().skip(next);
        events
            .into_iter()
            .find(|(_, wanted)| wants(self.filter, wanted.event.kind))
    }

    fn event(&self, place: Place, frame: usize, event: &Event) -> Result<Vec<Place>, Failure> {
        let fits = |from: Place| {
            let (index, wanted) = self.wanted(from.next)?;
            let version = event.version;
            wanted.difference(event).is_none().then_some(Place {
                version,
                next: index + 1,
            })
        };
        if let Some(next) = fits(place) {
            return Ok(vec![next]);
        }
        let jumped = self.jumps(place, event.version.saturating_sub(1));
        let found: Vec<_> = jumped.into_iter().filter_map(fits).collect();
        if !found.is_empty() {
            return Ok(found);
        }
        let got = format!(
            "{}/{} {}/{} at {}",
            event.kind, event.cause, event.namespace, event.name, event.version
        );
        Err(match self.wanted(place.next) {
            None => (
                frame,
                false,
                format!("expected no further event, got {got}"),
            ),
            Some((_, wanted)) => {
                let same = wanted.event.version == event.version && wanted.event.uid == event.uid;
                let missing = wanted.event.version <= event.version && !same;
                let why = wanted.difference(event).unwrap_or_default();
                (
                    frame,
                    missing,
                    format!("{why} (position {})", place.version),
                )
            }
        })
    }

    fn bookmark(&self, place: Place, frame: usize, version: u64) -> Result<Vec<Place>, Failure> {
        let passes = |from: Place| {
            let clear = self
                .wanted(from.next)
                .is_none_or(|(_, next)| next.event.version > version);
            let next = from.next.max(self.projection.after(version));
            clear.then_some(Place {
                version: version.max(from.version),
                next,
            })
        };
        if let Some(next) = passes(place) {
            return Ok(vec![next]);
        }
        let found: Vec<_> = self
            .jumps(place, version)
            .into_iter()
            .filter_map(passes)
            .collect();
        if !found.is_empty() {
            return Ok(found);
        }
        let missing = self
            .wanted(place.next)
            .map(|(_, wanted)| wanted.to_string());
        let missing = missing.unwrap_or_default();
        Err((
            frame,
            true,
            format!("expected {missing}, got a bookmark at {version}"),
        ))
    }

    /// Where the stream may stand after a comparison of states that showed no difference.
    fn jumps(&self, place: Place, upper: u64) -> Vec<Place> {
        // What came before the break had to be delivered.
        let next = self
            .wanted(place.next)
            .map_or(u64::MAX, |(_, wanted)| wanted.event.version);
        let near = |gap: &&Gap| gap.to > place.version && gap.from <= upper && gap.from < next;
        self.gaps
            .iter()
            .filter(near)
            .flat_map(|gap| self.run(place, &[], upper.min(gap.to), false).0)
            .collect()
    }
}
