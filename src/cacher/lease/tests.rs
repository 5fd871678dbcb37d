//! What those who wait for a state are told, and when.

use super::*;
use crate::{
    cacher::catch_up::CatchUp,
    reflector::testing::{PATIENCE, pods, source},
    store::HistoryLimits,
    subscription::{FeedLimits, Obstacle},
    view::Budget,
};

/// Nobody waits this long here: whoever would has failed.
const DEADLINE: Duration = Duration::from_secs(600);

fn lease() -> Lease {
    let history = HistoryLimits {
        bytes: 1 << 20,
        age: DEADLINE,
    };
    let limits = FeedLimits {
        history,
        view_log_bytes: 1 << 20,
        budget: Budget::new(64 << 20),
    };
    let source = source(&pods());
    let feed = Feed::new(source.gvr().clone(), [1; 8], limits, Arc::default());
    let (catch_up, _) = CatchUp::new();
    Lease::new(Arc::new(Cacher::new(source, feed, catch_up)), DEADLINE)
}

fn forbid(lease: &Lease) {
    let forbidden = Some(Obstacle::Forbidden);
    lease.feed().set_health(UpstreamHealth::Degraded, forbidden);
}

async fn synced(lease: &Lease) -> Result<(), Closed> {
    let answer = tokio::time::timeout(PATIENCE, lease.synced());
    answer.await.expect("answered at once")
}

#[tokio::test]
async fn a_missing_right_is_told_at_once_and_forgotten_with_it() {
    let lease = lease();
    let waiting = async { synced(&lease).await };
    let refusing = async { forbid(&lease) };
    let (told, ()) = tokio::join!(waiting, refusing);
    let error = told.expect_err("forbidden");
    assert_eq!(
        error.to_string(),
        "the daemon may not list and watch pods: grant its service account list and watch"
    );
    // Another trouble takes its place: what is waited for may come.
    lease.feed().set_health(UpstreamHealth::Degraded, None);
    assert_eq!(
        lease.complete(&lease.feed().pulse().borrow()),
        Err(Closed::UpstreamDown)
    );
    lease
        .feed()
        .replace(vec![], ResourceVersion::new("7"), false);
    lease.feed().set_health(UpstreamHealth::Healthy, None);
    assert_eq!(synced(&lease).await, Ok(()));
    assert_eq!(lease.live().await, Ok(()));
}

#[tokio::test]
async fn a_state_outlives_the_right_to_it() {
    let lease = lease();
    lease
        .feed()
        .replace(vec![], ResourceVersion::new("7"), false);
    lease.feed().set_health(UpstreamHealth::Healthy, None);
    assert_eq!(lease.readable().await, Ok(()));
    forbid(&lease);
    assert_eq!(synced(&lease).await, Ok(()));
    assert_eq!(lease.readable().await, Err(lease.forbidden()));
    assert_eq!(lease.late(None), lease.forbidden());
    // A feed that nobody wants forgets that too: the next one asks anew.
    lease.feed().clear();
    assert!(!lease.feed().pulse().borrow().forbidden);
}
