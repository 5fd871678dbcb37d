//! All services behind one port.

use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use futures::future::BoxFuture;
use http::{HeaderMap, Request, Response};
use tonic::{Code, Status, body::Body, service::Routes};
use tonic_health::pb::health_server::{Health, HealthServer};
use tower::Service;

use super::{
    Counters, Offer,
    admin::AdminApi,
    bounded::until,
    deadline, framing,
    objects::ObjectApi,
    prompt::prompt,
    resources::ResourceApi,
    status,
    strangers::{Strangers, enter},
    watch::WatchApi,
};
use crate::{
    access::Gate,
    cacher::Cachers,
    proto::{
        DESCRIPTOR_SET,
        v1::{
            admin_service_server::AdminServiceServer, object_service_server::ObjectServiceServer,
            resource_service_server::ResourceServiceServer,
        },
    },
    subscription::{Closed, Drain},
    transport::Fate,
};

/// What paths of this project's services begin with. They heed a drain themselves.
const OWN: &str = "/informerd.";
/// What paths begin with whose requests are streams. All others are of one message.
const CONVERSATIONS: &str = "/grpc.reflection.";

/// The whole gRPC surface: watch, objects, resources, admin, health and reflection.
#[derive(Debug, Clone)]
pub struct Api {
    routes: Routes,
    gate: Gate,
    drain: Arc<Drain>,
    strangers: Strangers,
    reconnect_spread: Duration,
}

impl Api {
    /// Wires the services together. All but health are for callers whom the gate recognises.
    pub fn new<H: Health>(
        gate: Gate,
        offer: Arc<Offer>,
        cachers: Arc<Cachers>,
        counters: Counters,
        health: HealthServer<H>,
        reconnect_spread: Duration,
    ) -> Self {
        let drain = cachers.drain().clone();
        let strangers = Strangers::new(counters.strangers_refused.clone());
        let watch = WatchApi {
            gate: gate.clone(),
            offer: offer.clone(),
            cachers: cachers.clone(),
            counters,
            reconnect_spread,
        };
        let objects = ObjectServiceServer::new(ObjectApi {
            gate: gate.clone(),
            offer: offer.clone(),
            cachers: cachers.clone(),
        })
        .max_decoding_message_size(framing::REQUEST_BYTES);
        let admin = AdminServiceServer::new(AdminApi {
            gate: gate.clone(),
            offer: offer.clone(),
            cachers: cachers.clone(),
        })
        .max_decoding_message_size(framing::REQUEST_BYTES);
        let resources = ResourceServiceServer::new(ResourceApi {
            gate: gate.clone(),
            offer,
            cachers,
        })
        .max_decoding_message_size(framing::REQUEST_BYTES);
        let routes = Routes::new(watch)
            .add_service(objects)
            .add_service(resources)
            .add_service(admin)
            .add_service(health)
            .add_service(
                reflection()
                    .build_v1()
                    .expect("the descriptor set is our own"),
            )
            .add_service(
                reflection()
                    .build_v1alpha()
                    .expect("the descriptor set is our own"),
            );
        Self {
            routes: routes.prepare(),
            gate,
            drain,
            strangers,
            reconnect_spread,
        }
    }
}

/// What the reflection services tell of.
fn reflection() -> tonic_reflection::server::Builder<'static> {
    tonic_reflection::server::Builder::configure()
        .register_encoded_file_descriptor_set(DESCRIPTOR_SET)
        .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
        // So that tools can show the details of errors.
        .register_encoded_file_descriptor_set(tonic_types::pb::FILE_DESCRIPTOR_SET)
}

impl Service<Request<Body>> for Api {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        if let Some(response) = framing::refused(request.headers()) {
            return Box::pin(std::future::ready(Ok(response)));
        }
        let timeout = deadline::timeout(request.headers());
        let fate = Fate::of(request.extensions());
        let mut routes = self.routes.clone();
        let (gate, strangers) = (self.gate.clone(), self.strangers.clone());
        let foreign = !request.uri().path().starts_with(OWN);
        let drained = foreign.then(|| self.drained());
        if !request.uri().path().starts_with(CONVERSATIONS) {
            request = request.map(prompt);
        }
        Box::pin(async move {
            let answered = async {
                match enter(&gate, &strangers, &mut request).await {
                    Ok(slot) => {
                        let response = routes.call(request).await;
                        response.map(|response| match drained {
                            Some(drained) => response.map(|body| {
                                until(body, async move {
                                    let _held = slot;
                                    drained.await
                                })
                            }),
                            None => response,
                        })
                    }
                    Err(refused) => Ok(refused.into_http()),
                }
            };
            let response = deadline::within(timeout, fate, answered).await;
            Ok(response.map_or_else(
                |error| {
                    tracing::error!(%error, "a service failed");
                    status::refuse(Code::Internal, "INTERNAL", "internal error").into_http()
                },
                framing::explain,
            ))
        })
    }
}

impl Api {
    /// Tells when and how a stream of the libraries' services ends, which would go on through a
    /// drain and keep their connection open.
    fn drained(&self) -> impl Future<Output = Status> + Send + use<> {
        let begun = self.drain.begun();
        let reconnect = self.reconnect_spread.mul_f64(fastrand::f64());
        async move {
            begun.await;
            status::closed(&Closed::Draining, reconnect)
        }
    }
}

/// What the streams of a client end with that has to show its certificate again: others have to
/// at the same time, so each comes back after a while of its own.
pub fn outdated_trailers() -> HeaderMap {
    let reconnect = Duration::from_secs(5).mul_f64(fastrand::f64());
    status::trailers(status::closed(&Closed::Draining, reconnect))
}

/// What a call ends with when its reader has taken nothing for the stall limit, or its answer made
/// room for others.
pub fn stall_trailers() -> HeaderMap {
    let message = "what was sent was not taken in time; read faster, and resume a stream with its \
                   last token";
    let after = Duration::from_secs(1);
    let status = status::retry(Code::ResourceExhausted, "SLOW_CONSUMER", message, after);
    status::trailers(status)
}
