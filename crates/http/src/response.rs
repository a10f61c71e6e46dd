//! What a handler answers.

use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use futures::Stream;
use futures::stream::{BoxStream, StreamExt as _};
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use http::{StatusCode, header};
use hyper::body::{Frame, SizeHint};

/// An answer.
pub type Response = hyper::Response<Body>;

/// The body of an answer.
pub struct Body(Kind);

enum Kind {
    /// All of it, until it is sent.
    Whole(Option<Bytes>),
    /// Parts that come by and by.
    Parts(BoxStream<'static, Bytes>),
}

impl Body {
    /// A body that goes on for as long as the stream does. The connection may be closed in between:
    /// for newer ones if there are too many, and when the port closes.
    pub fn stream(parts: impl Stream<Item = Bytes> + Send + 'static) -> Self {
        Self(Kind::Parts(parts.boxed()))
    }

    pub(crate) fn is_stream(&self) -> bool {
        matches!(self.0, Kind::Parts(_))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Body")
    }
}

impl<B: Into<Bytes>> From<B> for Body {
    fn from(bytes: B) -> Self {
        let bytes = bytes.into();
        Self(Kind::Whole((!bytes.is_empty()).then_some(bytes)))
    }
}

impl hyper::body::Body for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match &mut self.get_mut().0 {
            Kind::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Kind::Parts(parts) => parts
                .poll_next_unpin(cx)
                .map(|part| part.map(|part| Ok(Frame::data(part)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.0, Kind::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Whole(None) => SizeHint::with_exact(0),
            Kind::Whole(Some(bytes)) => {
                SizeHint::with_exact(u64::try_from(bytes.len()).unwrap_or(u64::MAX))
            }
            Kind::Parts(_) => SizeHint::default(),
        }
    }
}

/// An answer in plain text.
pub fn text(status: StatusCode, body: impl Into<Bytes>) -> Response {
    response(
        status,
        HeaderValue::from_static("text/plain; charset=utf-8"),
        body.into(),
    )
}

/// An answer in JSON.
pub fn json(status: StatusCode, body: impl Into<Bytes>) -> Response {
    response(
        status,
        HeaderValue::from_static("application/json"),
        body.into(),
    )
}

/// The same answer, with the time after which the client may ask again, in whole seconds.
pub fn with_retry_after(mut response: Response, wait: Duration) -> Response {
    response
        .headers_mut()
        .insert(RETRY_AFTER, HeaderValue::from(wait.as_secs()));
    response
}

fn response(status: StatusCode, content_type: HeaderValue, body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, content_type);
    response
}

/// Sets a header that names what is allowed or asked for.
pub(crate) fn with_header(mut response: Response, name: HeaderName, value: &str) -> Response {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
    response
}

/// The same answer, after which the connection closes.
pub(crate) fn closing(response: Response) -> Response {
    with_header(response, header::CONNECTION, "close")
}
