//! `/livez`, `/readyz` and `/metrics`.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use axum::{
    Router,
    extract::State,
    http::{StatusCode, header},
    response::IntoResponse,
    routing::get,
};
use parking_lot::Mutex;
use prometheus_client::{encoding::text::encode, registry::Registry};

const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Whether new clients should come here. Starts as not ready; draining is for good.
#[derive(Debug, Default)]
pub struct Readiness {
    stage: AtomicU8,
    trouble: Mutex<Option<String>>,
}

const STARTING: u8 = 0;
const READY: u8 = 1;
const DRAINING: u8 = 2;

impl Readiness {
    /// Clients may come, unless a drain has begun.
    pub fn ready(&self) {
        let _ = self
            .stage
            .compare_exchange(STARTING, READY, Ordering::AcqRel, Ordering::Acquire);
    }

    /// No more clients.
    pub fn drain(&self) {
        self.stage.store(DRAINING, Ordering::Release);
    }

    /// What keeps a daemon that is otherwise ready from serving anybody, for the operator; `None`
    /// when nothing does any more.
    pub fn trouble(&self, trouble: Option<String>) {
        *self.trouble.lock() = trouble;
    }

    fn answer(&self) -> (StatusCode, String) {
        let unavailable = |why: &str| (StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n"));
        match (self.stage.load(Ordering::Acquire), &*self.trouble.lock()) {
            (DRAINING, _) => unavailable("draining"),
            (_, Some(trouble)) => unavailable(trouble),
            (READY, None) => (StatusCode::OK, "ok\n".to_owned()),
            (_, None) => unavailable("starting: the apiserver has not answered yet"),
        }
    }
}

/// The admin pages.
pub fn router(readiness: Arc<Readiness>, registry: Arc<Registry>) -> Router {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route(
            "/readyz",
            get(|State(readiness): State<Arc<Readiness>>| async move { readiness.answer() }),
        )
        .with_state(readiness)
        .route(
            "/metrics",
            get(move || {
                let registry = registry.clone();
                async move { metrics(&registry) }
            }),
        )
}

fn metrics(registry: &Registry) -> impl IntoResponse + use<> {
    let mut text = String::new();
    match encode(&mut text, registry) {
        Ok(()) => (StatusCode::OK, [(header::CONTENT_TYPE, OPENMETRICS)], text),
        Err(error) => {
            let plain = "text/plain; charset=utf-8";
            (
                StatusCode::INTERNAL_SERVER_ERROR,
                [(header::CONTENT_TYPE, plain)],
                error.to_string(),
            )
        }
    }
}
