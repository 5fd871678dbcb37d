//! Accepts connections and owns their tasks, from the first one to the end of the drain.

use std::{
    io::{self, ErrorKind},
    net::SocketAddr,
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    task::{JoinError, JoinSet},
    time::{sleep, timeout},
};

use super::{Context, HttpService, Peer, Remote, serve_connection};

/// First and longest pause after `accept` failed for want of a resource.
const PAUSE: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));
/// Unsent bytes that the kernel holds per socket. Without it a stalled reader pins megabytes of
/// kernel memory (autotuned send buffers).
#[cfg(target_os = "linux")]
const NOT_SENT: u32 = 64 * 1024;

/// Serves connections until `context.drain` is cancelled and all of them have ended.
///
/// A drain closes the listener, sends GOAWAY on every connection and waits for open streams to
/// end by themselves; what is still open after `limits.drain_deadline` is dropped. Errors of
/// `accept` never end this: they are logged and followed by a pause.
///
/// Dropping the future closes everything at once.
pub async fn serve<S: HttpService>(listener: TcpListener, service: S, context: Context) {
    let mut connections = JoinSet::new();
    let mut pause = Duration::ZERO;
    loop {
        tokio::select! {
            biased;
            () = context.drain.cancelled() => break,
            Some(ended) = connections.join_next() => report(ended),
            (socket, remote) = accept(&listener, &mut pause, &context) => {
                if connections.len() >= context.limits.max_connections {
                    context.stats.add_refused();
                    tracing::warn!(%remote, "connection limit reached, connection refused");
                    continue;
                }
                context.stats.add_accepted();
                let peer = Peer { remote: Remote::Tcp(remote), certificate: None };
                tune(&socket);
                connections.spawn(serve_connection(socket, peer, service.clone(), context.clone()));
            }
        }
    }
    drop(listener);
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

/// The next connection. Cancel safe; `pause` outlives the call so that a cancelled wait doesn't
/// start the sequence anew.
async fn accept(
    listener: &TcpListener,
    pause: &mut Duration,
    context: &Context,
) -> (TcpStream, SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => {
                *pause = Duration::ZERO;
                return accepted;
            }
            Err(error) => {
                context.stats.add_accept_error();
                if is_one_connection(&error) {
                    continue;
                }
                *pause = next_pause(*pause);
                tracing::warn!(%error, pause = ?*pause, "accept failed, pausing");
                sleep(*pause).await;
            }
        }
    }
}

/// Whether the error speaks of the connection that was being accepted, not of the listener.
fn is_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::ConnectionRefused
            | ErrorKind::Interrupted
    )
}

fn next_pause(pause: Duration) -> Duration {
    (pause * 2).clamp(PAUSE.0, PAUSE.1)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_longest() {
        let mut pause = Duration::ZERO;
        let pauses: Vec<u128> = std::iter::repeat_with(|| {
            pause = next_pause(pause);
            pause.as_millis()
        })
        .take(7)
        .collect();
        assert_eq!(pauses, [50, 100, 200, 400, 800, 1000, 1000]);
    }

    #[test]
    fn exhausted_descriptors_are_no_single_connections_error() {
        // EMFILE and ECONNABORTED on Linux.
        assert!(!is_one_connection(&io::Error::from_raw_os_error(24)));
        assert!(is_one_connection(&ErrorKind::ConnectionAborted.into()));
    }
}
