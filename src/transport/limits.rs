//! Every number that bounds a connection, in one place and with its reason.

use std::time::Duration;

use http::HeaderMap;

use super::meter::Allowance;

/// Limits and times of the server. `Default` gives the documented values.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections open at one time; further ones are closed right after accept. Default 65,536.
    pub max_connections: usize,
    /// Connections open at one time from one IPv4 address or one /64 of IPv6; further ones are
    /// closed right after accept. Unix sockets are exempt. Default 4,096: behind a proxy or a
    /// translation of addresses many clients have one.
    pub max_connections_per_address: usize,
    /// Connections that one such address may open each second, and ten times as many at once after
    /// a pause; further ones are closed right after accept. 0 for any number. Default 200: when a
    /// node comes back, each of its pods opens one, and a proxy as many as it has clients.
    pub max_connections_per_second: u32,
    /// Connections on which HTTP/2 has not begun yet; one more displaces the oldest of them.
    /// Default 4,096.
    pub max_handshakes: usize,
    /// Longest time from accept to the client's HTTP/2 preface, TLS included. Default 10 s.
    pub handshake: Duration,
    /// Streams open at one time on one connection, advertised in SETTINGS; a stream above it is
    /// refused with REFUSED_STREAM. Default 1,000.
    pub max_concurrent_streams: u32,
    /// Size of a request's header list in bytes; a larger one is answered with status 431.
    /// Default 16 KiB.
    pub max_header_list_size: u32,
    /// Frames that make work and carry nothing (PING, SETTINGS, PRIORITY, empty DATA, unknown
    /// ones) which a client may send at once; more end the connection with ENHANCE_YOUR_CALM.
    /// Each 64 bytes that are sent to it allow for one more. Default 1,000.
    pub empty_frames_burst: u32,
    /// And how many more each second. Default 100.
    pub empty_frames_per_second: u32,
    /// Streams that the client has reset before they were accepted (rapid reset); one more ends
    /// the connection with ENHANCE_YOUR_CALM. Default 20.
    pub max_pending_accept_reset_streams: usize,
    /// Streams that the client forces us to reset, over the life of a connection; one more ends
    /// it with ENHANCE_YOUR_CALM. Default 1,024.
    pub max_local_error_reset_streams: usize,
    /// Streams remembered after we have reset them, so that late frames are ignored. Default 50.
    pub max_concurrent_reset_streams: usize,
    /// How long such a stream is remembered. Default 1 s.
    pub reset_stream_duration: Duration,
    /// Bytes of one stream that may wait in `h2` for the socket. They are shared, not copied, but
    /// what waits here is no longer a position that a stream could skip from. Default 64 KiB.
    pub max_send_buffer_size: usize,
    /// Receive window of one stream in bytes; requests are small. Default 64 KiB.
    pub initial_stream_window: u32,
    /// Receive window of one connection in bytes. Default 1 MiB.
    pub initial_connection_window: u32,
    /// Silence between an answered PING of ours and the next. Default 20 s.
    pub keepalive_interval: Duration,
    /// Longest wait for the answer to a PING, or for any other byte, before the connection is
    /// dropped as half open. Default 20 s.
    pub keepalive_timeout: Duration,
    /// Time after which a connection without an open stream is ended (GOAWAY), even if its client
    /// answers PINGs; zero for never. Default 15 min.
    pub idle: Duration,
    /// Longest time for which a response may have bytes to send and no room for a single one;
    /// for all that was taken together it is twice that and a second for each 16 KiB. Then its
    /// body is dropped, and the stream ends with [`stall_trailers`](Self::stall_trailers), behind
    /// a whole message. Default 30 s.
    pub stall: Duration,
    /// If the stall has cut a message in two: further time for the peer to take its rest, before
    /// the stream is reset (ENHANCE_YOUR_CALM) instead of ended with trailers. Default 30 s.
    pub stall_finish: Duration,
    /// Bytes of responses that are not [`Counted`](super::Counted) and wait for their readers, of
    /// all connections together; beyond that those go who have been waited for the longest.
    /// Default 256 MiB.
    pub max_waiting: usize,
    /// After the trailers of a stalled stream: time until it is reset as well. Default 5 s.
    pub stall_linger: Duration,
    /// Trailers that end a stalled stream. Default: none, i.e. an empty trailers frame.
    pub stall_trailers: HeaderMap,
    /// Trailers that end the streams of a client that has to show its certificate again, because
    /// the authorities of clients were replaced. Default: none.
    pub outdated_trailers: fn() -> HeaderMap,
    /// Time until its connection is closed all the same. Default 5 s.
    pub outdated_linger: Duration,
    /// Time that open streams have to end after a drain began; then their connections are
    /// dropped. Default 25 s, inside a pod's usual 30 s termination grace.
    pub drain_deadline: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_connections: 65_536,
            max_connections_per_address: 4_096,
            max_connections_per_second: 200,
            max_handshakes: 4_096,
            handshake: Duration::from_secs(10),
            max_concurrent_streams: 1_000,
            max_header_list_size: 16 * 1024,
            empty_frames_burst: 1_000,
            empty_frames_per_second: 100,
            max_pending_accept_reset_streams: 20,
            max_local_error_reset_streams: 1_024,
            max_concurrent_reset_streams: 50,
            reset_stream_duration: Duration::from_secs(1),
            max_send_buffer_size: 64 * 1024,
            initial_stream_window: 64 * 1024,
            initial_connection_window: 1024 * 1024,
            keepalive_interval: Duration::from_secs(20),
            keepalive_timeout: Duration::from_secs(20),
            idle: Duration::from_secs(15 * 60),
            stall: Duration::from_secs(30),
            stall_finish: Duration::from_secs(30),
            max_waiting: 256 << 20,
            stall_linger: Duration::from_secs(5),
            stall_trailers: HeaderMap::new(),
            outdated_trailers: HeaderMap::new,
            outdated_linger: Duration::from_secs(5),
            drain_deadline: Duration::from_secs(25),
        }
    }
}

impl Limits {
    pub(super) fn allowance(&self) -> Allowance {
        Allowance {
            burst: self.empty_frames_burst,
            per_second: self.empty_frames_per_second,
        }
    }

    /// The `h2` builder with every one of these limits set, none left to a library's default.
    pub(super) fn builder(&self) -> h2::server::Builder {
        let mut builder = h2::server::Builder::new();
        builder
            .max_concurrent_streams(self.max_concurrent_streams)
            .max_header_list_size(self.max_header_list_size)
            .max_pending_accept_reset_streams(self.max_pending_accept_reset_streams)
            .max_local_error_reset_streams(Some(self.max_local_error_reset_streams))
            .max_concurrent_reset_streams(self.max_concurrent_reset_streams)
            .reset_stream_duration(self.reset_stream_duration)
            .max_send_buffer_size(self.max_send_buffer_size)
            .initial_window_size(self.initial_stream_window)
            .initial_connection_window_size(self.initial_connection_window);
        builder
    }
}
