//! `informerd simulate`: the simulated cluster alone, for kubectl and client libraries.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    path::Path,
    time::Duration,
};

use anyhow::Context as _;
use informerd_support::simulation::{self, Cluster, Life, Options, Server};
use tokio::{
    signal::unix,
    time::{self, MissedTickBehavior},
};

use super::args::SimulateArgs;

/// Writes that the cluster remembers per resource.
pub(super) const HISTORY: usize = 5_000;
/// Bound on the steps until everything runs; far more than the cluster needs.
const SETTLING: usize = 1_000;

/// Runs the simulated cluster until its time is over or a signal comes.
///
/// # Errors
/// An address that can't be bound, a kubeconfig that can't be written.
pub(super) async fn run(args: SimulateArgs) -> anyhow::Result<()> {
    let (cluster, mut life) = found(args.seed)?;
    // Nobody will ask for the requests, and they have no end.
    cluster.stop_recording();
    let server = serve(&cluster, args.listen).await?;
    let file = &args.kubeconfig_out;
    write_kubeconfig(file, &server)?;
    // Words are a courtesy: the cluster is served when nobody reads them, too.
    let _ = announce(&server, file, args.pace);
    tokio::select! {
        () = live(&mut life, args.pace) => {}
        _ = until(args.length) => {}
    }
    server.stop().await;
    Ok(())
}

/// A cluster in which everything runs, and what keeps it moving.
///
/// # Errors
/// Never with the resources that a cluster is born with.
pub(super) fn found(seed: u64) -> anyhow::Result<(Cluster, Life)> {
    let cluster = Cluster::new(Options {
        seed,
        ..Options::default()
    });
    cluster.limit_history(HISTORY);
    let mut life = Life::new(cluster.clone(), seed)
        .map_err(|refusal| anyhow::anyhow!("cannot found the cluster: {refusal:?}"))?;
    life.settle(SETTLING);
    Ok((cluster, life))
}

/// Puts the cluster on the network.
///
/// # Errors
/// An address that can't be bound.
pub(super) async fn serve(cluster: &Cluster, address: SocketAddr) -> anyhow::Result<Server> {
    Server::start(cluster.clone(), &address.to_string())
        .await
        .with_context(|| format!("cannot serve the simulated cluster on {address}"))
}

/// Writes how the served cluster is reached.
///
/// # Errors
/// A file that can't be written.
pub(super) fn write_kubeconfig(file: &Path, server: &Server) -> anyhow::Result<()> {
    std::fs::write(file, simulation::kubeconfig(server.addr())).with_context(|| {
        let file = file.display();
        format!("cannot write {file}, choose another file with --kubeconfig-out")
    })
}

/// Why a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum End {
    /// Its time is over.
    Time,
    /// Somebody asked for it.
    Signal,
}

/// Waits until the time is over (never without a length), or for Ctrl-C or SIGTERM.
pub(super) async fn until(length: Option<Duration>) -> End {
    let over = async {
        match length {
            Some(length) => time::sleep(length).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        () = over => End::Time,
        () = signalled() => End::Signal,
    }
}

async fn signalled() {
    let signals = unix::signal(unix::SignalKind::terminate())
        .and_then(|terminate| Ok((terminate, unix::signal(unix::SignalKind::interrupt())?)));
    match signals {
        Ok((mut terminate, mut interrupt)) => tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        },
        // Without handlers the signals end the process by themselves.
        Err(_) => std::future::pending().await,
    }
}

/// Steps for ever, one per `pace`; stands still where that is zero.
async fn live(life: &mut Life, pace: Duration) {
    if pace.is_zero() {
        std::future::pending::<()>().await;
    }
    let mut ticks = time::interval(pace);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        life.step();
    }
}

fn announce(server: &Server, file: &Path, pace: Duration) -> io::Result<()> {
    let address = server.addr();
    let file = file.display();
    let change = if pace.is_zero() {
        "it changes only by request".to_owned()
    } else {
        format!("something changes every {pace:?}")
    };
    let mut out = io::stdout();
    write!(
        out,
        "simulated cluster on http://{address}; {change}; Ctrl-C ends it

  kubectl --kubeconfig {file} get pods -A --watch
  kubectl --kubeconfig {file} scale deployment web -n shop --replicas 5
  informerd serve --kubeconfig {file}
"
    )?;
    out.flush()
}
