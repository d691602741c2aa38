//! A client's socket: TCP, with or without TLS, or a Unix socket.

use super::{handshakes::Handshakes, thread::ThreadState};
use crate::{session::Client, tls::CallerName};
use bytes::{Buf, BytesMut};
use std::{
    io,
    os::fd::{AsFd, BorrowedFd},
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt, Interest, ReadBuf, Ready},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig, server::TlsStream};

/// Bytes that TLS takes ahead of the kernel, in clear and encrypted: as rustls would, but counted.
const TLS_BUFFER_BYTES_MAX: usize = 64 * 1024;
/// Time to say that the connection ends to a client that takes nothing.
const FAREWELL_MAX: Duration = Duration::from_millis(200);

/// An accepted one.
pub(super) enum Stream {
    Tcp(std::net::TcpStream),
    Unix(std::os::unix::net::UnixStream),
}

/// See the module.
pub(super) enum Socket {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    Unix(UnixStream),
}

impl Socket {
    /// Shakes hands if there is TLS. An error if that fails, takes too long, or the client or the node ends meanwhile.
    pub(super) async fn open(
        stream: Stream,
        tls: Option<Arc<ServerConfig>>,
        client: &Client,
        thread: &ThreadState,
        within: Duration,
    ) -> io::Result<Socket> {
        let stream = match stream {
            Stream::Tcp(stream) => TcpStream::from_std(stream)?,
            Stream::Unix(stream) => return Ok(Socket::Unix(UnixStream::from_std(stream)?)),
        };
        let Some(tls) = tls else { return Ok(Socket::Plain(stream)) };
        let ended = || io::Error::from(io::ErrorKind::ConnectionAborted);
        let handshake = tokio::time::timeout(within, shake_hands(stream, tls, &thread.handshakes));
        tokio::select! {
            done = handshake => done?.map(Socket::Tls),
            () = client.wait_killed() => Err(ended()),
            _ = thread.stop.wait() => Err(ended()),
        }
    }

    /// Whom the client's certificate names. The handshake has verified it.
    pub(super) fn named_by(&self, part: CallerName) -> Option<String> {
        match self {
            Socket::Tls(tls) => part.of(tls.get_ref().1.peer_certificates()?.first()?),
            Socket::Plain(_) | Socket::Unix(_) => None,
        }
    }

    pub(super) fn descriptor(&self) -> BorrowedFd<'_> {
        match self {
            Socket::Plain(tcp) => tcp.as_fd(),
            Socket::Tls(tls) => tls.get_ref().0.as_fd(),
            Socket::Unix(unix) => unix.as_fd(),
        }
    }

    async fn ready(&self, interest: Interest) -> io::Result<Ready> {
        match self {
            Socket::Plain(tcp) => tcp.ready(interest).await,
            Socket::Tls(tls) => tls.get_ref().0.ready(interest).await,
            Socket::Unix(unix) => unix.ready(interest).await,
        }
    }

    /// Bytes beyond those that it was given to send which may wait for the client here.
    pub(super) fn unsent_max(&self) -> usize {
        match self {
            Socket::Tls(tls) if tls.get_ref().1.wants_write() => TLS_BUFFER_BYTES_MAX,
            Socket::Tls(_) | Socket::Plain(_) | Socket::Unix(_) => 0,
        }
    }

    /// Writes what the kernel takes, off the start of `bytes`. `WouldBlock`: it takes no more now.
    pub(super) fn try_send(&mut self, bytes: &mut BytesMut) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = match self {
                Socket::Plain(tcp) => tcp.try_write(bytes)?,
                Socket::Unix(unix) => unix.try_write(bytes)?,
                Socket::Tls(tls) => now(|context| Pin::new(&mut *tls).poll_write(context, bytes))?,
            };
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            bytes.advance(written);
        }
        match self {
            Socket::Plain(_) | Socket::Unix(_) => Ok(()),
            Socket::Tls(tls) => now(|context| Pin::new(&mut *tls).poll_flush(context)),
        }
    }

    /// Reads what has come, behind what is in `input`, in the room that it has. `WouldBlock`: nothing has.
    pub(super) fn try_receive(&mut self, input: &mut BytesMut) -> io::Result<usize> {
        let room = input.spare_capacity_mut();
        let mut buffer = ReadBuf::uninit(room);
        now(|context| Pin::new(&mut *self).poll_read(context, &mut buffer))?;
        let read = buffer.filled().to_vec();
        input.extend_from_slice(&read);
        Ok(read.len())
    }

    /// Resolves when something may have come, or also when the kernel may take more.
    pub(super) async fn ready_for(&self, writes: bool) -> io::Result<()> {
        let interest = if writes { Interest::READABLE | Interest::WRITABLE } else { Interest::READABLE };
        self.ready(interest).await.map(drop)
    }

    /// Resolves when the kernel may take more.
    pub(super) async fn writable(&self) -> io::Result<()> {
        self.ready(Interest::WRITABLE).await.map(drop)
    }

    /// Resolves when there is urgent data or the client has closed.
    pub(super) async fn urgent(&self) -> io::Result<Ready> {
        self.ready(Interest::PRIORITY).await
    }

    pub(super) async fn close(&mut self) {
        let _ = match self {
            Socket::Plain(tcp) => tcp.shutdown().await,
            Socket::Unix(unix) => unix.shutdown().await,
            Socket::Tls(tls) => match tokio::time::timeout(FAREWELL_MAX, tls.shutdown()).await {
                Ok(closed) => closed,
                Err(late) => Err(late.into()),
            },
        };
    }
}

async fn shake_hands(
    stream: TcpStream,
    tls: Arc<ServerConfig>,
    handshakes: &Rc<Handshakes>,
) -> io::Result<Box<TlsStream<TcpStream>>> {
    stream.readable().await?;
    let place = handshakes.place().await;
    // Boxed: a handshake has much state, and who waits for a place or has an open connection has not.
    let mut stream = tokio::select! {
        done = Box::pin(TlsAcceptor::from(tls).accept(stream)) => Box::new(done?),
        () = place.overdue() => return Err(io::ErrorKind::TimedOut.into()),
    };
    stream.get_mut().1.set_buffer_limit(Some(TLS_BUFFER_BYTES_MAX));
    Ok(stream)
}

/// What a poll finds at once. Whoever waits does so for the socket, not for this.
fn now<T>(poll: impl FnOnce(&mut Context<'_>) -> Poll<io::Result<T>>) -> io::Result<T> {
    match poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => done,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Socket::Plain(tcp) => Pin::new(tcp).poll_read(context, buffer),
            Socket::Unix(unix) => Pin::new(unix).poll_read(context, buffer),
            Socket::Tls(tls) => Pin::new(tls).poll_read(context, buffer),
        }
    }
}
