//! G9: bookmarks are true and come in time.

use std::time::Duration;

use super::Violation;
use super::case::Case;
use super::complete::false_bookmarks;
use super::segment::Item;

/// How many intervals of silence are forgiven: machines under test are busy.
const SLACK: u32 = 3;

/// G9: everything up to a bookmark was delivered before it and nothing up to it comes later,
/// bookmarks never go back, and no stream is silent for longer than its interval allows.
#[must_use]
pub fn bookmarks(case: &Case<'_>) -> Vec<Violation> {
    let mut violations: Vec<_> = false_bookmarks(case).collect();
    for segment in &case.segments {
        let snapshot = segment.snapshot.as_ref().and_then(|snapshot| snapshot.end);
        let mut promised = snapshot.map_or(0, |(_, version, _)| version);
        let mut reached = promised;
        for item in &segment.items {
            let at = case.at(segment.stream, item.frame());
            match item {
                Item::Bookmark(_, version) if *version < reached => {
                    violations.push(at.says(format!("a bookmark at {version} after {reached}")));
                }
                Item::Bookmark(_, version) => promised = *version,
                Item::Event(_, event) if event.version <= promised => {
                    let version = event.version;
                    violations
                        .push(at.says(format!("an event at {version} after bookmark {promised}")));
                }
                Item::Event(..) | Item::Run(_) => {}
            }
            reached = reached.max(item.version());
        }
    }
    for stream in 0..case.run.streams.len() {
        violations.extend(silence(case, stream));
    }
    violations
}

fn silence(case: &Case<'_>, stream: usize) -> Option<Violation> {
    let trace = &case.run.streams[stream];
    if trace.bookmark_interval == Duration::ZERO {
        return None;
    }
    let times: Vec<_> = trace
        .frames
        .iter()
        .map(|(at, _)| *at)
        .chain(trace.ended)
        .collect();
    let gaps = times.windows(2).map(|pair| pair[1].saturating_sub(pair[0]));
    let (frame, longest) = gaps.enumerate().max_by_key(|(_, gap)| *gap)?;
    (longest > trace.bookmark_interval * SLACK).then(|| {
        let wanted = trace.bookmark_interval;
        case.at(stream, frame).says(format!(
            "silent for {longest:?}, the interval is {wanted:?}"
        ))
    })
}
