//! What the demo claims at its end, each claim computed from what really happened.

use anyhow::bail;

use super::{
    ALL, NAMED,
    absence::Absence,
    subscriber::Subscriber,
    world::{Upstream, World},
};

/// The claims, and the figures behind them.
#[derive(Debug)]
pub(super) struct Verdict {
    /// Whether each holds, and its words.
    pub(super) claims: Vec<(bool, String)>,
    /// Of each subscriber with a name: changes that were compared with the cluster's log.
    pub(super) compared: Vec<usize>,
    /// What the apiserver saw.
    pub(super) upstream: Upstream,
}

impl Verdict {
    /// # Errors
    /// A claim does not hold.
    pub(super) fn into_result(self) -> anyhow::Result<()> {
        let broken: Vec<String> = self
            .claims
            .into_iter()
            .filter_map(|(holds, words)| (!holds).then_some(words))
            .collect();
        if !broken.is_empty() {
            bail!(
                "the demo has failed, it does not hold that {}",
                broken.join("; ")
            );
        }
        Ok(())
    }
}

/// Judges everything up to the change at `last`.
pub(super) fn verdict(
    world: &World,
    subscribers: &[Subscriber],
    absence: &Absence,
    last: u64,
) -> Verdict {
    let upstream = world.upstream();
    let (mut claims, mut compared) = (Vec::new(), Vec::new());
    let mut all_equal = true;
    for subscriber in &subscribers[..NAMED] {
        let (equal, number) = compare(world, subscriber, last);
        all_equal &= equal;
        compared.push(number);
    }
    claims.push((
        all_equal,
        "each filter got exactly its own changes, as the cluster's log has them".to_owned(),
    ));
    claims.push((
        subscribers.iter().all(|each| !each.disordered),
        "nothing came twice or out of order".to_owned(),
    ));
    let table = &subscribers[ALL];
    let crowd = &subscribers[NAMED..];
    claims.push((
        crowd
            .iter()
            .all(|each| (each.changes, each.digest) == (table.changes, table.digest)),
        format!("{} more subscribers got the same as the table", crowd.len()),
    ));
    claims.extend(of_absence(absence));
    claims.push((
        (upstream.open, upstream.most) == (1, 1),
        format!(
            "one watch at the apiserver carried all {} streams",
            streams(subscribers)
        ),
    ));
    Verdict {
        claims,
        compared,
        upstream,
    }
}

/// Streams that were opened.
pub(super) fn streams(subscribers: &[Subscriber]) -> usize {
    subscribers.iter().map(|each| each.streams).sum()
}

/// Whether a subscriber got what the log says, as far as the log goes back.
fn compare(world: &World, subscriber: &Subscriber, last: u64) -> (bool, usize) {
    let Some(began) = subscriber.began else {
        return (false, 0);
    };
    let (mut expected, oldest) = world.expected(&subscriber.filter(), began, last);
    let after = began.max(oldest.saturating_sub(1));
    expected.retain(|seen| seen.version > after);
    (expected == subscriber.seen_after(after), expected.len())
}

fn of_absence(absence: &Absence) -> Option<(bool, String)> {
    match absence {
        Absence::ToCome => None,
        Absence::Away(_) => Some((false, "the canary came back".to_owned())),
        Absence::Back(back) | Absence::Over(back) => Some((
            absence.is_over() && back.is_complete(),
            format!(
                "a token continued where the canary left: {} missed, {} delivered, none twice",
                back.missed.len(),
                back.delivered.len()
            ),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_broken_claim_fails_the_demo() {
        let verdict = |holds| Verdict {
            claims: vec![(true, "this".to_owned()), (holds, "that".to_owned())],
            compared: Vec::new(),
            upstream: Upstream {
                requests: 1,
                open: 1,
                most: 1,
            },
        };
        assert!(verdict(true).into_result().is_ok());
        let error = verdict(false).into_result().expect_err("a broken claim");
        assert_eq!(
            error.to_string(),
            "the demo has failed, it does not hold that that"
        );
    }
}
