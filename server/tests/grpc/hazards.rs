//! Clients and networks that misbehave: frozen, never reading, foreign, unencrypted, silent.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};
use tonic::{Code, Request};
use tonic_types::StatusExt as _;
use whyglass_engine::Limits;
use whyglass_proto::v1;
use whyglass_proto::v1::RunState;
use whyglass_proto::v1::catalog_service_client::CatalogServiceClient;
use whyglass_proto::v1::explain_service_client::ExplainServiceClient;
use whyglass_proto::v1::run_event::Event;
use whyglass_server::client::Client;
use whyglass_server::config::{ServeConfig, Tls};
use whyglass_server::tokens::Role;
use whyglass_server::{ServeError, Server};

use crate::support::events::{accepted, finished, next_watched, rest, until};
use crate::support::proxy::Proxy;
use crate::support::{Fixture, endless, explain, spec, watch_group, within};

#[tokio::test]
async fn a_reader_that_never_reads_loses_its_stream_and_its_run() {
    let fixture = Fixture::with(Limits::default(), |config| config.timing.stall = Duration::from_millis(300)).await;
    let channel = Endpoint::from_shared(fixture.url()).unwrap().initial_stream_window_size(65_535);
    let mut client = ExplainServiceClient::new(channel.connect().await.unwrap());
    let flood = spec("flood", json!({"frames": 1_000_000_000_u64, "side": 100, "delay_ms": 1}));
    let mut stream = client.explain(explain(vec![flood])).await.unwrap().into_inner();
    let run = accepted(&mut stream).await.runs[0].clone();
    // Nothing is read from here on, but the connection lives and answers pings.
    fixture.wait_for(&run, RunState::Cancelled).await;
    let mut late = Vec::new();
    let end = within("the end of the stream", async {
        loop {
            match stream.message().await {
                Ok(Some(message)) => late.push(message),
                Ok(None) => panic!("a stream without finished does not end well"),
                Err(status) => break status,
            }
        }
    })
    .await;
    assert_eq!(end.code(), Code::Aborted);
    assert_eq!(end.get_error_details().error_info().unwrap().reason, "READER_STALLED");
    assert!(late.len() < 20, "{} messages were held for it", late.len());
}

#[tokio::test]
async fn a_slow_reader_skips_frames_and_still_gets_the_end() {
    let fixture = Fixture::start().await;
    let channel = Endpoint::from_shared(fixture.url()).unwrap().initial_stream_window_size(65_535);
    let mut client = ExplainServiceClient::new(channel.connect().await.unwrap());
    let flood = spec("flood", json!({"frames": 200, "side": 100, "delay_ms": 1}));
    let mut stream = client.explain(explain(vec![flood])).await.unwrap().into_inner();
    accepted(&mut stream).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let events = rest(&mut stream).await;
    let frames = events.iter().filter(|event| matches!(event.event, Some(Event::Keyframe(_)))).count();
    assert!(frames < 100, "{frames} of 200 frames were sent to a reader that slept");
    assert!(finished(&events).complete);
}

#[tokio::test]
async fn a_client_that_freezes_is_noticed_by_its_silence() {
    let fixture = Fixture::with(Limits::default(), |config| {
        config.timing.keepalive_interval = Duration::from_millis(200);
        config.timing.keepalive_timeout = Duration::from_millis(200);
    })
    .await;
    let proxy = Proxy::to(fixture.address).await;
    let channel = Endpoint::from_shared(format!("http://{}", proxy.address)).unwrap().connect().await.unwrap();
    let mut stream = ExplainServiceClient::new(channel).explain(explain(vec![endless()])).await.unwrap().into_inner();
    let run = accepted(&mut stream).await.runs[0].clone();
    until(&mut stream, |event| matches!(event, Event::Keyframe(_))).await;
    proxy.freeze();
    fixture.wait_for(&run, RunState::Cancelled).await;
}

