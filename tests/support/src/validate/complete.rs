//! G1 and G8: what is delivered is exactly the filtered history, and a gap is never silent.

use super::Violation;
use super::case::Case;

/// G1: between two explicit boundaries the delivered events are the filtered history: same
/// order, type, cause, key, uid, version and content.
#[must_use]
pub fn complete(case: &Case<'_>) -> Vec<Violation> {
    diverging(case, |_| true)
        .map(|(at, why)| at.says(why))
        .collect()
}

/// G8: a gap is preceded by Reset or a terminal status. A segment holds neither, so each event
/// that one lacks was lost silently.
#[must_use]
pub fn no_silent_loss(case: &Case<'_>) -> Vec<Violation> {
    let lost = diverging(case, |divergence| divergence.missing);
    lost.map(|(at, why)| at.says(format!("lost without Reset or status: {why}")))
        .collect()
}

/// G9, first part: what a bookmark says was delivered, was.
pub(super) fn false_bookmarks<'a>(case: &'a Case<'_>) -> impl Iterator<Item = Violation> + 'a {
    diverging(case, |divergence| divergence.bookmark).map(|(at, why)| at.says(why))
}

fn diverging<'a>(
    case: &'a Case<'_>,
    owned: impl Fn(&super::follow::Divergence) -> bool + 'a,
) -> impl Iterator<Item = (super::At, String)> + 'a {
    case.segments
        .iter()
        .enumerate()
        .filter_map(move |(place, segment)| {
            let followed = case.followed(place);
            let divergence = followed.divergence.as_ref().filter(|found| owned(found))?;
            Some((
                case.at(segment.stream, divergence.frame),
                divergence.message.clone(),
            ))
        })
}
