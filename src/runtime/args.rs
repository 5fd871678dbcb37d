//! The command line. Every flag of `serve` has an `INFORMERD_*` twin in the environment.

mod access;
#[cfg(feature = "demo")]
mod demo;
mod listen;
mod serve;
mod units;

use clap::{Parser, Subcommand};

pub(super) use access::AccessArgs;
#[cfg(feature = "demo")]
pub(super) use demo::{DemoArgs, SimulateArgs};
pub(super) use listen::ListenArgs;
pub(super) use serve::{ClusterArgs, LogArgs, LogFormat, ServeArgs};

use crate::cli::{admin::AdminArgs, get::GetArgs, resources::ResourcesArgs, watch::WatchArgs};

/// The shared Kubernetes informer as a daemon: one upstream watch per resource, many gRPC streams.
#[derive(Debug, Parser)]
#[command(name = "informerd", version, propagate_version = true, after_help = EXAMPLES)]
pub struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

const EXAMPLES: &str = "\
Try it without a cluster:
  informerd demo

With the cluster of your kubeconfig, for yourself alone:
  informerd serve --insecure-allow-anyone
  informerd watch pods -A -l app=web -o wide

Exit codes: 0 fine, 1 failed or refused, 2 wrong usage, 3 unreachable.";

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the daemon.
    Serve(ServeArgs),
    /// Follow the objects of a resource.
    Watch(WatchArgs),
    /// List objects, or read one.
    Get(GetArgs),
    /// List what can be watched.
    Resources(ResourcesArgs),
    /// Show what a daemon does: its watches, its streams, what a filter costs.
    Admin(AdminArgs),
    /// Show informerd at work on a small simulated cluster; needs nothing else.
    #[cfg(feature = "demo")]
    Demo(DemoArgs),
    /// Run the simulated cluster alone, for kubectl and client libraries.
    #[cfg(feature = "demo")]
    Simulate(SimulateArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
