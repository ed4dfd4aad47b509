//! Tokens: what a server with some of them lets in, and what it says to whoever comes without.

use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;
use whyglass_engine::Limits;
use whyglass_proto::v1;
use whyglass_proto::v1::admin_service_client::AdminServiceClient;
use whyglass_proto::v1::catalog_service_client::CatalogServiceClient;
use whyglass_server::client::{Client, ClientError};
use whyglass_server::tokens::{Role, Token};

use crate::browser::{INFO, WEB, ask, contains, framed};
use crate::support::events::finished;
use crate::support::{Fixture, explain, sweep, within};

pub(crate) const VIEWER: &str = "the-viewer-token-of-these-tests";
pub(crate) const ADMIN: &str = "the-admin-token-of-these-tests";

fn token(text: &str) -> Token {
    text.parse().unwrap()
}

/// A server with a token of each role.
pub(crate) async fn guarded() -> Fixture {
    Fixture::with(Limits::default(), |config| {
        config.tokens.add(Role::Viewer, &token(VIEWER));
        config.tokens.add(Role::Admin, &token(ADMIN));
    })
    .await
}

pub(crate) fn bearing<T>(message: T, token: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request
}

fn reason(status: &Status) -> String {
    status.get_error_details().error_info().unwrap().reason.clone()
}

#[tokio::test]
async fn nothing_is_told_without_a_token_or_with_a_wrong_one() {
    let fixture = guarded().await;
    let mut client = CatalogServiceClient::new(fixture.channel().await);
    let missing = client.get_server_info(v1::GetServerInfoRequest {}).await.unwrap_err();
    assert_eq!((missing.code(), reason(&missing).as_str()), (Code::Unauthenticated, "TOKEN_MISSING"));
    let wrong = client.get_server_info(bearing(v1::GetServerInfoRequest {}, "guessed")).await.unwrap_err();
    assert_eq!((wrong.code(), reason(&wrong).as_str()), (Code::Unauthenticated, "TOKEN_WRONG"));
    assert!(!wrong.message().contains("guessed"), "{}", wrong.message());
}

#[tokio::test]
async fn a_viewer_explains_and_does_not_administer() {
    let fixture = guarded().await;
    let mut client = Client::connect(&fixture.url(), None, Some(&token(VIEWER))).await.unwrap();
    assert_eq!(client.models().await.unwrap()[0].name, "tiny");
    let mut explanation = client.explain(explain(vec![sweep(0)])).await.unwrap();
    let mut events = Vec::new();
    while let Some(event) = within("an event", explanation.next()).await.unwrap() {
        events.push(event);
    }
    assert!(finished(&events).complete);
    let mut admin = AdminServiceClient::new(fixture.channel().await);
    let refused = admin.drain(bearing(v1::DrainRequest {}, VIEWER)).await.unwrap_err();
    assert_eq!((refused.code(), reason(&refused).as_str()), (Code::PermissionDenied, "ADMIN_ONLY"));
    admin.drain(bearing(v1::DrainRequest {}, ADMIN)).await.unwrap();
}

#[tokio::test]
async fn the_typed_client_passes_a_refusal_on() {
    let fixture = guarded().await;
    let mut client = Client::connect(&fixture.url(), None, Some(&token("sixteen-or-more-characters"))).await.unwrap();
    let ClientError::Status(status) = client.models().await.unwrap_err() else { panic!("another error") };
    assert_eq!(status.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn a_browser_gets_the_page_without_a_token_and_nothing_else() {
    let fixture = guarded().await;
    assert!(["200", "503"].contains(&ask(&fixture, "GET /", &[], &[]).await.status()));
    assert_eq!(ask(&fixture, "GET /samples/", &[], &[]).await.status(), "401");
    let bearer = format!("Bearer {VIEWER}");
    assert_eq!(ask(&fixture, "GET /samples/", &[("Authorization", &bearer)], &[]).await.status(), "200");
    let body = framed(&v1::GetServerInfoRequest {});
    let refused = ask(&fixture, INFO, &[("Content-Type", WEB)], &body).await;
    assert!(!contains(&refused.body, fixture.engine.instance_id()));
    let told = ask(&fixture, INFO, &[("Content-Type", WEB), ("Authorization", &bearer)], &body).await;
    assert!(contains(&told.body, fixture.engine.instance_id()));
}

#[tokio::test]
async fn a_server_that_signs_for_itself_is_trusted_by_its_file_and_by_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let fixture = Fixture::with(Limits::default(), |config| {
        config.tls_self_signed = Some(folder.path().to_owned());
        config.tokens.add(Role::Viewer, &token(VIEWER));
    })
    .await;
    let url = format!("https://{}", fixture.address);
    let certificate = folder.path().join("cert.pem");
    let mut client = Client::connect(&url, Some(&certificate), Some(&token(VIEWER))).await.unwrap();
    assert_eq!(client.server_info().await.unwrap().instance_id, fixture.engine.instance_id());
    let other = rcgen::generate_simple_self_signed(vec!["127.0.0.1".to_owned()]).unwrap();
    let trusting = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(other.cert.pem()));
    assert!(Endpoint::from_shared(url).unwrap().tls_config(trusting).unwrap().connect().await.is_err());
}
