//! ReadArtifact: raw, rendered, in pieces, from an offset; and what travels as a reference.

use serde_json::json;
use tonic::Code;
use whyglass_imaging::{Limits, decode, read_npy};
use whyglass_proto::v1;
use whyglass_proto::v1::run_event::Event;
use whyglass_server::client::ClientError;

use crate::support::events::{accepted, rest, swept};
use crate::support::{Fixture, explain, spec, sweep};

/// A finished run and its events.
async fn run(fixture: &Fixture, spec: v1::RunSpec) -> (String, Vec<v1::RunEvent>) {
    let mut stream = fixture.explainer().await.explain(explain(vec![spec])).await.unwrap().into_inner();
    let run = accepted(&mut stream).await.runs[0].clone();
    (run, rest(&mut stream).await)
}

#[tokio::test]
async fn the_raw_artifact_is_the_map_bit_for_bit() {
    let fixture = Fixture::start().await;
    let (run, events) = run(&fixture, sweep(0)).await;
    let file = fixture.client().await.read_artifact(&format!("{run}/artifacts/out"), None).await.unwrap();
    let (shape, values) = read_npy(&file).unwrap();
    assert_eq!(shape, [4, 4]);
    assert_eq!(values.iter().map(|value| value.to_bits()).collect::<Vec<_>>(), swept(4));
    let Some(Event::Finished(end)) = &events.last().unwrap().event else { panic!("finished is last") };
    assert_eq!(end.artifacts[0].size_bytes, file.len() as u64);
}

#[tokio::test]
async fn what_is_too_large_for_an_event_is_referred_to_and_read_in_pieces() {
    let fixture = Fixture::start().await;
    let (run, events) = run(&fixture, spec("flood", json!({"frames": 1, "side": 320}))).await;
    let name = format!("{run}/artifacts/out");
    let reference = v1::keyframe::Content::Reference(name.clone());
    let refers = |event: &v1::RunEvent| matches!(&event.event, Some(Event::Keyframe(f)) if f.content.as_ref() == Some(&reference));
    assert!(events.iter().any(refers), "1.2 MB are no event");
    let mut client = fixture.explainer().await;
    let mut read = async |offset| {
        let request = v1::ReadArtifactRequest { name: name.clone(), offset, render: None };
        let mut stream = client.read_artifact(request).await.unwrap().into_inner();
        let mut file = Vec::new();
        while let Some(piece) = stream.message().await.unwrap() {
            assert!(piece.data.len() <= 64 << 10);
            file.extend_from_slice(&piece.data);
        }
        file
    };
    let whole = read(0).await;
    assert_eq!(read_npy(&whole).unwrap().0, [960, 320]);
    assert_eq!(read(100_000).await, whole[100_000..]);
    assert!(read(whole.len() as u64).await.is_empty());
}

#[tokio::test]
async fn a_rendered_artifact_is_a_picture_of_the_asked_for_kind() {
    let fixture = Fixture::start().await;
    let (run, _) = run(&fixture, sweep(0)).await;
    let mut client = fixture.client().await;
    for (format, magic) in [(v1::ImageFormat::Png, &b"\x89PNG"[..]), (v1::ImageFormat::Jpeg, &[0xff, 0xd8][..])] {
        let render = v1::Render { format: format.into(), colormap: "viridis".to_owned(), alpha: Some(1.0) };
        let file = client.read_artifact(&format!("{run}/artifacts/out"), Some(render)).await.unwrap();
        assert!(file.starts_with(magic));
        let figure = decode(&file, &Limits::default()).unwrap();
        assert!(figure.width() > figure.height() / 4 && figure.height() >= 12);
    }
}

#[tokio::test]
async fn what_is_not_there_is_not_found_and_nonsense_is_named() {
    let fixture = Fixture::start().await;
    let (run, _) = run(&fixture, sweep(0)).await;
    let mut client = fixture.client().await;
    let mut code = async |name: String, render| match client.read_artifact(&name, render).await {
        Err(ClientError::Status(status)) => (status.code(), status.message().to_owned()),
        other => panic!("{name}: {other:?}"),
    };
    assert_eq!(code(format!("{run}/artifacts/other"), None).await.0, Code::NotFound);
    assert_eq!(code("runs/00/artifacts/out".to_owned(), None).await.0, Code::NotFound);
    assert_eq!(code(run.clone(), None).await.0, Code::InvalidArgument);
    let mauve = v1::Render { colormap: "mauve".to_owned(), ..Default::default() };
    let (refused, message) = code(format!("{run}/artifacts/out"), Some(mauve)).await;
    assert!(refused == Code::InvalidArgument && message.starts_with("render.colormap"), "{message}");
    let request =
        v1::ReadArtifactRequest { name: format!("{run}/artifacts/out"), offset: 1 << 40, ..Default::default() };
    let refused = fixture.explainer().await.read_artifact(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange);
}
