//! `DatasetService`, and runs over the server's datasets: by name, never by path.

use tonic::{Code, Status};
use tonic_types::StatusExt as _;
use whyglass_imaging::{Limits, decode};
use whyglass_proto::v1;
use whyglass_proto::v1::dataset_service_client::DatasetServiceClient;

use crate::support::events::{accepted, finished, rest};
use crate::support::{Fixture, explain, picture, spec, sweep};

/// Two greens and a red; one of the greens is no picture.
async fn fixture() -> Fixture {
    let fixture = Fixture::start().await;
    let good = whyglass_imaging::encode_png(&picture()).unwrap();
    for (file, bytes) in
        [("colours/green/a.png", &good[..]), ("colours/green/b.png", b"text"), ("colours/red/c.png", &good)]
    {
        let path = fixture.folder.path().join("datasets").join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, bytes).unwrap();
    }
    std::fs::create_dir_all(fixture.folder.path().join("datasets/hollow/green")).unwrap();
    fixture
}

fn field(status: &Status) -> String {
    status.get_error_details().bad_request().expect("fields").field_violations[0].field.clone()
}

fn over(dataset: &str) -> v1::RunSpec {
    let input = Some(v1::run_spec::Input::Dataset(dataset.to_owned()));
    v1::RunSpec { input, ..spec("roll", serde_json::json!({})) }
}

