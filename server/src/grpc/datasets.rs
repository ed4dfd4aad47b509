//! `DatasetService`: the datasets of the configured folders, their pictures, and small versions of these. Names come from
//! requests, paths never do.

use tonic::{Request, Response, Status};
use whyglass_imaging as imaging;
use whyglass_proto::v1;
use whyglass_proto::v1::dataset_service_server::DatasetService;
use whyglass_proto::v1::{
    GetThumbnailRequest, GetThumbnailResponse, ListDatasetsRequest, ListDatasetsResponse, ListItemsRequest,
    ListItemsResponse,
};

use super::names::{dataset_name, item_name, parse_dataset, parse_item};
use super::page::page;
use super::state::State;
use super::status::{invalid, status};

/// The longer side of a thumbnail where nothing is said, and at most.
const SIDE: u32 = 128;
const LONGEST: u32 = 1024;
const JPEG_QUALITY: u8 = 85;

#[derive(Clone, Debug)]
pub(super) struct Datasets(pub(super) State);

#[tonic::async_trait]
impl DatasetService for Datasets {
    async fn list_datasets(
        &self,
        request: Request<ListDatasetsRequest>,
    ) -> Result<Response<ListDatasetsResponse>, Status> {
        let request = request.into_inner();
        let engine = self.0.engine.clone();
        let all = self.0.blocking.run(move || Ok(engine.datasets())).await?;
        let (some, next_page_token) = page(all, |set| &set.name, "datasets", request.page_size, &request.page_token)?;
        let dataset = |set: whyglass_engine::DatasetInfo| v1::Dataset {
            name: dataset_name(&set.name),
            title: set.title,
            items: set.items as u64,
            classes: set.classes,
            problem: set.problem,
        };
        Ok(Response::new(ListDatasetsResponse { datasets: some.into_iter().map(dataset).collect(), next_page_token }))
    }

    async fn list_items(&self, request: Request<ListItemsRequest>) -> Result<Response<ListItemsResponse>, Status> {
        let request = request.into_inner();
        let name = parse_dataset(&request.dataset, "dataset")?.to_owned();
        let engine = self.0.engine.clone();
        let set = self.0.blocking.engine(move || engine.dataset(&name).map_err(|error| error.at("dataset"))).await?;
        let list = format!("items of {}", set.name);
        let all: Vec<_> = set.items.iter().collect();
        let (items, next_page_token) = page(all, |item| &item.id, &list, request.page_size, &request.page_token)?;
        let class = |class: Option<usize>| class.and_then(|class| set.classes.get(class)).cloned().unwrap_or_default();
        let item =
            |item: &whyglass_engine::Item| v1::Item { name: item_name(&set.name, &item.id), class: class(item.class) };
        Ok(Response::new(ListItemsResponse { items: items.into_iter().map(item).collect(), next_page_token }))
    }

    async fn get_thumbnail(
        &self,
        request: Request<GetThumbnailRequest>,
    ) -> Result<Response<GetThumbnailResponse>, Status> {
        let request = request.into_inner();
        let (dataset, item) = parse_item(&request.item, "item")?;
        let (dataset, item) = (dataset.to_owned(), item.to_owned());
        let side = if request.size == 0 { SIDE } else { request.size };
        if side > LONGEST {
            return Err(invalid("size", "OUT_OF_RANGE", format!("{side} pixels; at most {LONGEST} are possible")));
        }
        let engine = self.0.engine.clone();
        let picture =
            self.0.blocking.engine(move || engine.dataset_picture(&dataset, &item).map_err(|error| error.at("item")));
        Ok(Response::new(GetThumbnailResponse { image: Some(thumbnail(&picture.await?, side)?) }))
    }
}

/// At most `side` pixels high and wide; a smaller picture keeps its size.
fn thumbnail(picture: &imaging::Picture, side: u32) -> Result<v1::EncodedImage, Status> {
    let (width, height) = (picture.width(), picture.height());
    let scale = f64::from(side) / f64::from(width.max(height));
    let shrunk = if scale < 1.0 {
        let scaled = |length: u32| ((f64::from(length) * scale).round() as u32).max(1);
        imaging::resize(picture, scaled(width), scaled(height), imaging::Filter::Lanczos3)
    } else {
        picture.clone()
    };
    let data = imaging::encode_jpeg(&shrunk, JPEG_QUALITY)
        .map_err(|error| status(tonic::Code::Internal, "NOT_ENCODED", error.to_string()))?;
    Ok(v1::EncodedImage {
        format: v1::ImageFormat::Jpeg.into(),
        data: data.into(),
        width: shrunk.width(),
        height: shrunk.height(),
    })
}
