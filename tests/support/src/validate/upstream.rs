//! G13: however many subscribers there are, the apiserver sees one watch.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Violation;
use super::case::Case;
use crate::trace::UpstreamRequest;

/// A connection that was left is noticed by the apiserver later than its successor opens, on a busy
/// machine by some tenths of a second; a second watch that is one lives for minutes.
const GRACE: Duration = Duration::from_secs(1);

/// G13: at any instant at most `Expectation::watches` watches are open per resource, and there
/// were no more lists than `Expectation::lists` (pages of one list count once).
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
        violations.extend(
            overlap(&requests, case.expectation.watches).map(|(at, open)| {
                let allowed = case.expectation.watches;
                case.everywhere(format!(
                    "{resource}: {open} watches open at {at:?}, allowed {allowed}"
                ))
            }),
        );
    }
    violations
}

/// The first instant at which too many watches are open for longer than the grace.
fn overlap(requests: &[&UpstreamRequest], allowed: usize) -> Option<(Duration, usize)> {
    let watches: Vec<_> = requests
        .iter()
        .filter(|request| request.verb == "watch" && request.status == 200)
        .map(|request| (request.started, request.ended.unwrap_or(Duration::MAX)))
        .collect();
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