#[tokio::test]
async fn datasets_and_their_pictures_are_listed_and_a_broken_one_says_why() {
    let fixture = fixture().await;
    let mut client = DatasetServiceClient::new(fixture.channel().await);
    let listed = client.list_datasets(v1::ListDatasetsRequest::default()).await.unwrap().into_inner().datasets;
    assert_eq!(listed.iter().map(|set| set.name.as_str()).collect::<Vec<_>>(), ["datasets/colours", "datasets/hollow"]);
    assert_eq!((listed[0].items, listed[0].classes.clone()), (3, vec!["green".to_owned(), "red".to_owned()]));
    assert!(listed[0].problem.is_empty() && listed[1].problem.contains("'green' has no pictures"));

    let (mut names, mut token) = (Vec::new(), String::new());
    loop {
        let request = v1::ListItemsRequest { dataset: "datasets/colours".to_owned(), page_size: 2, page_token: token };
        let page = client.list_items(request).await.unwrap().into_inner();
        names.extend(page.items.into_iter().map(|item| (item.name, item.class)));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(names[2], ("datasets/colours/items/red/c.png".to_owned(), "red".to_owned()));
    assert_eq!(names.len(), 3);
}

#[tokio::test]
async fn a_thumbnail_is_small_and_keeps_its_proportions() {
    let fixture = fixture().await;
    let mut client = DatasetServiceClient::new(fixture.channel().await);
    let mut ask = async |item: &str, size| {
        let request = v1::GetThumbnailRequest { item: item.to_owned(), size };
        client.get_thumbnail(request).await.map(|answer| answer.into_inner().image.unwrap())
    };
    let small = ask("datasets/colours/items/red/c.png", 8).await.unwrap();
    assert_eq!((small.width, small.height, small.format()), (8, 6, v1::ImageFormat::Jpeg));
    assert_eq!(decode(&small.data, &Limits::default()).unwrap().width(), 8);
    assert_eq!(ask("datasets/colours/items/red/c.png", 0).await.unwrap().width, 16, "never enlarged");
    let refused = ask("datasets/colours/items/green/b.png", 0).await.unwrap_err();
    assert!(field(&refused) == "item" && refused.message().contains("not a picture"), "{}", refused.message());
    assert_eq!(ask("datasets/colours/items/red/z.png", 0).await.unwrap_err().code(), Code::NotFound);
    assert_eq!(field(&ask("datasets/colours/items/red/c.png", 5000).await.unwrap_err()), "size");
}

#[tokio::test]
async fn a_run_over_a_dataset_fills_in_and_names_what_cannot_be_read() {
    let fixture = fixture().await;
    let mut stream =
        fixture.explainer().await.explain(explain(vec![over("datasets/colours")])).await.unwrap().into_inner();
    let runs = accepted(&mut stream).await.runs;
    let events = rest(&mut stream).await;
    let end = finished(&events);
    assert!(end.complete && end.manifest.contains(r#""unreadable":1"#), "{}", end.manifest);
    let started = events.iter().find_map(|event| match &event.event {
        Some(v1::run_event::Event::Started(started)) => Some(started),
        _ => None,
    });
    let started = started.unwrap();
    assert!(started.scores.is_empty() && started.placement.is_none());
    let input = started.resolved.clone().unwrap().input;
    assert_eq!(input, Some(v1::run_spec::Input::Dataset("datasets/colours".to_owned())));
    let mut client = fixture.client().await;
    let name = format!("{}/artifacts/out", runs[0]);
    let npy = client.read_artifact(&name, None).await.unwrap();
    let (_, counts) = whyglass_imaging::read_npy(&npy).unwrap();
    assert_eq!((counts[0], counts[4]), (1.0, 1.0), "one red, one green that is a picture");
    let png = client.read_artifact(&name, Some(v1::Render::default())).await.unwrap();
    assert!(decode(&png, &Limits::default()).unwrap().width() > 200, "a matrix is drawn");
}

#[tokio::test]
async fn a_picture_of_a_dataset_is_explained_and_classified_by_its_name() {
    let fixture = fixture().await;
    let item = |name: &str| {
        let source = v1::image_source::Source::DatasetItem(name.to_owned());
        v1::ImageSource { source: Some(source) }
    };
    let image = |name: &str| v1::RunSpec { input: Some(v1::run_spec::Input::Image(item(name))), ..sweep(0) };
    let request = explain(vec![image("datasets/colours/items/red/c.png")]);
    let mut stream = fixture.explainer().await.explain(request).await.unwrap().into_inner();
    accepted(&mut stream).await;
    assert!(finished(&rest(&mut stream).await).complete);
    let scores = fixture.client().await.classify("tiny", item("datasets/colours/items/red/c.png"), 2).await.unwrap();
    assert_eq!(scores.len(), 2);
    let request = explain(vec![image("datasets/colours/items/green/b.png")]);
    let refused = fixture.explainer().await.explain(request).await.unwrap_err();
    assert!(
        field(&refused) == "specs[0].image" && refused.message().contains("not a picture"),
        "{}",
        refused.message()
    );
}

#[tokio::test]
async fn what_is_no_dataset_is_refused_by_its_field_and_a_path_never_is_one() {
    let fixture = fixture().await;
    let path = fixture.folder.path().join("datasets/colours").display().to_string();
    let table = [
        (over("datasets/colour"), Code::NotFound, "specs[0].dataset"),
        (over(&path), Code::InvalidArgument, "specs[0].dataset"),
        (over(&format!("datasets/{path}")), Code::InvalidArgument, "specs[0].dataset"),
        (over("datasets/.."), Code::NotFound, "specs[0].dataset"),
        (over("datasets/hollow"), Code::FailedPrecondition, "specs[0].dataset"),
        (v1::RunSpec { input: sweep(0).input, ..over("") }, Code::FailedPrecondition, "specs[0].technique"),
        (
            v1::RunSpec { technique: "sweep".to_owned(), ..over("datasets/colours") },
            Code::FailedPrecondition,
            "specs[0].technique",
        ),
    ];
    for (bad, code, at) in table {
        let refused = fixture.explainer().await.explain(explain(vec![bad])).await.unwrap_err();
        assert_eq!((refused.code(), field(&refused).as_str()), (code, at), "{}", refused.message());
    }
    assert!(fixture.engine.runs(None).is_empty(), "nothing was created");
}
