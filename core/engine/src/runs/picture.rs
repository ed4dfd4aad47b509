//! A picture as a request brings it, as the model's input.

use std::sync::Arc;

use whyglass_imaging as imaging;

use super::event::Placement;
use super::spec::ImageSource;
use crate::config::Limits;
use crate::error::{Error, Result};
use crate::models::LoadedModel;

/// 3×H×W at the model's input size, and where that lies in the picture.
///
/// # Errors
/// INVALID_IMAGE, IMAGE_TOO_LARGE, INVALID_PIXELS; the field is `image`.
pub(crate) fn pixels(
    image: &ImageSource,
    model: &LoadedModel,
    limits: &Limits,
) -> Result<(Arc<Vec<f32>>, Option<Placement>)> {
    match image {
        ImageSource::Encoded(bytes) => {
            let (pixels, placement) = imaging::fit(&decode(bytes, limits)?, model.fit());
            Ok((Arc::new(pixels.data), Some(placement)))
        }
        ImageSource::Pixels { shape, data } => {
            let [height, width] = model.input();
            if shape[..] != [3, height, width] && shape[..] != [1, 3, height, width] {
                let message =
                    format!("pixels of shape {shape:?}, the model '{}' wants [3, {height}, {width}]", model.name());
                return Err(Error::invalid("image", "INVALID_PIXELS", message));
            }
            if data.len() != 3 * height * width {
                let message = format!("{} numbers for the shape {shape:?}", data.len());
                return Err(Error::invalid("image", "INVALID_PIXELS", message));
            }
            if let Some(index) = data.iter().position(|value| !value.is_finite()) {
                let message = format!("number {index} is {}: RGB in 0…1 is wanted", data[index]);
                return Err(Error::invalid("image", "INVALID_PIXELS", message));
            }
            Ok((Arc::clone(data), None))
        }
        ImageSource::DatasetItem { .. } | ImageSource::Dataset(_) => Err(not_one()),
    }
}

/// Items are fetched before anybody asks for their pixels, so this is a dataset where a picture is wanted.
fn not_one() -> Error {
    Error::invalid("image", "NOT_ONE_PICTURE", "one picture is wanted, not a dataset")
}

pub(crate) fn decode(bytes: &[u8], limits: &Limits) -> Result<imaging::Picture> {
    let encoded_bytes = usize::try_from(limits.image_bytes).unwrap_or(usize::MAX);
    imaging::decode(bytes, &imaging::Limits { encoded_bytes, pixels: limits.image_pixels }).map_err(|error| {
        let reason = match error {
            imaging::Error::TooManyBytes { .. }
            | imaging::Error::TooManyPixels { .. }
            | imaging::Error::TooMuchMemory { .. } => "IMAGE_TOO_LARGE",
            _ => "INVALID_IMAGE",
        };
        Error::invalid("image", reason, error.to_string())
    })
}

/// The picture itself, for drawing over it.
pub(super) fn original(image: &ImageSource, model: &LoadedModel, limits: &Limits) -> Result<imaging::Picture> {
    match image {
        ImageSource::Encoded(bytes) => decode(bytes, limits),
        ImageSource::Pixels { data, .. } => {
            let [height, width] = model.input();
            let pixels = imaging::Pixels::new(height, width, data.to_vec());
            Ok(pixels.map_err(|error| Error::internal("INVALID_PIXELS", error.to_string()))?.to_picture())
        }
        ImageSource::DatasetItem { .. } | ImageSource::Dataset(_) => Err(not_one()),
    }
}
