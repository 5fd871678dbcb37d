//! `informerd simulate`: the simulated cluster alone, for kubectl and client libraries.

use std::{
    io::{self, Write as _},
    net::SocketAddr,
    path::Path,
    time::Duration,
};

use anyhow::Context as _;
use informerd_support::simulation::{Cluster, Life, Options, Server};
use tokio::{
    signal::unix,
    time::{self, MissedTickBehavior},
};

use super::{args::SimulateArgs, kubeconfig};

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
    kubeconfig::write(file, server.addr())?;
    // Words are a courtesy: the cluster is served when nobody reads them, too.
    let _ = announce(&server, file, args.pace);
    tokio::select! {
        () = live(&mut life, args.pace) => {}
        _ = until(args.length) => {}
    }
    server.stop().await;
    Ok(())
}

/// A cluster in which everything runs, and what keeps it moving. Whatever the seed, it is another
/// cluster each time: positions of an earlier run mean nothing here.
///
/// # Errors
/// Never with the resources that a cluster is born with.
pub(super) fn found(seed: u64) -> anyhow::Result<(Cluster, Life)> {
    let cluster = Cluster::new(Options {
        seed,
        cluster_id: uid(fastrand::u128(..)),
        ..Options::default()
    });
    cluster.limit_history(HISTORY);
    let mut life = Life::new(cluster.clone(), seed)
        .map_err(|refusal| anyhow::anyhow!("cannot found the cluster: {refusal:?}"))?;
    life.settle(SETTLING);
    Ok((cluster, life))
}

/// A UUID of version 4, as the apiserver gives them.
fn uid(random: u128) -> String {
    let bits = random & !(0xf << 76) & !(0b11 << 62) | (4 << 76) | (0b10 << 62);
    let (low, mid, high) = (bits >> 96, (bits >> 80) & 0xffff, (bits >> 64) & 0xffff);
    let (variant, node) = ((bits >> 48) & 0xffff, bits & 0xffff_ffff_ffff);
    format!("{low:08x}-{mid:04x}-{high:04x}-{variant:04x}-{node:012x}")
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
  informerd serve --kubeconfig {file} --insecure-allow-anyone
"
    )?;
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_run_is_another_cluster_that_tells_the_same_story() {
        let found = || found(7).expect("valid").0;
        let (one, two) = (found(), found());
        assert_ne!(one.cluster_id(), two.cluster_id());
        assert_eq!(one.revision(), two.revision());
        let names = |cluster: &Cluster| {
            let pods = cluster.objects_at("pods", cluster.revision());
            let pods = pods.expect("pods are served").into_iter();
            pods.map(|pod| pod["metadata"]["name"].to_string())
                .collect::<Vec<_>>()
        };
        assert_eq!(names(&one), names(&two));
    }

    #[test]
    fn uids_look_like_those_of_the_apiserver() {
        assert_eq!(uid(0), "00000000-0000-4000-8000-000000000000");
        assert_eq!(uid(u128::MAX), "ffffffff-ffff-4fff-bfff-ffffffffffff");
    }
}
