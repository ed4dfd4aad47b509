//! Plain HTTP on the server's one port: the page and its sample pictures. What speaks gRPC, or gRPC-Web as browsers do,
//! is passed on; whatever else comes is answered here, behind the same checks of host and origin.

mod colours;
mod headers;
mod page;
mod samples;

use std::path::PathBuf;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::{ALLOW, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response, StatusCode};
use tonic::body::Body;
use tower::{Layer, Service};

use self::page::Page;
use self::samples::Samples;
use crate::grpc::{Access, Check as _, Guard};

/// Answers what is not gRPC.
#[derive(Clone, Debug)]
pub(crate) struct Http(Arc<Site>);

#[derive(Debug)]
struct Site {
    guard: Guard,
    access: Access,
    page: Page,
    samples: Samples,
}

/// A file as it is answered.
struct File {
    bytes: Vec<u8>,
    media_type: &'static str,
    cache: &'static str,
}

const SAMPLES: &str = "/samples/";

/// Ask again whether it is still the same.
const CHANGING: &str = "no-cache";

impl Http {
    /// The page that was built in, which anyone gets as it asks for the token, and the pictures in `samples`, which not
    /// anyone gets.
    pub(crate) fn new(guard: Guard, access: Access, samples: Vec<PathBuf>) -> Self {
        Self(Arc::new(Site { guard, access, page: Page::built_in(), samples: Samples::new(samples) }))
    }
}

impl Site {
    fn answer(&self, method: &Method, path: &str) -> Response<Body> {
        if !matches!(*method, Method::GET | Method::HEAD) {
            let mut refusal =
                text(StatusCode::METHOD_NOT_ALLOWED, "pages are read with GET; calls are gRPC or gRPC-Web");
            refusal.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return refusal;
        }
        let found = match path.strip_prefix(SAMPLES) {
            Some("") => Some(self.samples.list()),
            Some(name) => self.samples.read(name),
            None if path == "/colormaps.json" => Some(colours::tables()),
            None if path == "/" => match self.page.start() {
                Some(start) => Some(start),
                None => return text(StatusCode::SERVICE_UNAVAILABLE, page::MISSING),
            },
            None => self.page.file(path),
        };
        let Some(file) = found else { return text(StatusCode::NOT_FOUND, "there is nothing here; the page is at /") };
        let mut response = Response::new(Body::new(http_body(file.bytes, method)));
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(file.media_type));
        headers.insert(http::header::CACHE_CONTROL, HeaderValue::from_static(file.cache));
        response
    }
}

fn http_body(bytes: Vec<u8>, method: &Method) -> http_body_util::Full<bytes::Bytes> {
    http_body_util::Full::new(if *method == Method::HEAD { bytes::Bytes::new() } else { bytes.into() })
}

fn text(status: StatusCode, words: &str) -> Response<Body> {
    let mut response = Response::new(Body::new(http_body(format!("{words}\n").into_bytes(), &Method::GET)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}

fn is_grpc<B>(request: &Request<B>) -> bool {
    request.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

impl<S> Layer<S> for Http {
    type Service = Sorted<S>;

    fn layer(&self, grpc: S) -> Sorted<S> {
        Sorted { site: Arc::clone(&self.0), grpc }
    }
}

/// Sends each request to the one that understands it.
#[derive(Clone, Debug)]
pub(crate) struct Sorted<S> {
    site: Arc<Site>,
    grpc: S,
}

impl<S, B> Service<Request<B>> for Sorted<S>
where
    S: Service<Request<B>, Response = Response<Body>>,
    S::Future: Send + 'static,
    S::Error: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = std::pin::Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.grpc.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        if is_grpc(&request) {
            return Box::pin(self.grpc.call(request));
        }
        let refused =
            self.site.guard.check(&request).map_err(|refusal| (StatusCode::FORBIDDEN, refusal)).and_then(|()| {
                let open = !request.uri().path().starts_with(SAMPLES);
                let allowed = if open { Ok(()) } else { self.site.access.check(&request) };
                allowed.map_err(|refusal| (StatusCode::UNAUTHORIZED, refusal))
            });
        let (site, method, path) = (Arc::clone(&self.site), request.method().clone(), request.uri().path().to_owned());
        Box::pin(async move {
            let mut response = match refused {
                Err((status, refusal)) => text(status, refusal.message()),
                // Reading a sample blocks.
                Ok(()) => match tokio::task::spawn_blocking(move || site.answer(&method, &path)).await {
                    Ok(response) => response,
                    Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the server met a fault of its own"),
                },
            };
            headers::protect(response.headers_mut());
            Ok(response)
        })
    }
}
