//! The function that a worker runs that is a thread, whatever the type of its future and of its error.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;

use crate::Cluster;
use crate::causes::with_causes;

/// What a worker's main function may fail with: every [`Error`] that can be sent, what converts into a boxed one, such as
/// `String` and `anyhow::Error`, and `Box<dyn Error>`. It is never implemented elsewhere; `Kind` only tells the compiler
/// one of these from the other.
#[diagnostic::on_unimplemented(
    message = "a worker's main function cannot fail with `{Self}`",
    note = "it can with every `std::error::Error + Send + Sync + 'static`, with what converts into `Box<dyn Error + Send + Sync>`, and with `Box<dyn Error>`"
)]
pub trait MainError<Kind>: sealed::Sealed<Kind> {
    /// What it says, and its causes, each after a colon.
    fn into_text(self) -> String;
}

/// A [`MainError`] that converts into a boxed error which can be sent.
#[derive(Debug)]
pub enum Converted {}

/// A [`MainError`] that is a boxed error.
#[derive(Debug)]
pub enum Boxed {}

mod sealed {
    use super::{Boxed, Converted, Error};

    pub trait Sealed<Kind> {}
    impl<E: Into<Box<dyn Error + Send + Sync>>> Sealed<Converted> for E {}
    impl Sealed<Boxed> for Box<dyn Error> {}
}

impl<E: Into<Box<dyn Error + Send + Sync>>> MainError<Converted> for E {
    fn into_text(self) -> String {
        with_causes(&*self.into())
    }
}

impl MainError<Boxed> for Box<dyn Error> {
    fn into_text(self) -> String {
        with_causes(&*self)
    }
}

/// The function with its types forgotten: it ends with nothing, or the text of an error.
#[derive(Clone)]
pub(crate) struct ThreadMain(Arc<dyn Fn(Cluster) -> MainFuture + Send + Sync>);

/// It is made and polled on the worker's own thread.
pub(crate) type MainFuture = Pin<Box<dyn Future<Output = Result<(), String>>>>;

impl ThreadMain {
    pub(crate) fn new<Main, E, Kind>(main: Main) -> Self
    where
        Main: AsyncFn(Cluster) -> Result<(), E> + Send + Sync + 'static,
        E: MainError<Kind>,
    {
        let main = Arc::new(main);
        Self(Arc::new(move |cluster| {
            let main = Arc::clone(&main);
            Box::pin(async move { main(cluster).await.map_err(E::into_text) })
        }))
    }

    pub(crate) fn call(&self, cluster: Cluster) -> MainFuture {
        (self.0)(cluster)
    }
}
