//! Where the daemon listens, and whether it may.

use std::net::SocketAddr;

use anyhow::{Context as _, bail};
use tokio::net::TcpListener;
use tracing::warn;

use crate::runtime::args::{AccessArgs, ListenArgs};

/// Until callers are known, only this machine may call.
pub(super) fn check(listen: &ListenArgs, access: &AccessArgs) -> anyhow::Result<()> {
    let addresses = [
        ("--listen", listen.listen),
        ("--admin-listen", listen.admin_listen),
    ];
    for (flag, address) in addresses {
        if address.ip().is_loopback() {
            continue;
        }
        if !access.insecure_allow_anyone {
            bail!(
                "{flag} {address} is reachable from other machines, and there is no access control \
                 yet: use a loopback address, or --insecure-allow-anyone to let everybody read \
                 what this daemon may read"
            );
        }
        warn!(%address, "anyone who reaches this address can read what this daemon may read");
    }
    Ok(())
}

pub(super) async fn bind(address: SocketAddr, flag: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}, choose another address with {flag}"))
}
