//! A panic in a handler answers INTERNAL with a reason, instead of a reset stream that a client takes for a cancellation.
//! Streams have their own answer to a panic of the task that feeds them.

use std::any::Any;

use http::Response;
use tonic::body::Body;
use tower_http::catch_panic::CatchPanicLayer;

use super::status::panicked;

/// How a panic is answered.
type Answer = fn(Box<dyn Any + Send + 'static>) -> Response<Body>;

/// What stands between the transport and the services.
pub(super) fn layer() -> CatchPanicLayer<Answer> {
    CatchPanicLayer::custom(answer)
}

fn answer(panic: Box<dyn Any + Send + 'static>) -> Response<Body> {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    tracing::error!(panic = text.unwrap_or("no message"), "a handler panicked");
    panicked().into_http()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::convert::Infallible;
    use tower::{Layer as _, Service as _};

    #[tokio::test]
    async fn a_panic_in_a_handler_is_internal() {
        async fn handler(_: http::Request<Body>) -> Result<Response<Body>, Infallible> {
            panic!("on purpose")
        }
        let mut service = layer().layer(tower::service_fn(handler));
        let answer = service.call(http::Request::new(Body::empty())).await.expect("an answer");
        assert_eq!(answer.headers()["grpc-status"], "13");
        assert!(answer.headers().contains_key("grpc-status-details-bin"));
    }
}
