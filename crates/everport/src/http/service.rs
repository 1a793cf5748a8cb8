//! What can be served: services of hyper, and those of tower, such as axum's routers.

use std::error::Error;

use hyper::body::{Body, Incoming};
use hyper::service::Service;
use hyper::{Request, Response};
use hyper_util::service::TowerToHyperService;

/// An error of any kind, as hyper takes it.
pub(super) type AnyError = Box<dyn Error + Send + Sync>;

/// What can be served: an `axum::Router`, any other `tower::Service` for
/// `Request<hyper::body::Incoming>`, or a [`hyper::service::Service`]. It is cloned for each connection.
///
/// `Kind` is [`Hyper`] or [`Tower`] and needs not be named: the compiler finds the one that fits. A type that is
/// both has to be wrapped, in [`TowerToHyperService`] for instance.
pub trait IntoService<Kind> {
    /// The service as hyper calls it.
    #[doc(hidden)]
    type Service: Answers;

    #[doc(hidden)]
    fn into_service(self) -> Self::Service;
}

/// The services of hyper.
#[derive(Debug)]
pub enum Hyper {}

/// The services of tower, axum's routers among them.
#[derive(Debug)]
pub enum Tower {}

impl<S: Answers> IntoService<Hyper> for S {
    type Service = S;

    fn into_service(self) -> S {
        self
    }
}

impl<S> IntoService<Tower> for S
where
    S: tower_service::Service<Request<Incoming>>,
    TowerToHyperService<S>: Answers,
{
    type Service = TowerToHyperService<S>;

    fn into_service(self) -> Self::Service {
        TowerToHyperService::new(self)
    }
}

/// A service of hyper with all that serving it in tasks needs.
pub trait Answers:
    Service<
        Request<Incoming>,
        Response = Response<Self::Body>,
        Error: Into<AnyError>,
        Future: Send + 'static,
    > + Clone
    + Send
    + 'static
{
    /// The bodies of its answers.
    type Body: Body<Data: Send, Error: Into<AnyError>> + Send + 'static;
}

impl<S, B> Answers for S
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Error: Into<AnyError>,
    S::Future: Send + 'static,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<AnyError>,
{
    type Body = B;
}
