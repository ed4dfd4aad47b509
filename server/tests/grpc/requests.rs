//! Bad requests: each is refused before anything is created, and each names the field at fault.

use serde_json::json;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use whyglass_proto::v1;

use crate::support::{Fixture, explain, spec, sweep};

/// The first field that a refusal blames.
fn field(status: &Status) -> String {
    let details = status.get_error_details();
    assert_eq!(details.error_info().expect("a reason").domain, "whyglass");
    assert!(!details.error_info().unwrap().reason.is_empty());
    details.bad_request().map(|bad| bad.field_violations[0].field.clone()).unwrap_or_default()
}

#[tokio::test]
async fn every_bad_spec_is_refused_by_field_and_creates_nothing() {
    let fixture = Fixture::start().await;
    let mut client = fixture.explainer().await;
    let with = |change: fn(&mut v1::RunSpec)| {
        let mut spec = sweep(0);
        change(&mut spec);
        spec
    };
    let encoded = |bytes: &'static [u8]| {
        let source = Some(v1::image_source::Source::Encoded(bytes::Bytes::from_static(bytes)));
        Some(v1::run_spec::Input::Image(v1::ImageSource { source }))
    };
    let label = |name: &str| Some(v1::Target { target: Some(v1::target::Target::ClassLabel(name.to_owned())) });
    let index = |index| Some(v1::Target { target: Some(v1::target::Target::ClassIndex(index)) });
    let table = [
        (spec("sweep", json!({"size": 3})), "specs[1].params.size"),
        (spec("sweep", json!({"side": 0})), "specs[1].params.side"),
        (spec("sweep", json!({"side": "big"})), "specs[1].params.side"),
        (spec("sweap", json!({})), "specs[1].technique"),
        (with(|spec| spec.model = "tinny".to_owned()), "specs[1].model"),
        (with(|spec| spec.input = None), "specs[1].image"),
        (v1::RunSpec { input: encoded(b""), ..sweep(0) }, "specs[1].image"),
        (v1::RunSpec { input: encoded(b"no picture"), ..sweep(0) }, "specs[1].image"),
        (v1::RunSpec { target: label("purple"), ..sweep(0) }, "specs[1].target"),
        (v1::RunSpec { target: index(3), ..sweep(0) }, "specs[1].target"),
        (with(|spec| spec.seed = Some(1 << 53)), "specs[1].seed"),
    ];
    for (bad, at) in table {
        let refused = client.explain(explain(vec![sweep(0), bad])).await.unwrap_err();
        assert!(field(&refused).starts_with(at), "{at}: {} {}", field(&refused), refused.message());
        let codes = [Code::InvalidArgument, Code::NotFound, Code::OutOfRange];
        assert!(codes.contains(&refused.code()), "{at}: {refused:?}");
        assert!(refused.message().contains(at), "{}", refused.message());
    }
    assert!(fixture.engine.runs(None).is_empty(), "nothing was created");
}

#[tokio::test]
async fn what_surrounds_the_specs_is_checked_too() {
    let fixture = Fixture::start().await;
    let mut client = fixture.explainer().await;
    let negative = Some(prost_types::Duration { seconds: -1, nanos: 0 });
    let table = [
        (explain(vec![]), "specs"),
        (v1::ExplainRequest { request_id: "again".to_owned(), ..explain(vec![sweep(0)]) }, "request_id"),
        (v1::ExplainRequest { linger: negative, ..explain(vec![sweep(0)]) }, "linger"),
        (
            v1::ExplainRequest {
                stream: Some(v1::StreamOptions { min_frame_interval: negative }),
                ..explain(vec![sweep(0)])
            },
            "stream.min_frame_interval",
        ),
        (
            v1::ExplainRequest {
                stream: Some(v1::StreamOptions { min_frame_interval: crate::support::seconds(i64::MAX) }),
                ..explain(vec![sweep(0)])
            },
            "stream.min_frame_interval",
        ),
    ];
    for (bad, at) in table {
        let refused = client.explain(bad).await.unwrap_err();
        assert_eq!((refused.code(), field(&refused).as_str()), (Code::InvalidArgument, at));
    }
    let nothing = client.watch_runs(v1::WatchRunsRequest::default()).await.unwrap_err();
    assert_eq!(field(&nothing), "watch");
    let nothing = v1::ControlRunRequest { run: "runs/ab".to_owned(), action: None };
    assert_eq!(field(&client.control_run(nothing).await.unwrap_err()), "action");
    let nameless = client.get_run(v1::GetRunRequest { run: "ab".to_owned() }).await.unwrap_err();
    assert_eq!(field(&nameless), "run");
}

#[tokio::test]
async fn an_unknown_run_is_not_found() {
    let fixture = Fixture::start().await;
    let mut client = fixture.explainer().await;
    let run = "runs/0123456789abcdef0123456789abcdef";
    let unknown = client.get_run(v1::GetRunRequest { run: run.to_owned() }).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
    let unknown = client.watch_runs(crate::support::watch(run, 0)).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
}

#[tokio::test]
async fn a_picture_as_numbers_is_explained_like_a_file() {
    let fixture = Fixture::start().await;
    let tensor = v1::Tensor { data_type: v1::DataType::U8.into(), shape: vec![3, 8, 8], data: vec![100; 192].into() };
    let source = Some(v1::image_source::Source::Pixels(tensor));
    let input = Some(v1::run_spec::Input::Image(v1::ImageSource { source }));
    let request = explain(vec![v1::RunSpec { input, ..sweep(0) }]);
    let mut stream = fixture.explainer().await.explain(request).await.unwrap().into_inner();
    crate::support::events::accepted(&mut stream).await;
    let events = crate::support::events::rest(&mut stream).await;
    assert!(crate::support::events::finished(&events).complete);
}
