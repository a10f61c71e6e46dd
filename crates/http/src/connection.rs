//! One connection: its requests one after the other, until it ends or has to.

use std::convert::Infallible;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body as _, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tracing::debug;

use crate::body::{self, Charge};
use crate::request::{Refusal, Request};
use crate::response::{Response, closing};
use crate::route::Admission;
use crate::seat::{Phase, Seat};
use crate::server::Shared;

/// How long a client that was refused may go on sending what nobody reads, so that it reads why.
const LINGER: Duration = Duration::from_millis(500);

/// Serves a connection until it ends, its seat is needed, or `shutdown`; then finishes the request that
/// is being answered.
pub(crate) async fn serve(
    stream: TcpStream,
    seat: Arc<Seat>,
    shared: Arc<Shared>,
    shutdown: CancellationToken,
) {
    // Answers are small and written whole: nothing is gained by waiting for more.
    stream.set_nodelay(true).ok();
    let Some(acceptor) = shared.acceptor() else {
        return requests(stream, seat, &shared, &shutdown).await;
    };
    let accepted = tokio::select! {
        accepted = acceptor.accept(stream) => accepted,
        () = seat.closed() => return,
        () = shutdown.cancelled() => return,
    };
    match accepted {
        Ok(stream) => requests(stream, seat, &shared, &shutdown).await,
        Err(error) => debug!(%error, "A connection gave up before it was secure"),
    }
}

async fn requests<S>(stream: S, seat: Arc<Seat>, shared: &Arc<Shared>, shutdown: &CancellationToken)
where
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    let service = service_fn(|request| {
        let (seat, shared) = (Arc::clone(&seat), Arc::clone(shared));
        Box::pin(async move { Ok::<_, Infallible>(respond(request, &seat, &shared).await) })
    });
    let io = Watched {
        stream,
        seat: Arc::clone(&seat),
    };
    let mut connection = http1::Builder::new()
        // The seat knows how long a header takes: no timer a request.
        .header_read_timeout(None)
        .max_buf_size(shared.limits.header_bytes)
        .serve_connection(TokioIo::new(io), service);
    let mut is_stopping = false;
    let ended = loop {
        tokio::select! {
            biased;
            () = seat.closed() => return,
            ended = poll_fn(|cx| connection.poll_without_shutdown(cx)) => break ended,
            () = shutdown.cancelled(), if !is_stopping => {
                is_stopping = true;
                if seat.phase() == Phase::Stream {
                    return;
                }
                Pin::new(&mut connection).graceful_shutdown();
            }
        }
    };
    if let Err(error) = &ended {
        debug!(%error, "A connection broke");
    }
    seat.enter(Phase::Idle);
    let stream = connection.into_parts().io.into_inner().stream;
    tokio::select! {
        () = close(stream) => {}
        () = seat.closed() => {}
    }
}

/// Closes a connection so that the client can read the last answer: if it is still sending, closing at
/// once would take the answer from it.
async fn close<S: AsyncRead + AsyncWrite + Unpin>(mut stream: S) {
    if stream.shutdown().await.is_err() {
        return;
    }
    let mut nowhere = [0; 4 * 1024];
    let rest = async { while !matches!(stream.read(&mut nowhere).await, Ok(0) | Err(_)) {} };
    // A client that goes on for longer does not read.
    timeout(LINGER, rest).await.unwrap_or_default();
}

/// Finds out who answers a request, and has it answered.
async fn respond(request: hyper::Request<Incoming>, seat: &Seat, shared: &Arc<Shared>) -> Response {
    seat.enter(Phase::Head);
    let response = answer(request, seat, shared).await;
    if response.body().is_stream() {
        seat.enter(Phase::Stream);
        return closing(response);
    }
    seat.enter(Phase::Idle);
    response
}

async fn answer(request: hyper::Request<Incoming>, seat: &Seat, shared: &Arc<Shared>) -> Response {
    let (head, body) = request.into_parts();
    let has_body = !body.is_end_stream();
    // If nobody reads the body, no further request can follow it.
    let unread = |response| {
        if has_body {
            closing(response)
        } else {
            response
        }
    };
    let handler = match shared.router.find(&head) {
        Ok(handler) => handler,
        Err(absent) => return unread(absent.response()),
    };
    let limit = match handler.admit(&head) {
        Admission::Body { limit } => limit,
        Admission::Answered(response) => return unread(response),
    };
    if shared.requests.available_permits() == 0 {
        return unread(handler.refused(Refusal::Busy));
    }
    let mut charge = Charge::new(Arc::clone(&shared.budget));
    let body = match body::read(body, limit, &mut charge, seat, &shared.seats).await {
        Ok(body) => body,
        Err(refusal) => return closing(handler.refused(refusal)),
    };
    let Ok(permit) = shared.requests.try_acquire() else {
        return handler.refused(Refusal::Busy);
    };
    seat.enter(Phase::Answer);
    let response = handler.answer(Request { head, body }).await;
    drop((permit, charge));
    response
}

/// A stream that tells the seat of what comes.
struct Watched<S> {
    stream: S,
    seat: Arc<Seat>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = into.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, into);
        if into.filled().len() > before {
            self.seat.bytes_came();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
