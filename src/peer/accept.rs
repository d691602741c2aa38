//! Connections of other nodes: how many there may be, and TLS where it is set up.

use super::tls::Tls;
use futures::{Stream, StreamExt};
use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tonic::transport::server::Connected;

/// More than all nodes of a core with all that they have open; others wait in the listener's backlog.
const CONNECTIONS_MAX: usize = 512;
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);
/// After accepting failed, for instance because no file descriptor was free.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

/// A connection, and its permit among those that may be open.
pub(super) struct Held<S> {
    stream: S,
    _place: OwnedSemaphorePermit,
}

/// Accepts connections without encryption.
pub(super) fn plain(listener: TcpListener) -> impl Stream<Item = io::Result<Held<TcpStream>>> {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    futures::stream::unfold((listener, places), |(listener, places)| async {
        let (stream, place) = next(&listener, &places).await?;
        Some((Ok(Held { stream, _place: place }), (listener, places)))
    })
}

/// Accepts connections and completes their handshakes. A slow one delays no other.
pub(super) fn encrypted(
    listener: TcpListener,
    tls: Arc<Tls>,
) -> impl Stream<Item = io::Result<Held<TlsStream<TcpStream>>>> {
    let (done, incoming) = mpsc::channel(16);
    tokio::spawn(async move {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        while let Some((stream, place)) = next(&listener, &places).await {
            if done.is_closed() {
                return;
            }
            let (acceptor, done) = (TlsAcceptor::from(tls.server()), done.clone());
            tokio::spawn(async move {
                let from = stream.peer_addr().map(|at| at.to_string()).unwrap_or_default();
                match tokio::time::timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await {
                    // An error means that the server ends.
                    Ok(Ok(stream)) => drop(done.send(Ok(Held { stream, _place: place })).await),
                    Ok(Err(error)) => tracing::debug!(from, %error, "TLS handshake with a node failed"),
                    Err(_) => tracing::debug!(from, "TLS handshake with a node timed out"),
                }
            });
        }
    });
    futures::stream::unfold(incoming, |mut incoming| async {
        incoming.recv().await.map(|one| (one, incoming))
    })
    .boxed()
}

async fn next(listener: &TcpListener, places: &Arc<Semaphore>) -> Option<(TcpStream, OwnedSemaphorePermit)> {
    let place = Arc::clone(places).acquire_owned().await.ok()?;
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                // Without it answers are later, not wrong.
                let _ = stream.set_nodelay(true);
                return Some((stream, place));
            }
            Err(error) => {
                tracing::warn!(%error, "cannot accept a node's connection");
                tokio::time::sleep(RETRY_INTERVAL).await;
            }
        }
    }
}

impl<S: Connected> Connected for Held<S> {
    type ConnectInfo = S::ConnectInfo;

    fn connect_info(&self) -> S::ConnectInfo {
        self.stream.connect_info()
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Held<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Held<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bufs)
    }
}
