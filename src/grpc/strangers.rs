//! What may be open of the services that are not the project's own: those for strangers are
//! counted all together, the others against their callers.

use std::{sync::Arc, time::Duration};

use http::Request;
use prometheus_client::metrics::counter::Counter;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tonic::{Code, Status};

use super::{caller, origin::Origin, status::retry};
use crate::access::{Gate, StreamSlot};

/// Most calls of each kind that strangers may have open.
const MOST: usize = 1_024;
/// When to come back.
const AFTER: Duration = Duration::from_secs(5);

/// What anybody may call: kubelets and load balancers carry no credentials.
const HEALTH: &str = "/grpc.health.v1.Health/";
const HEALTH_WATCH: &str = "/grpc.health.v1.Health/Watch";
const REFLECTION: &str = "/grpc.reflection.";

/// Counts the calls of those who show no credentials, whoever they are.
#[derive(Debug, Clone)]
pub(super) struct Strangers {
    watches: Arc<Semaphore>,
    /// Apart, so that however many watch, probes are answered.
    checks: Arc<Semaphore>,
    refused: Counter,
}

/// A place among what is open, free again when dropped.
#[derive(Debug)]
#[expect(dead_code, reason = "held, never looked at")]
pub(super) enum Slot {
    Stranger(OwnedSemaphorePermit),
    Caller(StreamSlot),
}

/// Finds out who calls and takes the place of the call; `None` if its service counts by itself.
///
/// # Errors
/// The caller is refused, or there is no place.
pub(super) async fn enter<B>(
    gate: &Gate,
    strangers: &Strangers,
    request: &mut Request<B>,
) -> Result<Option<Slot>, Status> {
    if let Some(slot) = strangers.admit(request.uri().path())? {
        return Ok(Some(slot));
    }
    if let Err(refusal) = caller::recognise(gate, request).await {
        return Err(caller::stranger(request, &refusal));
    }
    if !request.uri().path().starts_with(REFLECTION) {
        return Ok(None);
    }
    let origin = Origin::of(request.extensions())?;
    let slot = caller::enter(gate, &origin, "reflection")?;
    Ok(Some(Slot::Caller(slot)))
}

impl Strangers {
    pub(super) fn new(refused: Counter) -> Self {
        Self::of(MOST, refused)
    }

    fn of(most: usize, refused: Counter) -> Self {
        Self {
            watches: Arc::new(Semaphore::new(most)),
            checks: Arc::new(Semaphore::new(most)),
            refused,
        }
    }

    /// Takes a place for a call of a service that strangers may call; `None` for another service.
    fn admit(&self, path: &str) -> Result<Option<Slot>, Status> {
        let places = match path {
            HEALTH_WATCH => &self.watches,
            _ if path.starts_with(HEALTH) => &self.checks,
            _ => return Ok(None),
        };
        match Arc::clone(places).try_acquire_owned() {
            Ok(place) => Ok(Some(Slot::Stranger(place))),
            Err(_) => {
                // Counted and not logged: nobody stands behind it whom an operator could name.
                self.refused.inc();
                let message = "too many calls of the health service are open";
                Err(retry(
                    Code::ResourceExhausted,
                    "QUOTA_EXCEEDED",
                    message,
                    AFTER,
                ))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watchers_of_health_leave_room_for_probes() {
        let strangers = Strangers::of(2, Counter::default());
        let watch = || strangers.admit(HEALTH_WATCH);
        let held = [watch().expect("free"), watch().expect("free")];
        assert!(held.iter().all(Option::is_some));
        let refused = watch().expect_err("full");
        assert_eq!(refused.code(), Code::ResourceExhausted);
        let check = strangers.admit("/grpc.health.v1.Health/Check");
        assert!(check.expect("a place of its own").is_some());
        let own = strangers.admit("/informerd.v1.WatchService/Watch");
        assert!(own.expect("counted elsewhere").is_none());
        drop(held);
        assert!(watch().is_ok());
        assert_eq!(strangers.refused.get(), 1);
    }
}
