//! Where the daemon listens, whether it may, and with which certificate.

use std::{path::Path, sync::Arc};

use anyhow::{Context as _, bail};
use tokio::net::TcpListener;
use tracing::{info, warn};

use crate::{
    cacher::Spawn,
    grpc::AllowList,
    resource::Reach,
    runtime::args::ListenArgs,
    transport::{Address, Listener, Stats, Tls, TlsFiles},
};

/// Everything that is listened on.
pub(super) struct Listening {
    pub(super) grpc: Vec<Listener>,
    /// Of `grpc`, with the ports that were found.
    pub(super) addresses: Vec<Address>,
    pub(super) admin: TcpListener,
    tls: Option<Arc<Tls>>,
}

impl Listening {
    /// Reads the certificate and listens.
    ///
    /// # Errors
    /// A file can't be used, or an address.
    pub(super) async fn open(args: &ListenArgs, stats: &Arc<Stats>) -> anyhow::Result<Self> {
        let tls = match files(args) {
            Some(files) => {
                let tls = Tls::load(files.clone(), Arc::clone(stats)).await;
                let tls = tls.map_err(|error| {
                    let flag = flag(error.path(), &files);
                    anyhow::Error::new(error).context(flag)
                })?;
                Some(Arc::new(tls))
            }
            None => None,
        };
        let mut grpc = Vec::new();
        for address in &args.listen {
            let listener = Listener::bind(address, tls.clone()).await;
            grpc.push(listener.with_context(|| taken(address, "--listen"))?);
        }
        let addresses: Result<_, _> = grpc.iter().map(Listener::address).collect();
        let admin = TcpListener::bind(args.admin_listen).await;
        Ok(Self {
            addresses: addresses?,
            grpc,
            admin: admin.with_context(|| taken(&args.admin_listen, "--admin-listen"))?,
            tls,
        })
    }

    /// Has the certificate followed.
    pub(super) fn follow(&self, spawn: &Spawn) {
        if let Some(tls) = self.tls.clone() {
            let follow = async move { match tls.follow().await {} };
            spawn("certificates".to_owned(), Box::pin(follow));
        }
    }

    /// Says where the daemon serves.
    pub(super) fn announce(&self, resources: &AllowList, namespaces: &Reach) -> anyhow::Result<()> {
        let all = self.addresses.iter().map(Address::to_string);
        let address = all.collect::<Vec<_>>().join(",");
        let admin = self.admin.local_addr()?;
        info!(address, %admin, %resources, %namespaces, "serving");
        Ok(())
    }
}

fn files(args: &ListenArgs) -> Option<TlsFiles> {
    Some(TlsFiles {
        certificate: args.tls_cert.clone()?,
        key: args.tls_key.clone()?,
        client_ca: args.client_ca.clone(),
    })
}

/// The flag that a file was named with.
fn flag(path: &Path, files: &TlsFiles) -> &'static str {
    if path == files.certificate {
        "--tls-cert"
    } else if path == files.key {
        "--tls-key"
    } else {
        "--client-ca"
    }
}

fn taken(address: &impl std::fmt::Display, flag: &str) -> String {
    format!("cannot listen on {address}, choose another address with {flag}")
}

/// Whether the addresses may be listened on. The admin port may be anywhere: it must be reached
/// by the kubelet, and shows counts only.
pub(super) fn check(listen: &ListenArgs) -> anyhow::Result<()> {
    let reachable = listen.listen.iter().filter(|address| !address.is_local());
    for address in reachable.clone() {
        protected(address, listen)?;
    }
    for address in reachable.filter(|_| listen.tls_cert.is_none()) {
        warn!(
            %address,
            "plaintext: whoever is on the way can read and change everything, tokens too"
        );
    }
    Ok(())
}

fn protected(address: &Address, listen: &ListenArgs) -> anyhow::Result<()> {
    if listen.tls_cert.is_none() && !listen.insecure_plaintext {
        bail!(
            "--listen {address} is reachable from other machines and would be plaintext: give \
             --tls-cert and --tls-key, use a loopback address or unix:/path, or allow it with \
             --insecure-plaintext"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_cannot_be_used_is_told_with_its_flag() {
        let files = TlsFiles {
            certificate: "a".into(),
            key: "b".into(),
            client_ca: Some("c".into()),
        };
        for (path, named) in [
            ("a", "--tls-cert"),
            ("b", "--tls-key"),
            ("c", "--client-ca"),
        ] {
            assert_eq!(flag(path.as_ref(), &files), named);
        }
    }
}
