//! The end of connections that were refused: the other side gets to read why.

use std::time::Duration;

use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, copy, sink},
    time::timeout,
};

/// How long a client that was refused may take to hang up.
const LIMIT: Duration = Duration::from_secs(1);

/// Says `last`, hangs up, and reads what is still to come: a socket that is closed while bytes of
/// the client are unread is reset, and what it was told may be lost with it.
pub(super) async fn linger<IO: AsyncRead + AsyncWrite + Unpin>(mut io: IO, last: &[u8]) {
    let over = async {
        io.write_all(last).await?;
        io.shutdown().await?;
        copy(&mut io, &mut sink()).await
    };
    // Whatever comes of it: the connection is over.
    let _ = timeout(LIMIT, over).await;
}