#[tokio::test]
async fn silence_is_filled_with_heartbeats() {
    let fixture = Fixture::with(Limits::default(), |config| config.timing.heartbeat = Duration::from_millis(50)).await;
    let mut stream = fixture.explainer().await.watch_runs(watch_group("nobody")).await.unwrap().into_inner();
    for _ in 0..3 {
        let event = next_watched(&mut stream).await.unwrap();
        assert!(matches!(event.event, Some(Event::Heartbeat(_))) && event.sequence == 0);
    }
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_closed() {
    let fixture = Fixture::with(Limits::default(), |config| config.timing.handshake = Duration::from_millis(100)).await;
    let mut silent = TcpStream::connect(fixture.address).await.unwrap();
    let mut heard = Vec::new();
    let _ = within("the end of the connection", silent.read_to_end(&mut heard)).await;
}

#[tokio::test]
async fn connections_beyond_the_limit_wait_until_one_ends() {
    let fixture = Fixture::with(Limits::default(), |config| config.max_connections = 1).await;
    let mut first = CatalogServiceClient::new(fixture.channel().await);
    first.get_server_info(v1::GetServerInfoRequest {}).await.unwrap();
    let mut second = TcpStream::connect(fixture.address).await.unwrap();
    let request = format!("GET / HTTP/1.1\r\nhost: {}\r\n\r\n", fixture.address);
    second.write_all(request.as_bytes()).await.unwrap();
    let early = tokio::time::timeout(Duration::from_millis(200), second.read_u8()).await;
    assert!(early.is_err(), "{early:?}");
    drop(first);
    assert_eq!(within("the answer", second.read_u8()).await.unwrap(), b'H');
}

#[tokio::test]
async fn a_request_from_a_foreign_site_or_for_a_foreign_host_is_refused() {
    let fixture = Fixture::start().await;
    let mut client = CatalogServiceClient::new(fixture.channel().await);
    let mut request = Request::new(v1::GetServerInfoRequest {});
    request.metadata_mut().insert("origin", "https://evil.example".parse().unwrap());
    let refused = client.get_server_info(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::PermissionDenied);
    assert_eq!(refused.get_error_details().error_info().unwrap().reason, "ORIGIN_REFUSED");
    let mut request = Request::new(v1::GetServerInfoRequest {});
    request.metadata_mut().insert("origin", format!("http://{}", fixture.address).parse().unwrap());
    client.get_server_info(request).await.unwrap();

    let rebound = Endpoint::from_shared(fixture.url()).unwrap().origin("http://evil.example".parse().unwrap());
    let mut client = CatalogServiceClient::new(rebound.connect().await.unwrap());
    let refused = client.get_server_info(v1::GetServerInfoRequest {}).await.unwrap_err();
    assert_eq!(refused.get_error_details().error_info().unwrap().reason, "HOST_REFUSED");
}

#[tokio::test]
async fn a_configured_host_and_origin_may_ask() {
    let fixture = Fixture::with(Limits::default(), |config| {
        config.allow_hosts = vec!["lens.example".to_owned()];
        config.allow_origins = vec!["https://desk.example".to_owned()];
    })
    .await;
    let named = Endpoint::from_shared(fixture.url()).unwrap().origin("http://lens.example".parse().unwrap());
    let mut client = CatalogServiceClient::new(named.connect().await.unwrap());
    let mut request = Request::new(v1::GetServerInfoRequest {});
    request.metadata_mut().insert("origin", "https://desk.example".parse().unwrap());
    client.get_server_info(request).await.unwrap();
}

#[tokio::test]
async fn a_request_that_is_too_large_is_refused_and_the_server_lives_on() {
    let fixture = Fixture::start().await;
    let mut client = fixture.explainer().await.max_encoding_message_size(100 << 20);
    let source = Some(v1::image_source::Source::Encoded(vec![0; 41 << 20].into()));
    let input = Some(v1::run_spec::Input::Image(v1::ImageSource { source }));
    let refused = client.explain(explain(vec![v1::RunSpec { input, ..endless() }])).await.unwrap_err();
    assert_ne!(refused.code(), Code::Ok);
    fixture.client().await.server_info().await.unwrap();
}

#[tokio::test]
async fn a_request_of_a_large_picture_is_let_through_to_the_picture_limit() {
    let fixture = Fixture::start().await;
    let source = Some(v1::image_source::Source::Encoded(vec![0; 33 << 20].into()));
    let refused = fixture.client().await.classify("tiny", v1::ImageSource { source }, 1).await.unwrap_err().to_string();
    assert!(refused.starts_with("image") && refused.contains("33554432"), "{refused}");
}

#[tokio::test]
async fn other_machines_are_let_in_only_on_purpose() {
    let models = tempfile::tempdir().unwrap();
    let engine = crate::support::engine(Limits::default(), &models);
    let mut config = ServeConfig { listen: "0.0.0.0:0".parse().unwrap(), ..ServeConfig::default() };
    let refused = Server::bind(&config, Arc::clone(&engine)).await.unwrap_err();
    assert!(matches!(refused, ServeError::Exposed(..)) && refused.to_string().contains("--insecure"));
    let folder = tempfile::tempdir().unwrap();
    config.tls_self_signed = Some(folder.path().to_owned());
    let refused = Server::bind(&config, Arc::clone(&engine)).await.unwrap_err();
    assert!(matches!(refused, ServeError::Exposed(..)) && refused.to_string().contains("--tokens"));
    config.tokens.add(Role::Viewer, &"a token of 16 or more".replace(' ', "-").parse().unwrap());
    assert_ne!(Server::bind(&config, Arc::clone(&engine)).await.unwrap().bound_addr().port(), 0);
    let mut config = ServeConfig { listen: config.listen, ..ServeConfig::default() };
    config.insecure = true;
    assert_ne!(Server::bind(&config, engine).await.unwrap().bound_addr().port(), 0);
}

#[tokio::test]
async fn a_port_that_is_taken_is_named() {
    let fixture = Fixture::start().await;
    let config = ServeConfig { listen: fixture.address, ..ServeConfig::default() };
    let refused = Server::bind(&config, Arc::clone(&fixture.engine)).await.unwrap_err();
    assert!(refused.to_string().contains(&fixture.address.to_string()), "{refused}");
}

#[tokio::test]
async fn tls_works_and_a_handshake_that_stops_halfway_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let own = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let tls = Tls { cert: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
    let cert = tls.cert.clone();
    std::fs::write(&cert, own.cert.pem()).unwrap();
    std::fs::write(&tls.key, own.signing_key.serialize_pem()).unwrap();
    let fixture = Fixture::with(Limits::default(), |config| {
        config.tls = Some(tls);
        config.timing.handshake = Duration::from_millis(300);
    })
    .await;
    let trusting = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(own.cert.pem()));
    let url = format!("https://localhost:{}", fixture.address.port());
    let channel = Endpoint::from_shared(url).unwrap().tls_config(trusting).unwrap().connect().await.unwrap();
    let mut stream = ExplainServiceClient::new(channel).explain(explain(vec![spec("sweep", json!({}))])).await;
    let stream = stream.as_mut().unwrap().get_mut();
    accepted(stream).await;
    assert!(finished(&rest(stream).await).complete);

    // As the command line does it, with the file.
    let mut client =
        Client::connect(&format!("https://localhost:{}", fixture.address.port()), Some(&cert), None).await.unwrap();
    assert!(!client.techniques(None).await.unwrap().is_empty());

    // The beginning of a ClientHello, and then nothing.
    let mut parked = TcpStream::connect(fixture.address).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut parked, &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01]).await.unwrap();
    let asked = Instant::now();
    let mut heard = Vec::new();
    let _ = within("the end of the handshake", parked.read_to_end(&mut heard)).await;
    assert!(asked.elapsed() < Duration::from_secs(10));
}
