//! `serve`: where it listens.

use std::net::SocketAddr;

use clap::Args;

/// Where the daemon listens.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Listening")]
pub(in crate::runtime) struct ListenArgs {
    /// Address of the gRPC services
    #[arg(
        long,
        env = "INFORMERD_LISTEN",
        default_value = "127.0.0.1:7300",
        value_name = "ADDR"
    )]
    pub(in crate::runtime) listen: SocketAddr,

    /// Address of /livez, /readyz and /metrics
    #[arg(
        long,
        env = "INFORMERD_ADMIN_LISTEN",
        default_value = "127.0.0.1:7301",
        value_name = "ADDR"
    )]
    pub(in crate::runtime) admin_listen: SocketAddr,
}
