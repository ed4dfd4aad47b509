//! From the bytes of a file to an upright RGB picture, within limits that hold before anything is allocated.
//!
//! Whatever a file can hold comes out the same way: palettes, grey, CMYK and 16 bits become eight-bit RGB, alpha is
//! laid over white, the EXIF orientation is applied, an animation gives its first frame.

use std::io::Cursor;

use image::{ColorType, DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader};

use crate::error::{Error, Result};
use crate::picture::{MAX_SIDE, Picture};

/// The names of the formats that [`decode`] reads.
pub const FORMATS: [&str; 5] = ["PNG", "JPEG", "WebP", "BMP", "GIF"];

/// How large a picture may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of the encoded file.
    pub encoded_bytes: usize,
    /// Width times height.
    pub pixels: u64,
}

impl Default for Limits {
    /// 32 MiB encoded, 40 megapixels.
    fn default() -> Self {
        Self { encoded_bytes: 32 << 20, pixels: 40_000_000 }
    }
}

impl Limits {
    /// The most that a decoder may allocate: the widest pixel (RGBA, 16 bits), and as much again to work in.
    fn memory(&self) -> u64 {
        self.pixels.saturating_mul(16).saturating_add(1 << 20)
    }

    fn strict(&self) -> image::Limits {
        let mut limits = image::Limits::no_limits();
        limits.max_image_width = Some(MAX_SIDE as u32);
        limits.max_image_height = Some(MAX_SIDE as u32);
        limits.max_alloc = Some(self.memory());
        limits
    }
}

/// Decodes a PNG, JPEG, WebP, BMP or GIF file; the format is told from the data, not from a name.
///
/// # Errors
/// Data that are empty, too long, no picture, of another format, damaged, or that decode to too many pixels.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Picture> {
    if bytes.is_empty() {
        return Err(Error::Empty);
    }
    if bytes.len() > limits.encoded_bytes {
        return Err(Error::TooManyBytes { bytes: bytes.len(), limit: limits.encoded_bytes });
    }
    let format = guess(bytes)?;
    let name = name(format);
    if format == ImageFormat::Jpeg && !has_end(bytes) {
        return Err(Error::Damaged { format: name.to_owned(), message: "its end is missing".to_owned() });
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits.strict());
    let mut decoder = reader.into_decoder().map_err(|error| convert(error, name, limits))?;
    let (width, height) = decoder.dimensions();
    let pixels = u64::from(width) * u64::from(height);
    if pixels > limits.pixels {
        return Err(Error::TooManyPixels { width, height, limit: limits.pixels });
    }
    // The reader drops its limits for most formats, so the decoder is told again; `total_bytes` is what is allocated next.
    decoder.set_limits(limits.strict()).map_err(|error| convert(error, name, limits))?;
    if decoder.total_bytes() > limits.memory() {
        return Err(Error::TooMuchMemory { limit: limits.memory() });
    }
    // A broken EXIF block is no reason to refuse the picture.
    let orientation = decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
    let mut decoded = DynamicImage::from_decoder(decoder).map_err(|error| convert(error, name, limits))?;
    decoded.apply_orientation(orientation);
    let (width, height) = (decoded.width(), decoded.height());
    Picture::new(width, height, to_rgb8(decoded))
}

fn guess(bytes: &[u8]) -> Result<ImageFormat> {
    // HEIC, AVIF and their kin are ISO media files; `image` knows only AVIF's brand.
    if bytes.get(4..8) == Some(b"ftyp") {
        let avif = bytes.get(8..12).is_some_and(|brand| brand.starts_with(b"avi"));
        return Err(Error::UnsupportedFormat { format: if avif { "AVIF" } else { "HEIC" }.to_owned() });
    }
    match image::guess_format(bytes) {
        Ok(
            format @ (ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP | ImageFormat::Bmp | ImageFormat::Gif),
        ) => Ok(format),
        Ok(other) => Err(Error::UnsupportedFormat { format: format!("{other:?}").to_uppercase() }),
        Err(_) => Err(Error::NotAPicture),
    }
}

/// Whether a JPEG's scan is followed by the marker that ends it: the decoder would fill what is missing with grey, and an
/// explanation of that grey would look like one of the picture.
fn has_end(bytes: &[u8]) -> bool {
    const START: u8 = 0xd8;
    const SCAN: u8 = 0xda;
    const END: u8 = 0xd9;
    let mut at = 0;
    // Segments say how long they are, so that a thumbnail inside one is not taken for the picture.
    while let Some(&[0xff, marker]) = bytes.get(at..at + 2) {
        let Some(&[high, low]) = bytes.get(at + 2..at + 4) else { return false };
        match marker {
            START | 0xff => at += if marker == START { 2 } else { 1 },
            SCAN => return bytes[at..].windows(2).any(|pair| pair == [0xff, END]),
            _ => at += 2 + usize::from(u16::from_be_bytes([high, low])),
        }
    }
    // Not laid out as expected: that is for the decoder to judge.
    at < bytes.len()
}

fn name(format: ImageFormat) -> &'static str {
    match format {
        ImageFormat::Png => "PNG",
        ImageFormat::Jpeg => "JPEG",
        ImageFormat::WebP => "WebP",
        ImageFormat::Bmp => "BMP",
        _ => "GIF",
    }
}

fn convert(error: ImageError, format: &'static str, limits: &Limits) -> Error {
    let format = format.to_owned();
    match error {
        ImageError::Limits(limit) => match limit.kind() {
            image::error::LimitErrorKind::DimensionError => Error::BadSize {
                what: "a picture of the size that this file announces",
                width: 0,
                height: 0,
                max: MAX_SIDE,
            },
            _ => Error::TooMuchMemory { limit: limits.memory() },
        },
        ImageError::Unsupported(error) => Error::UnsupportedFeature { format, message: error.to_string() },
        other => Error::Damaged { format, message: other.to_string() },
    }
}

fn to_rgb8(decoded: DynamicImage) -> Vec<u8> {
    match decoded.color() {
        ColorType::Rgb8 | ColorType::L8 => decoded.into_rgb8().into_raw(),
        ColorType::Rgba8 | ColorType::La8 => over_white(decoded.into_rgba8().as_raw(), 255, u32::from),
        // Sixteen bits, with or without alpha: composed first, rounded once.
        _ => over_white(decoded.into_rgba16().as_raw(), 65_535, u32::from),
    }
}

/// RGBA with channels from 0 to `full`, laid over white and rounded to eight bits.
fn over_white<T: Copy>(rgba: &[T], full: u64, widen: impl Fn(T) -> u32) -> Vec<u8> {
    let mut rgb = Vec::with_capacity(rgba.len() / 4 * 3);
    for pixel in rgba.chunks_exact(4) {
        let alpha = u64::from(widen(pixel[3]));
        for &channel in &pixel[..3] {
            let composed = u64::from(widen(channel)) * alpha + full * (full - alpha);
            let eight_bits = (composed * 255 + full * full / 2) / (full * full);
            rgb.push(u8::try_from(eight_bits).expect("a weighted mean of values up to the full one is no larger"));
        }
    }
    rgb
}
