//! The server as a browser sees it: HTTP/1.1, gRPC-Web, a page, and pages of others that must get nothing.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use whyglass_engine::Limits;
use whyglass_proto::v1;
use whyglass_proto::v1::RunState;

use crate::support::{Fixture, endless, within};

pub(crate) const WEB: &str = "application/grpc-web+proto";

/// An answer over HTTP/1.1: status line and headers in lower case, and the body, chunks and all.
pub(crate) struct Answer {
    head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn status(&self) -> &str {
        self.head.split(' ').nth(1).unwrap()
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

pub(crate) async fn ask(fixture: &Fixture, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Answer {
    let mut stream = TcpStream::connect(fixture.address).await.unwrap();
    stream.write_all(&request(fixture, line, headers, body)).await.unwrap();
    let mut bytes = Vec::new();
    within("an answer", stream.read_to_end(&mut bytes)).await.unwrap();
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    Answer {
        head: String::from_utf8(bytes[..end].to_vec()).unwrap().to_ascii_lowercase(),
        body: bytes[end + 4..].to_vec(),
    }
}

fn request(fixture: &Fixture, line: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut text = format!("{line} HTTP/1.1\r\nConnection: close\r\nContent-Length: {}\r\n", body.len());
    if !headers.iter().any(|(name, _)| *name == "Host") {
        text += &format!("Host: {}\r\n", fixture.address);
    }
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    [(text + "\r\n").as_bytes(), body].concat()
}

/// A message in gRPC's frame.
pub(crate) fn framed(message: &impl prost::Message) -> Vec<u8> {
    let bytes = message.encode_to_vec();
    [&[0], u32::try_from(bytes.len()).unwrap().to_be_bytes().as_slice(), &bytes].concat()
}

pub(crate) fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window.eq_ignore_ascii_case(text.as_bytes()))
}

pub(crate) const INFO: &str = "POST /whyglass.v1.CatalogService/GetServerInfo";

#[tokio::test]
async fn the_start_is_the_page_or_says_how_to_build_it_and_lets_no_foreign_script_run() {
    let fixture = Fixture::start().await;
    let start = ask(&fixture, "GET /", &[], &[]).await;
    match start.status() {
        "200" => assert!(contains(&start.body, "<!doctype html>")),
        "503" => assert!(contains(&start.body, "cargo xtask dashboard")),
        other => panic!("{other}"),
    }
    let policy = start.header("content-security-policy").unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("unsafe"), "{policy}");
    assert_eq!(start.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(start.header("cross-origin-resource-policy"), Some("same-origin"));
    assert_eq!(ask(&fixture, "GET /nothing", &[], &[]).await.status(), "404");
    assert_eq!(ask(&fixture, "POST /", &[], &[]).await.status(), "405");
}

#[tokio::test]
async fn samples_are_listed_and_served() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("cat.png"), "a cat").unwrap();
    let fixture = Fixture::with(Limits::default(), |config| config.samples = vec![folder.path().to_owned()]).await;
    let list = ask(&fixture, "GET /samples/", &[], &[]).await;
    assert_eq!((list.status(), list.body.as_slice()), ("200", &br#"["cat.png"]"#[..]));
    let cat = ask(&fixture, "GET /samples/cat.png", &[], &[]).await;
    assert_eq!((cat.header("content-type"), cat.body.as_slice()), (Some("image/png"), &b"a cat"[..]));
    assert_eq!(ask(&fixture, "GET /samples/dog.png", &[], &[]).await.status(), "404");
    assert!(ask(&fixture, "HEAD /samples/cat.png", &[], &[]).await.body.is_empty());
}

#[tokio::test]
async fn a_browser_calls_over_http_1_with_grpc_web() {
    let fixture = Fixture::start().await;
    let origin = format!("http://{}", fixture.address);
    let body = framed(&v1::GetServerInfoRequest {});
    let answer = ask(&fixture, INFO, &[("Content-Type", WEB), ("Origin", &origin)], &body).await;
    assert_eq!((answer.status(), answer.header("content-type")), ("200", Some(WEB)));
    assert!(contains(&answer.body, fixture.engine.instance_id()));
    assert!(contains(&answer.body, "grpc-status:0"));
}

#[tokio::test]
async fn a_page_of_another_origin_can_neither_read_nor_start_anything() {
    let fixture = Fixture::start().await;
    let foreign = [("Content-Type", WEB), ("Origin", "https://evil.example")];
    let info = ask(&fixture, INFO, &foreign, &framed(&v1::GetServerInfoRequest {})).await;
    assert!(!contains(&info.body, fixture.engine.instance_id()));
    assert!(contains(&info.body, "grpc-status:7") || info.header("grpc-status") == Some("7"), "{}", info.head);

    let create = framed(&v1::CreateRunsRequest { specs: vec![endless()], ..Default::default() });
    let started = ask(&fixture, "POST /whyglass.v1.ExplainService/CreateRuns", &foreign, &create).await;
    assert!(fixture.engine.runs(None).is_empty());
    let asked = [("Origin", "https://evil.example"), ("Access-Control-Request-Method", "POST")];
    let preflight = ask(&fixture, "OPTIONS /whyglass.v1.ExplainService/CreateRuns", &asked, &[]).await;
    assert_eq!(preflight.status(), "403");
    let page = ask(&fixture, "GET /", &[("Origin", "https://evil.example")], &[]).await;
    assert_eq!(page.status(), "403");
    for answer in [info, started, preflight, page] {
        assert!(!answer.head.contains("access-control"), "{}", answer.head);
    }
}

#[tokio::test]
async fn a_name_that_was_rebound_to_this_machine_gets_no_page_and_no_call() {
    let fixture = Fixture::start().await;
    for path in ["GET /", "GET /samples/"] {
        assert_eq!(ask(&fixture, path, &[("Host", "evil.example")], &[]).await.status(), "403");
    }
    let headers = [("Host", "evil.example"), ("Content-Type", WEB)];
    let call = ask(&fixture, INFO, &headers, &framed(&v1::GetServerInfoRequest {})).await;
    assert!(!contains(&call.body, fixture.engine.instance_id()));
}

#[tokio::test]
async fn a_page_that_goes_away_takes_its_run_with_it() {
    let fixture = Fixture::start().await;
    let body = framed(&v1::ExplainRequest { specs: vec![endless()], ..Default::default() });
    let mut stream = TcpStream::connect(fixture.address).await.unwrap();
    let line = "POST /whyglass.v1.ExplainService/Explain";
    stream.write_all(&request(&fixture, line, &[("Content-Type", WEB)], &body)).await.unwrap();
    let mut heard = [0; 4096];
    assert!(within("the first events", stream.read(&mut heard)).await.unwrap() > 0);
    let run = format!("runs/{}", fixture.engine.runs(None)[0].name);
    drop(stream);
    fixture.wait_for(&run, RunState::Cancelled).await;
}

#[tokio::test]
async fn half_a_request_line_does_not_keep_a_server_from_ending() {
    let mut fixture = Fixture::start().await;
    let mut half = TcpStream::connect(fixture.address).await.unwrap();
    half.write_all(b"GET / HT").await.unwrap();
    let mut idle = TcpStream::connect(fixture.address).await.unwrap();
    let asked = format!("GET / HTTP/1.1\r\nHost: {}\r\n\r\n", fixture.address);
    idle.write_all(asked.as_bytes()).await.unwrap();
    assert!(idle.read_u8().await.is_ok());
    fixture.tell_to_stop();
    fixture.ended().await;
}
