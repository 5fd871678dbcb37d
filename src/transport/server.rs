//! Takes connections in and owns their tasks, from the first one to the end of the drain.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures::{StreamExt as _, stream};
use tokio::{
    net::TcpStream,
    task::{JoinError, JoinSet},
    time::timeout,
};

use super::{
    Context, HttpService, Listener, Peer, Remote, Stats, Tls,
    admission::{Admission, Place, Refused},
    connection::drive,
    ended::Ended,
    linger::linger,
    listener::{Accepted, Stream},
    opening::{Opening, openings},
    waiting::Waiting,
};

/// Unsent bytes that the kernel holds per socket. Without it a stalled reader pins megabytes of
/// kernel memory (autotuned send buffers).
#[cfg(target_os = "linux")]
const NOT_SENT: u32 = 64 * 1024;
/// Time between two warnings of refused connections.
const QUIET: Duration = Duration::from_secs(60);

/// Serves connections until `context.drain` is cancelled and all of them have ended.
///
/// A drain closes the listeners, sends GOAWAY on every connection and waits for open streams to
/// end by themselves; what is still open after `limits.drain_deadline` is dropped. Errors of
/// `accept` never end this: they are logged and followed by a pause.
///
/// Dropping the future closes everything at once.
pub async fn serve<S: HttpService>(listeners: Vec<Listener>, service: S, context: Context) {
    let mut connections = JoinSet::new();
    let mut door = Door::new(&context);
    let mut arrivals = stream::select_all(listeners.into_iter().map(|listener| {
        let stats = Arc::clone(&context.stats);
        Box::pin(stream::unfold(
            (listener, stats),
            async |(listener, stats)| {
                let accepted = listener.accept(&stats).await;
                Some((accepted, (listener, stats)))
            },
        ))
    }));
    loop {
        tokio::select! {
            biased;
            () = context.drain.cancelled() => break,
            Some(ended) = connections.join_next() => report(ended),
            Some(accepted) = arrivals.next() => {
                if let Some((place, opening)) = door.enter(accepted.remote, &context) {
                    let (service, context) = (service.clone(), context.clone());
                    connections.spawn(open(accepted, (place, opening), service, context));
                }
            }
        }
    }
    drop(arrivals);
    drain(connections, context.limits.drain_deadline).await;
}

async fn drain(mut connections: JoinSet<()>, deadline: Duration) {
    tracing::info!(connections = connections.len(), "draining");
    let all = async {
        while let Some(ended) = connections.join_next().await {
            report(ended);
        }
    };
    if timeout(deadline, all).await.is_err() {
        tracing::warn!(
            connections = connections.len(),
            "drain deadline passed, connections dropped"
        );
        connections.shutdown().await;
    }
}

/// Lets connections in as far as there is room.
struct Door {
    admission: Admission,
    openings: Arc<Waiting>,
    warned: Option<Instant>,
}

impl Door {
    fn new(context: &Context) -> Self {
        Self {
            admission: Admission::new(&context.limits),
            openings: openings(&context.limits),
            warned: None,
        }
    }

    fn enter(&mut self, remote: Remote, context: &Context) -> Option<(Place, Opening)> {
        match self.admission.admit(remote, Instant::now()) {
            Ok(place) => {
                context.stats.add_accepted();
                Some((place, Opening::begin(&self.openings, &context.limits)))
            }
            Err(refused) => {
                self.refuse(remote, refused, &context.stats);
                None
            }
        }
    }

    /// Whoever floods us must not flood the log as well.
    fn refuse(&mut self, remote: Remote, refused: Refused, stats: &Stats) {
        match refused {
            Refused::Full => stats.add_refused(),
            Refused::Source => stats.add_refused_source(),
            Refused::Pace => stats.add_refused_pace(),
        }
        let now = Instant::now();
        if self.warned.is_none_or(|warned| now - warned >= QUIET) {
            self.warned = Some(now);
            tracing::warn!(%remote, reason = %refused, "connection refused; further ones are only counted");
        }
    }
}

/// The whole life of one connection.
async fn open<S: HttpService>(
    accepted: Accepted,
    (place, opening): (Place, Opening),
    service: S,
    context: Context,
) {
    let stats = Arc::clone(&context.stats);
    let (_open, _place) = (stats.hold_connection(), place);
    let remote = accepted.remote;
    let ended = match (accepted.stream, accepted.tls) {
        (Stream::Unix(socket), _) => {
            let peer = Peer {
                remote,
                certificate: None,
            };
            drive(socket, (peer, None), service, context, opening).await
        }
        (Stream::Tcp(socket), None) => {
            tune(&socket);
            let peer = Peer {
                remote,
                certificate: None,
            };
            drive(socket, (peer, None), service, context, opening).await
        }
        (Stream::Tcp(socket), Some(tls)) => {
            tune(&socket);
            // In a box: plaintext connections need not be as large.
            Box::pin(open_tls(socket, tls, remote, service, context, opening)).await
        }
    };
    match ended {
        Ok(()) => tracing::debug!(%remote, "connection closed"),
        Err(reason) => {
            reason.count(&stats);
            tracing::debug!(%remote, %reason, "connection ended");
        }
    }
}

async fn open_tls<S: HttpService>(
    socket: TcpStream,
    tls: Arc<Tls>,
    remote: Remote,
    service: S,
    context: Context,
    mut opening: Opening,
) -> Result<(), Ended> {
    let accepted = opening.step(tls.accept(socket), &context.drain).await?;
    let (stream, shown) = match accepted {
        Ok(secured) => secured,
        Err((error, socket)) => {
            drop(opening);
            if let Some(socket) = socket {
                linger(socket, &[]).await;
            }
            return Err(Ended::Tls(error));
        }
    };
    let (certificate, outdated) = shown
        .map(|shown| (shown.certificate, shown.outdated))
        .unzip();
    let peer = Peer {
        remote,
        certificate,
    };
    drive(stream, (peer, outdated), service, context, opening).await
}

/// Sets the socket options. They are improvements, so a socket that refuses one is served too.
fn tune(socket: &TcpStream) {
    if let Err(error) = socket.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY not set");
    }
    #[cfg(target_os = "linux")]
    if let Err(error) = socket2::SockRef::from(socket).set_tcp_notsent_lowat(NOT_SENT) {
        tracing::debug!(%error, "TCP_NOTSENT_LOWAT not set");
    }
}

fn report(ended: Result<(), JoinError>) {
    if let Err(error) = ended
        && error.is_panic()
    {
        tracing::error!(%error, "connection task panicked");
    }
}
