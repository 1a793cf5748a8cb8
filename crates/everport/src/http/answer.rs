//! The service as hyper calls it: it notes requests and answers, and tells clients that a drain has begun.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::header::{CONNECTION, HeaderValue};
use hyper::service::Service;
use hyper::{Method, Request, Response, StatusCode, Version};
use pin_project_lite::pin_project;

use super::exchange::{Exchange, Unanswered};
use super::peer::Introduce;

/// The application's service on one connection.
pub(super) struct Observed<S> {
    service: S,
    exchange: Arc<Exchange>,
    introduce: Option<Introduce>,
}

impl<S> Observed<S> {
    pub(super) fn new(service: S, exchange: Arc<Exchange>, introduce: Option<Introduce>) -> Self {
        Self {
            service,
            exchange,
            introduce,
        }
    }
}

impl<S, B> Service<Request<Incoming>> for Observed<S>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
{
    type Response = Response<AnswerBody<B>>;
    type Error = S::Error;
    type Future = Answering<S::Future>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        let unanswered = self.exchange.begin_request(!request.body().is_end_stream());
        let version = request.version();
        let is_connect = request.method() == Method::CONNECT;
        if let Some(introduce) = &self.introduce {
            introduce(request.extensions_mut());
        }
        Answering {
            answer: self.service.call(request),
            unanswered: Some(unanswered),
            version,
            is_connect,
        }
    }
}

pin_project! {
    /// An answer in the making.
    pub(super) struct Answering<F> {
        #[pin]
        answer: F,
        unanswered: Option<Unanswered>,
        // What the client speaks.
        version: Version,
        is_connect: bool,
    }
}

impl<F, B, E> Future for Answering<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<AnswerBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut answer = ready!(this.answer.poll(cx))?;
        let unanswered = this.unanswered.take();
        // Those of HTTP/2 are about a stream, not about the connection.
        if *this.version < Version::HTTP_2
            && let Some(unanswered) = &unanswered
        {
            let exchange = unanswered.exchange();
            if is_upgrade(answer.status(), *this.is_connect) {
                exchange.upgrade();
            } else if exchange.is_draining() {
                close(&mut answer, *this.version);
                exchange.tell();
            }
        }
        Poll::Ready(Ok(answer.map(|body| AnswerBody { body, unanswered })))
    }
}

/// Whether what follows the answer is no HTTP any more (RFC 9110, 7.8 and 9.3.6).
fn is_upgrade(status: StatusCode, is_connect: bool) -> bool {
    status == StatusCode::SWITCHING_PROTOCOLS || (is_connect && status.is_success())
}

/// While the worker drains, each answer is its connection's last one.
fn close<B>(answer: &mut Response<B>, version: Version) {
    if version == Version::HTTP_10 {
        // To an answer of a later version hyper adds the `keep-alive` that the client has asked for.
        *answer.version_mut() = version;
    }
    let headers = answer.headers_mut();
    let said = headers.get_all(CONNECTION).iter();
    let others: Vec<_> = said
        .filter(|said| !is_about_closing(said))
        .cloned()
        .collect();
    headers.insert(CONNECTION, HeaderValue::from_static("close"));
    for other in others {
        headers.append(CONNECTION, other); // such as `upgrade`, beside what a 426 wants
    }
}

fn is_about_closing(said: &HeaderValue) -> bool {
    let is = |option: &str| said.as_bytes().eq_ignore_ascii_case(option.as_bytes());
    is("close") || is("keep-alive")
}

pin_project! {
    /// An answer's body, which tells when it has ended: hyper drops it then.
    pub(super) struct AnswerBody<B> {
        #[pin]
        body: B,
        unanswered: Option<Unanswered>,
    }
}

impl<B: Body> Body for AnswerBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        self.project().body.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
