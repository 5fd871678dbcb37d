//! `informerd serve`: wiring, and the order in which things start and stop.

mod access;
mod buffers;
mod cluster;
mod descriptors;
mod listen;
mod memory;

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use tokio::{signal::unix, task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;
use tonic_health::{ServingStatus, server::HealthReporter};
use tracing::{info, warn};

use self::listen::Listening;
use super::{args::ServeArgs, supervisor::Supervisor};
use crate::{
    admin::{self, AdminLimits, Metrics, Readiness},
    cacher::Cachers,
    grpc::{self, AllowList, Api, Counters, Offer},
    reflector::Discovery,
    resource::Reach,
    subscription::Drain,
    transport::{self, Address, Limits},
};

const SERVICES: [&str; 5] = [
    "",
    "informerd.v1.WatchService",
    "informerd.v1.ObjectService",
    "informerd.v1.ResourceService",
    "informerd.v1.AdminService",
];

/// Runs the daemon until a signal, or until something ends that shouldn't.
pub(super) async fn run(args: ServeArgs) -> anyhow::Result<()> {
    // Before anything says that the daemon serves: an early signal is a planned end as well.
    let mut signals = Signals::new()?;
    if !args.allow_core_dumps {
        memory::seal();
    }
    access::caution(&args.access);
    let stop = CancellationToken::new();
    let (accept, _) = args.leave();
    let daemon = tokio::select! {
        daemon = Daemon::start(args, stop.clone()) => daemon?,
        _ = signals.next() => return Ok(()),
    };
    let leaving = daemon.leaving.clone();
    let told = async {
        // Ctrl-C is of somebody who waits for the end; nobody is sent here by a load balancer.
        if signals.next().await == Signal::Terminate && !accept.is_zero() {
            info!(served_for = ?accept, "leaving: not ready any more, a second signal ends at once");
            leaving.cancel();
            tokio::select! {
                () = sleep(accept) => {}
                _ = signals.next() => return,
            }
        }
        info!("draining: a second signal ends at once");
        stop.cancel();
        signals.next().await;
    };
    tokio::select! {
        result = daemon.finished() => result,
        () = told => Ok(()),
    }
}

/// Both end the daemon, in its own time.
struct Signals {
    terminate: unix::Signal,
    interrupt: unix::Signal,
}

#[derive(Debug, PartialEq, Eq)]
enum Signal {
    Terminate,
    Interrupt,
}

impl Signals {
    fn new() -> std::io::Result<Self> {
        Ok(Self {
            terminate: unix::signal(unix::SignalKind::terminate())?,
            interrupt: unix::signal(unix::SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.terminate.recv() => Signal::Terminate,
            _ = self.interrupt.recv() => Signal::Interrupt,
        }
    }
}

/// A running daemon.
pub(super) struct Daemon {
    /// Where the gRPC services listen.
    #[cfg_attr(
        not(feature = "demo"),
        expect(dead_code, reason = "only the demo has to be told; `serve` logs it")
    )]
    pub(super) addresses: Vec<Address>,
    parts: Parts,
    /// When cancelled, nobody new is to come; those who do are served all the same.
    leaving: CancellationToken,
    stop: CancellationToken,
}

struct Parts {
    listening: Listening,
    api: Api,
    limits: Limits,
    stats: Arc<transport::Stats>,
    registry: Arc<prometheus_client::registry::Registry>,
    readiness: Arc<Readiness>,
    reporter: HealthReporter,
    cachers: Arc<Cachers>,
    drain: Arc<Drain>,
    supervisor: Supervisor,
}

impl Daemon {
    /// Connects, binds and wires everything; ready as soon as it returns.
    ///
    /// # Errors
    /// A flag that can't be served, an address that can't be bound, a cluster that doesn't answer.
    pub(super) async fn start(args: ServeArgs, stop: CancellationToken) -> anyhow::Result<Self> {
        listen::check(&args.listen)?;
        let (allowed, reach) = offered(&args)?;
        let stats = Arc::new(transport::Stats::default());
        let listening = Listening::open(&args.listen, &stats).await?;
        let addresses = listening.addresses.clone();

        let client = cluster::connect(&args.cluster).await?;
        let id = cluster::id(&args.cluster, &client).await?;
        let discovery = Discovery::new(client.clone());
        discovery
            .resources()
            .await
            .context("cannot ask the cluster for its resources")?;

        let drain = Arc::new(Drain::default());
        let (supervisor, spawn) = Supervisor::new();
        let readiness = Arc::default();
        let gate = access::gate(&args.access, client.clone(), &reach, &readiness, &spawn)?;
        listening.follow(&spawn);
        let cachers = Arc::new(Cachers::new(
            client,
            cluster::settings(&args, id, reach.clone()),
            drain.clone(),
            spawn,
        ));
        let offer = Arc::new(Offer::new(discovery, allowed.clone()));
        let counters = Counters::default();
        let (reporter, health) = tonic_health::server::health_reporter();
        report(&reporter, ServingStatus::Serving).await;
        let metrics = Metrics {
            gate: gate.clone(),
            cachers: cachers.clone(),
            counters: counters.clone(),
            transport: stats.clone(),
        };
        let (_, end) = args.leave();
        let spread = (end / 2).min(Duration::from_secs(10));
        let parts = Parts {
            api: Api::new(gate, offer, cachers.clone(), counters, health, spread),
            limits: limits(&args, descriptors::raise()),
            registry: Arc::new(admin::registry(metrics)),
            readiness,
            listening,
            stats,
            reporter,
            cachers,
            drain,
            supervisor,
        };
        parts.readiness.ready();
        parts.listening.announce(&allowed, &reach)?;
        Ok(Self {
            addresses,
            parts,
            leaving: stop.child_token(),
            stop,
        })
    }

    /// Serves until `stop`, then drains.
    ///
    /// # Errors
    /// A task ended that never should.
    pub(super) async fn finished(self) -> anyhow::Result<()> {
        let Self {
            mut parts,
            leaving,
            stop,
            ..
        } = self;
        let router = admin::router(parts.readiness.clone(), parts.registry.clone());
        let mut tasks = JoinSet::new();
        let Listening {
            grpc,
            admin: admin_port,
            ..
        } = parts.listening;
        tasks.spawn(admin::serve(admin_port, router, AdminLimits::default()));
        let context = transport::Context::new(parts.limits, parts.stats, stop.clone());
        let serving = transport::serve(grpc, parts.api, context);
        let draining = async {
            leaving.cancelled().await;
            parts.readiness.drain();
            report(&parts.reporter, ServingStatus::NotServing).await;
            stop.cancelled().await;
            parts.drain.begin();
            parts.cachers.wake_all();
            std::future::pending::<()>().await
        };
        tokio::select! {
            () = serving => {
                info!("drained");
                Ok(())
            }
            () = draining => Ok(()),
            ended = parts.supervisor.run() => ended,
            ended = tasks.join_next() => bail!("the admin server ended: {ended:?}"),
        }
    }
}

/// Tells the health of all services.
async fn report(reporter: &HealthReporter, status: ServingStatus) {
    for service in SERVICES {
        reporter.set_service_status(service, status).await;
    }
}

/// Which resources are offered, and in which namespaces.
fn offered(args: &ServeArgs) -> anyhow::Result<(AllowList, Reach)> {
    let allowed = AllowList::parse(&args.resources).context("--resources")?;
    let reach = Reach::parse(&args.namespaces).context("--namespaces")?;
    // Naming them is enough to serve them, so it should not happen unnoticed.
    if allowed.names_secrets() {
        warn!(
            "secrets are named in --resources: their data is held in memory and delivered to \
             whoever may read them; the annotation last-applied-configuration is cut out"
        );
    }
    Ok((allowed, reach))
}

fn limits(args: &ServeArgs, descriptors: Option<u64>) -> Limits {
    Limits {
        max_connections: descriptors::clamp(args.listen.max_connections, descriptors),
        max_connections_per_address: args.listen.connections_per_address,
        max_connections_per_second: args.listen.connection_rate,
        idle: args.listen.connection_idle,
        max_concurrent_streams: args.streams_per_connection,
        stall: args.stall_limit,
        // Whoever takes so little that a message stays cut in two is no better.
        stall_finish: args.stall_limit,
        stall_trailers: grpc::stall_trailers(),
        max_waiting: buffers::for_answers(args.answer_memory),
        outdated_trailers: grpc::outdated_trailers,
        drain_deadline: args.leave().1,
        ..Limits::default()
    }
}
