//! A TCP connection that the server can end: when it has said nothing at all for too long, and when the time for a
//! graceful end is over. It holds one of the places for connections while it lives. What is said over it is none of its
//! business.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Sleep, sleep};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::{Connected, TcpConnectInfo};

#[derive(Debug)]
pub(super) struct Connection {
    tcp: TcpStream,
    closed: Pin<Box<WaitForCancellationFutureOwned>>,
    /// Until the first byte has come.
    silence: Option<Pin<Box<Sleep>>>,
    _place: OwnedSemaphorePermit,
}

impl Connection {
    /// A connection that lives until `close` is cancelled, or until `silence` is over without a first byte.
    pub(super) fn new(
        tcp: TcpStream,
        place: OwnedSemaphorePermit,
        close: CancellationToken,
        silence: Duration,
    ) -> Self {
        Self { tcp, closed: Box::pin(close.cancelled_owned()), silence: Some(Box::pin(sleep(silence))), _place: place }
    }

    fn check(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if self.closed.as_mut().poll(context).is_ready() {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "the server has shut down"));
        }
        let silence = self.silence.as_mut();
        if silence.is_some_and(|silence| silence.as_mut().poll(context).is_ready()) {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the client has said nothing"));
        }
        Ok(())
    }
}

impl Connected for Connection {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> TcpConnectInfo {
        self.tcp.connect_info()
    }
}

impl AsyncRead for Connection {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        this.check(context)?;
        let result = Pin::new(&mut this.tcp).poll_read(context, buffer);
        if result.is_ready() {
            this.silence = None;
        }
        result
    }
}

impl AsyncWrite for Connection {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, data: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().tcp).poll_write(context, data)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        data: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().tcp).poll_write_vectored(context, data)
    }

    fn is_write_vectored(&self) -> bool {
        self.tcp.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().tcp).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tokio::io::AsyncReadExt as _;
    use tokio::net::TcpListener;
    use tokio::sync::Semaphore;

    async fn pair(close: CancellationToken, silence: Duration) -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let client = TcpStream::connect(listener.local_addr().expect("bound")).await.expect("it listens");
        let place = Arc::new(Semaphore::new(1)).try_acquire_owned().expect("it is free");
        (Connection::new(listener.accept().await.expect("it was called").0, place, close, silence), client)
    }

    #[tokio::test]
    async fn a_connection_that_says_nothing_is_ended() {
        let (mut connection, _client) = pair(CancellationToken::new(), Duration::from_millis(20)).await;
        assert_eq!(connection.read_u8().await.expect_err("too late").kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_connection_ends_with_the_server() {
        let close = CancellationToken::new();
        let (mut connection, _client) = pair(close.clone(), Duration::from_secs(60)).await;
        let reading = tokio::spawn(async move { connection.read_u8().await });
        tokio::task::yield_now().await;
        close.cancel();
        assert_eq!(reading.await.expect("no panic").expect_err("closed").kind(), io::ErrorKind::ConnectionAborted);
    }
}
