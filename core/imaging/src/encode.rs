//! Pictures to files in memory: PNG for results, JPEG for frames on their way.

use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};

use crate::error::{Error, Result};
use crate::picture::Picture;

/// A lossless PNG, eight-bit RGB. The same picture always gives the same bytes.
///
/// # Errors
/// If the encoder fails, which writing to memory gives no cause for.
pub fn encode_png(picture: &Picture) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::Adaptive)
        .write_image(picture.rgb(), picture.width(), picture.height(), ExtendedColorType::Rgb8)
        .map_err(|error| Error::Encode { format: "PNG", message: error.to_string() })?;
    Ok(bytes)
}

/// A JPEG of `quality` 1…100.
///
/// # Errors
/// If the encoder fails, which writing to memory gives no cause for.
pub fn encode_jpeg(picture: &Picture, quality: u8) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, quality.clamp(1, 100))
        .write_image(picture.rgb(), picture.width(), picture.height(), ExtendedColorType::Rgb8)
        .map_err(|error| Error::Encode { format: "JPEG", message: error.to_string() })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Limits, decode};

    fn checkers() -> Picture {
        let rgb =
            (0..64_u32).flat_map(|i| if (i / 8 + i % 8) % 2 == 0 { [250, 10, 90] } else { [0, 200, 255] }).collect();
        Picture::new(8, 8, rgb).unwrap()
    }

    #[test]
    fn a_png_comes_back_exactly() {
        let picture = checkers();
        assert_eq!(decode(&encode_png(&picture).unwrap(), &Limits::default()).unwrap(), picture);
    }

    #[test]
    fn a_jpeg_of_a_flat_picture_comes_back_closely() {
        let picture = Picture::new(16, 16, [90, 140, 30].repeat(256)).unwrap();
        let back = decode(&encode_jpeg(&picture, 85).unwrap(), &Limits::default()).unwrap();
        assert!(back.rgb().iter().zip(picture.rgb()).all(|(a, b)| a.abs_diff(*b) <= 4));
    }
}
