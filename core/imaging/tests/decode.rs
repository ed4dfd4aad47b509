//! Pictures of every kind that a file can hold, most of them made here: what comes out, and what is refused.

#![allow(clippy::unwrap_used, reason = "the helpers of a test fail with it")]

use image::codecs::gif::GifEncoder;
use image::{DynamicImage, Frame, ImageBuffer, ImageFormat, Luma, LumaA, Rgb, Rgba};
use whyglass_imaging::{Error, Limits, Picture, decode, encode_jpeg, encode_png};

fn encoded(image: DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn decoded(bytes: &[u8]) -> Picture {
    decode(bytes, &Limits::default()).unwrap()
}

fn refusal(bytes: &[u8], limits: &Limits) -> Error {
    decode(bytes, limits).unwrap_err()
}

#[test]
fn lossless_formats_come_back_exactly() {
    let rgb = ImageBuffer::from_fn(5, 3, |x, y| Rgb([x as u8 * 50, y as u8 * 80, 7]));
    for format in [ImageFormat::Png, ImageFormat::Bmp, ImageFormat::WebP] {
        let picture = decoded(&encoded(DynamicImage::ImageRgb8(rgb.clone()), format));
        assert_eq!((picture.width(), picture.height()), (5, 3), "{format:?}");
        assert_eq!(picture.rgb(), rgb.as_raw().as_slice(), "{format:?}");
    }
}

#[test]
fn an_animation_gives_its_first_frame() {
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    for colour in [[255, 0, 0, 255], [0, 0, 255, 255]] {
        encoder.encode_frame(Frame::new(ImageBuffer::from_pixel(4, 4, Rgba(colour)))).unwrap();
    }
    drop(encoder);
    assert_eq!(decoded(&bytes).pixel(2, 2), [255, 0, 0]);
}

#[test]
fn grey_becomes_three_equal_channels() {
    let grey = DynamicImage::ImageLuma8(ImageBuffer::from_pixel(2, 2, Luma([77])));
    assert_eq!(decoded(&encoded(grey, ImageFormat::Png)).rgb(), [77; 12]);
}

#[test]
fn a_palette_is_looked_up() {
    let picture = decoded(include_bytes!("data/palette.png"));
    assert_eq!(picture.rgb(), [10, 20, 30, 200, 100, 0]);
}

#[test]
fn sixteen_bits_are_rounded_to_eight() {
    let deep = ImageBuffer::from_fn(3, 1, |x, _| {
        Rgb([[0_u16, 128, 129], [32_768, 65_535, 257], [300, 65_406, 65_407]][x as usize])
    });
    let picture = decoded(&encoded(DynamicImage::ImageRgb16(deep), ImageFormat::Png));
    assert_eq!(picture.rgb(), [0, 0, 1, 128, 255, 1, 1, 254, 255]);
}

#[test]
fn alpha_is_laid_over_white() {
    let pixels = ImageBuffer::from_fn(3, 1, |x, _| Rgba([100, 0, 200, [0, 51, 255][x as usize]]));
    let picture = decoded(&encoded(DynamicImage::ImageRgba8(pixels), ImageFormat::Png));
    // A fifth of the colour and four fifths of white: 100/5 + 255·4/5 = 224.
    assert_eq!(picture.rgb(), [255, 255, 255, 224, 204, 244, 100, 0, 200]);
    let grey = DynamicImage::ImageLumaA16(ImageBuffer::from_pixel(1, 1, LumaA([0_u16, 13_107])));
    assert_eq!(decoded(&encoded(grey, ImageFormat::Png)).rgb(), [204; 3]);
}

#[test]
fn cmyk_jpeg_is_converted_as_pil_does() {
    // 8×8 pixels of C 0, M 200, Y 255, K 30 of 255, written by PIL (which inverts, as Adobe does) at quality 95.
    let picture = decoded(include_bytes!("data/cmyk.jpg"));
    let [r, g, b] = picture.pixel(3, 3);
    assert!(r.abs_diff(225) <= 3 && g.abs_diff(49) <= 3 && b <= 3, "{:?}", [r, g, b]);
}

/// A JPEG of red, green, blue and white quarters (from upper left, row by row) with an EXIF orientation.
fn oriented(orientation: u8) -> Vec<u8> {
    let colour =
        |x: u32, y: u32| [[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]][y as usize / 16][x as usize / 32];
    let rgb = (0..32).flat_map(|y| (0..64).flat_map(move |x| colour(x, y))).collect();
    let jpeg = encode_jpeg(&Picture::new(64, 32, rgb).unwrap(), 95).unwrap();
    let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0, 0]);
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &length, &exif, &jpeg[2..]].concat()
}

