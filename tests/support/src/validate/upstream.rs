//! G13: however many subscribers there are, the apiserver sees one watch per collection.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Violation;
use super::case::Case;
use crate::trace::UpstreamRequest;

/// A connection that was left is noticed by the apiserver later than its successor opens, on a busy
/// machine by some tenths of a second; a second watch that is one lives for minutes.
const GRACE: Duration = Duration::from_secs(1);

/// G13: per resource at most `Expectation::collections` collections are watched, at any instant at
/// most `Expectation::watches` watches are open on each, and there were no more lists than
/// `Expectation::lists` (pages of one list count once).
#[must_use]
pub fn one_upstream(case: &Case<'_>) -> Vec<Violation> {
    let mut resources: BTreeMap<&str, Vec<&UpstreamRequest>> = BTreeMap::new();
    for request in case
        .run
        .requests
        .iter()
        .filter(|request| !request.resource.is_empty())
    {
        resources
            .entry(&request.resource)
            .or_default()
            .push(request);
    }
    let mut violations = Vec::new();
    for (resource, requests) in resources {
        let lists = requests
            .iter()
            .filter(|request| request.verb == "list" && !request.uri.contains("continue="));
        let lists = lists.count();
        if let Some(allowed) = case.expectation.lists.filter(|allowed| lists > *allowed) {
            violations
                .push(case.everywhere(format!("{resource}: {lists} lists, allowed {allowed}")));
        }
        violations.extend(watches(case, resource, &requests));
    }
    violations
}

/// Judges the watches of one resource.
fn watches(case: &Case<'_>, resource: &str, requests: &[&UpstreamRequest]) -> Vec<Violation> {
    let mut collections: BTreeMap<&str, Vec<(Duration, Duration)>> = BTreeMap::new();
    for request in requests
        .iter()
        .filter(|request| request.verb == "watch" && request.status == 200)
    {
        let path = request.uri.split('?').next().unwrap_or_default();
        let open = (request.started, request.ended.unwrap_or(Duration::MAX));
        collections.entry(path).or_default().push(open);
    }
    let mut violations = Vec::new();
    let (count, allowed) = (collections.len(), case.expectation.collections);
    if count > allowed {
        let text = format!("{resource}: {count} collections are watched, allowed {allowed}");
        violations.push(case.everywhere(text));
    }
    let allowed = case.expectation.watches;
    for (path, watches) in collections {
        violations.extend(overlap(&watches, allowed).map(|(at, open)| {
            case.everywhere(format!(
                "{path}: {open} watches open at {at:?}, allowed {allowed}"
            ))
        }));
    }
    violations
}

/// The first instant at which too many watches are open for longer than the grace.
fn overlap(watches: &[(Duration, Duration)], allowed: usize) -> Option<(Duration, usize)> {
    watches.iter().find_map(|(start, end)| {
        // Those that are still open when the grace of this one's opening is over.
        let at = *start + GRACE;
        let open = watches
            .iter()
            .filter(|(from, until)| from <= start && *until >= at)
            .count();
        (open > allowed && *end >= at).then_some((at, open))
    })
}
