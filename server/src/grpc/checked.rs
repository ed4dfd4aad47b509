//! A check of every request before its service sees it: what the guard of hosts and the access by tokens share.

use std::task::{Context, Poll};

use http::{Request, Response};
use tonic::Status;
use tower::{Layer, Service};

/// Says whether a request may go on, by its head alone.
pub(crate) trait Check: Clone {
    /// # Errors
    /// The answer to a request that may not.
    fn check<B>(&self, request: &Request<B>) -> Result<(), Status>;
}

/// Puts services behind a check.
#[derive(Clone, Debug)]
pub(super) struct Checked<C>(pub(super) C);

impl<C: Check, S> Layer<S> for Checked<C> {
    type Service = Behind<C, S>;

    fn layer(&self, inner: S) -> Behind<C, S> {
        Behind { check: self.0.clone(), inner }
    }
}

/// A service behind a check.
#[derive(Clone, Debug)]
pub(super) struct Behind<C, S> {
    check: C,
    inner: S,
}

impl<C, S, B> Service<Request<B>> for Behind<C, S>
where
    C: Check,
    S: Service<Request<B>, Response = Response<tonic::body::Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        match self.check.check(&request) {
            Ok(()) => Box::pin(self.inner.call(request)),
            Err(refusal) => Box::pin(std::future::ready(Ok(refusal.into_http()))),
        }
    }
}
