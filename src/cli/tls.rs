//! The flags of commands that say whom to trust and who asks.

use std::path::PathBuf;

use clap::Args;

use crate::client::ClientBuilder;

/// TLS with the daemon.
#[derive(Debug, Clone, Default, Args)]
pub struct TlsArgs {
    /// Authorities to trust for an https address, in PEM; default: those of the machine
    #[arg(long, env = "INFORMERD_CA_FILE", value_name = "FILE")]
    pub ca_file: Option<PathBuf>,

    /// Certificate to show, in PEM
    #[arg(
        long,
        env = "INFORMERD_CLIENT_CERT",
        requires = "client_key",
        value_name = "FILE"
    )]
    pub client_cert: Option<PathBuf>,

    /// Private key of that certificate
    #[arg(
        long,
        env = "INFORMERD_CLIENT_KEY",
        requires = "client_cert",
        value_name = "FILE"
    )]
    pub client_key: Option<PathBuf>,

    /// Name that the daemon's certificate is for; default: the host of the address
    #[arg(long, env = "INFORMERD_TLS_SERVER_NAME", value_name = "NAME")]
    pub tls_server_name: Option<String>,
}

impl TlsArgs {
    pub(super) fn apply(&self, mut builder: ClientBuilder) -> ClientBuilder {
        if let Some(file) = &self.ca_file {
            builder = builder.ca_file(file);
        }
        if let (Some(certificate), Some(key)) = (&self.client_cert, &self.client_key) {
            builder = builder.client_certificate(certificate, key);
        }
        if let Some(name) = &self.tls_server_name {
            builder = builder.server_name(name);
        }
        builder
    }
}
