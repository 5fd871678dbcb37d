//! The command lines of the demo and of the simulated cluster.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::Args;

use super::units::duration;

/// How the demo runs.
#[derive(Debug, Clone, Args)]
pub(in crate::runtime) struct DemoArgs {
    /// End by itself after this long; default: runs until Ctrl-C
    #[arg(long = "for", value_parser = duration, value_name = "TIME")]
    pub(in crate::runtime) length: Option<Duration>,

    /// Time between two changes in the cluster
    #[arg(long, default_value = "400ms", value_parser = duration, value_name = "TIME")]
    pub(in crate::runtime) pace: Duration,

    /// Seed of the cluster's life; the same seed tells the same story
    #[arg(long, default_value_t = 1)]
    pub(in crate::runtime) seed: u64,

    /// Address of the daemon; default: 127.0.0.1:7300, or any port while that one is taken
    #[arg(long, value_name = "ADDR")]
    pub(in crate::runtime) listen: Option<SocketAddr>,

    /// Where to write a kubeconfig for the simulated cluster; vanishes with the demo
    #[arg(long, value_name = "FILE")]
    pub(in crate::runtime) kubeconfig_out: Option<PathBuf>,
}

/// How the simulated cluster runs.
#[derive(Debug, Clone, Args)]
#[command(after_help = "\
Example:
  informerd simulate --kubeconfig-out /tmp/sim.yaml &
  kubectl --kubeconfig /tmp/sim.yaml get pods -A --watch")]
pub(in crate::runtime) struct SimulateArgs {
    /// Where to write a kubeconfig for it
    #[arg(long, value_name = "FILE")]
    pub(in crate::runtime) kubeconfig_out: PathBuf,

    /// Address to serve on
    #[arg(long, default_value = "127.0.0.1:0", value_name = "ADDR")]
    pub(in crate::runtime) listen: SocketAddr,

    /// Time between two changes; 0 for a cluster that changes only by request
    #[arg(long, default_value = "1s", value_parser = duration, value_name = "TIME")]
    pub(in crate::runtime) pace: Duration,

    /// Seed of the cluster's life
    #[arg(long, default_value_t = 1)]
    pub(in crate::runtime) seed: u64,

    /// End by itself after this long; default: runs until Ctrl-C
    #[arg(long = "for", value_parser = duration, value_name = "TIME")]
    pub(in crate::runtime) length: Option<Duration>,
}