#[test]
fn all_eight_exif_orientations_come_out_upright() {
    // Where the red, green, blue and white quarters must be: upper left 0, upper right 1, lower left 2, lower right 3.
    let expected = [
        "0123", // as it is
        "1032", // mirrored
        "3210", // upside down
        "2301", // upside down, mirrored
        "0213", // transposed
        "1302", // a quarter turn clockwise
        "3120", // transposed along the other diagonal
        "2031", // a quarter turn anticlockwise
    ];
    for (orientation, places) in (1..=8).zip(expected) {
        let picture = decoded(&oriented(orientation));
        let size = if orientation < 5 { (64, 32) } else { (32, 64) };
        assert_eq!((picture.width(), picture.height()), size, "orientation {orientation}");
        for (colour, place) in [[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255_u8]].iter().zip(places.bytes()) {
            let place = u32::from(place - b'0');
            let at = (size.0 / 4 + place % 2 * size.0 / 2, size.1 / 4 + place / 2 * size.1 / 2);
            let seen = picture.pixel(at.0, at.1);
            assert!(seen.iter().zip(colour).all(|(a, b)| a.abs_diff(*b) < 8), "orientation {orientation}: {seen:?}");
        }
    }
}

#[test]
fn a_picture_that_only_claims_to_be_enormous_is_refused_before_memory_is_taken() {
    let mut bytes = encode_png(&Picture::new(1, 1, vec![0; 3]).unwrap()).unwrap();
    bytes[16..20].copy_from_slice(&16_384_u32.to_be_bytes());
    bytes[20..24].copy_from_slice(&16_384_u32.to_be_bytes());
    let checksum = crc32(&bytes[12..29]);
    bytes[29..33].copy_from_slice(&checksum.to_be_bytes());
    let error = refusal(&bytes, &Limits::default());
    assert_eq!(error, Error::TooManyPixels { width: 16_384, height: 16_384, limit: 40_000_000 });
}

#[test]
fn the_pixel_limit_holds_for_every_format() {
    let limits = Limits { pixels: 99, ..Limits::default() };
    let image = || DynamicImage::ImageRgb8(ImageBuffer::from_pixel(10, 10, Rgb([1, 2, 3])));
    for format in [ImageFormat::Png, ImageFormat::Jpeg, ImageFormat::WebP, ImageFormat::Bmp, ImageFormat::Gif] {
        let error = refusal(&encoded(image(), format), &limits);
        assert_eq!(error, Error::TooManyPixels { width: 10, height: 10, limit: 99 }, "{format:?}");
    }
}

#[test]
fn what_is_no_picture_is_refused_by_name() {
    let limits = Limits::default();
    assert_eq!(refusal(b"", &limits), Error::Empty);
    assert_eq!(refusal(b"hello, world, this is text", &limits), Error::NotAPicture);
    let small = Limits { encoded_bytes: 10, ..limits };
    assert_eq!(refusal(&[0; 11], &small), Error::TooManyBytes { bytes: 11, limit: 10 });
    let tiff = refusal(b"II*\0\x08\0\0\0\0\0\0\0\0\0", &limits).to_string();
    assert!(tiff.starts_with("TIFF pictures are not supported") && tiff.contains("PNG, JPEG"), "{tiff}");
    let heic = refusal(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", &limits).to_string();
    assert!(heic.starts_with("HEIC"), "{heic}");
}

#[test]
fn a_picture_that_is_cut_off_is_damaged_and_never_a_panic() {
    let image = || DynamicImage::ImageRgb8(ImageBuffer::from_fn(40, 30, |x, y| Rgb([x as u8 * 5, y as u8 * 7, 9])));
    for format in [ImageFormat::Png, ImageFormat::WebP, ImageFormat::Bmp, ImageFormat::Gif, ImageFormat::Jpeg] {
        let bytes = encoded(image(), format);
        for length in (0..bytes.len()).step_by(7) {
            let result = decode(&bytes[..length], &Limits::default());
            assert!(result.is_err() || length + 16 > bytes.len(), "{format:?}, {length} bytes");
        }
    }
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, _| if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, &byte| (0..8).fold(crc ^ u32::from(byte), step))
}
