//! `serve`: where it listens, how connections are protected, and how many there may be.

use std::{net::SocketAddr, path::PathBuf, time::Duration};

use clap::Args;

use super::units::duration;
use crate::transport::Address;

/// Where the daemon listens.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Listening")]
pub(in crate::runtime) struct ListenArgs {
    /// Address of the gRPC services, IP:PORT or unix:/path; may be given more than once
    #[arg(
        long,
        env = "INFORMERD_LISTEN",
        default_value = "127.0.0.1:7300",
        value_delimiter = ',',
        value_name = "ADDR"
    )]
    pub(in crate::runtime) listen: Vec<Address>,

    /// Address of /livez, /readyz and /metrics, always plain HTTP; they hold no object data
    #[arg(
        long,
        env = "INFORMERD_ADMIN_LISTEN",
        default_value = "127.0.0.1:7301",
        value_name = "ADDR"
    )]
    pub(in crate::runtime) admin_listen: SocketAddr,

    /// Certificate of the daemon in PEM, with those that lead to its root; TCP addresses then
    /// speak TLS only. Replaced files are taken up within seconds
    #[arg(
        long,
        env = "INFORMERD_TLS_CERT",
        requires = "tls_key",
        value_name = "FILE"
    )]
    pub(in crate::runtime) tls_cert: Option<PathBuf>,

    /// Private key of that certificate
    #[arg(
        long,
        env = "INFORMERD_TLS_KEY",
        requires = "tls_cert",
        value_name = "FILE"
    )]
    pub(in crate::runtime) tls_key: Option<PathBuf>,

    /// Authorities whose client certificates are accepted, in PEM; clients need not send one
    #[arg(
        long,
        env = "INFORMERD_CLIENT_CA",
        requires = "tls_cert",
        value_name = "FILE"
    )]
    pub(in crate::runtime) client_ca: Option<PathBuf>,

    /// Listen on other addresses than loopback without TLS, although whoever is on the way can
    /// read and change everything
    #[arg(long, env = "INFORMERD_INSECURE_PLAINTEXT")]
    pub(in crate::runtime) insecure_plaintext: bool,

    /// Connections that may be open
    #[arg(
        long,
        env = "INFORMERD_MAX_CONNECTIONS",
        default_value_t = 65_536,
        value_name = "N"
    )]
    pub(in crate::runtime) max_connections: usize,

    /// Connections that one address (IPv6: one /64) may have open; unix sockets are exempt
    #[arg(
        long,
        env = "INFORMERD_CONNECTIONS_PER_ADDRESS",
        default_value_t = 4_096,
        value_name = "N"
    )]
    pub(in crate::runtime) connections_per_address: usize,

    /// Connections that one address may open each second, ten times as many at once after a pause;
    /// unix sockets are exempt; 0: any number
    #[arg(
        long,
        env = "INFORMERD_CONNECTION_RATE",
        default_value_t = 200,
        value_name = "N"
    )]
    pub(in crate::runtime) connection_rate: u32,

    /// How long a connection may be without a call before it is ended; 0: for ever
    #[arg(long, env = "INFORMERD_CONNECTION_IDLE", default_value = "15m", value_parser = duration, value_name = "TIME")]
    pub(in crate::runtime) connection_idle: Duration,
}

#[cfg(feature = "demo")]
impl ListenArgs {
    /// One address, the rest as on the command line; the admin port is any that is free.
    pub(in crate::runtime) fn on(listen: SocketAddr) -> Self {
        Self {
            listen: vec![Address::Tcp(listen)],
            admin_listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            tls_cert: None,
            tls_key: None,
            client_ca: None,
            insecure_plaintext: false,
            max_connections: 65_536,
            connections_per_address: 4_096,
            connection_rate: 200,
            connection_idle: Duration::from_secs(15 * 60),
        }
    }
}
