//! A picture onto a model's input: the resize policies and filters that `model.toml` names, and where the input then
//! lies in the original picture.

use std::fmt;
use std::str::FromStr;

use fast_image_resize as fir;
use fast_image_resize::images::{TypedImage, TypedImageRef};

use crate::error::{Error, Result};
use crate::picture::{MAX_SIDE, Picture, Pixels};

/// How a picture of any shape becomes the model's input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum FitPolicy {
    /// `stretch`: both sides are resized on their own; the whole picture is seen.
    #[default]
    Stretch,
    /// `short-side`: the picture is scaled until it just covers the input; the middle is seen.
    ShortSide,
    /// `short-side-N-centre-crop`: the short side becomes N pixels, and the middle of that, of the input's size, is seen.
    /// Where N is too small to cover the input the picture is scaled until it does.
    ShortSideCentreCrop(u32),
}

impl FromStr for FitPolicy {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let unknown = || Error::UnknownPolicy { given: text.to_owned() };
        match text {
            "stretch" => Ok(Self::Stretch),
            "short-side" => Ok(Self::ShortSide),
            _ => {
                let rest = text.strip_prefix("short-side-").ok_or_else(unknown)?;
                let digits = rest.strip_suffix("-centre-crop").or_else(|| rest.strip_suffix("-center-crop"));
                let size: u32 = digits.and_then(|digits| digits.parse().ok()).ok_or_else(unknown)?;
                if (1..=8192).contains(&size) { Ok(Self::ShortSideCentreCrop(size)) } else { Err(unknown()) }
            }
        }
    }
}

impl fmt::Display for FitPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stretch => f.write_str("stretch"),
            Self::ShortSide => f.write_str("short-side"),
            Self::ShortSideCentreCrop(size) => write!(f, "short-side-{size}-centre-crop"),
        }
    }
}

/// The kernel of a resize. When a picture shrinks the kernel grows with it (antialiasing), as in PIL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Filter {
    Nearest,
    Bilinear,
    /// Catmull–Rom (a = −0.5), which is PIL's bicubic.
    #[default]
    Bicubic,
    Lanczos3,
}

impl Filter {
    pub const NAMES: [&'static str; 4] = ["nearest", "bilinear", "bicubic", "lanczos3"];

    fn algorithm(self) -> fir::ResizeAlg {
        match self {
            Self::Nearest => fir::ResizeAlg::Nearest,
            Self::Bilinear => fir::ResizeAlg::Convolution(fir::FilterType::Bilinear),
            Self::Bicubic => fir::ResizeAlg::Convolution(fir::FilterType::CatmullRom),
            Self::Lanczos3 => fir::ResizeAlg::Convolution(fir::FilterType::Lanczos3),
        }
    }
}

impl FromStr for Filter {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "nearest" => Ok(Self::Nearest),
            "bilinear" => Ok(Self::Bilinear),
            "bicubic" => Ok(Self::Bicubic),
            "lanczos3" | "lanczos" => Ok(Self::Lanczos3),
            _ => Err(Error::UnknownFilter { given: text.to_owned() }),
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Self::NAMES[*self as usize])
    }
}

/// A model's input size and the way to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Fit {
    pub policy: FitPolicy,
    pub filter: Filter,
    /// Of the model's input, in pixels.
    pub width: u32,
    /// Of the model's input, in pixels.
    pub height: u32,
}

impl Fit {
    /// # Errors
    /// A side of 0 or above 65,535.
    pub fn new(policy: FitPolicy, filter: Filter, width: u32, height: u32) -> Result<Self> {
        let possible = 1..=MAX_SIDE as u32;
        if possible.contains(&width) && possible.contains(&height) {
            return Ok(Self { policy, filter, width, height });
        }
        let (width, height) = (width as usize, height as usize);
        Err(Error::BadSize { what: "a model input", width, height, max: MAX_SIDE })
    }
}

/// Where the model's input lies in the upright original picture: the rectangle that the model saw, in original pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Placement {
    pub original_width: u32,
    pub original_height: u32,
    /// Left edge.
    pub x: f64,
    /// Upper edge.
    pub y: f64,
    pub width: f64,
    pub height: f64,
}

impl Placement {
    /// The whole of a picture.
    #[must_use]
    pub fn whole(width: u32, height: u32) -> Self {
        Self {
            original_width: width,
            original_height: height,
            x: 0.0,
            y: 0.0,
            width: f64::from(width),
            height: f64::from(height),
        }
    }

    /// Whether the model saw the whole picture, to a hundredth of a pixel.
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let whole = Self::whole(self.original_width, self.original_height);
        [self.x - whole.x, self.y - whole.y, self.width - whole.width, self.height - whole.height]
            .iter()
            .all(|difference| difference.abs() < 0.01)
    }
}

/// Resizes and crops a picture to a model's input.
///
/// The picture is resized in eight bits and then cropped at whole pixels, as torchvision does with PIL: networks were
/// trained on exactly that.
#[must_use]
pub fn fit(picture: &Picture, fit: &Fit) -> (Pixels, Placement) {
    let (original_width, original_height) = (picture.width(), picture.height());
    let whole = Placement::whole(original_width, original_height);
    let (scaled_width, scaled_height) = scaled_size(original_width, original_height, fit);
    if scaled_width == u64::from(fit.width) && scaled_height == u64::from(fit.height) {
        return (Pixels::from(&resize(picture, fit.width, fit.height, fit.filter)), whole);
    }
    let left = centre(scaled_width - u64::from(fit.width));
    let top = centre(scaled_height - u64::from(fit.height));
    let across = f64::from(original_width) / scaled_width as f64;
    let down = f64::from(original_height) / scaled_height as f64;
    let placement = Placement {
        x: left as f64 * across,
        y: top as f64 * down,
        width: f64::from(fit.width) * across,
        height: f64::from(fit.height) * down,
        ..whole
    };
    // A very long picture would be scaled to an enormous one only to be cropped: there the crop comes first.
    const LARGEST: u64 = 32_000_000;
    let seen = if scaled_width.saturating_mul(scaled_height) <= LARGEST && scaled_width.max(scaled_height) <= 65_535 {
        let (width, height) = (scaled_width as u32, scaled_height as u32);
        crop(&resize(picture, width, height, fit.filter), left as u32, top as u32, fit.width, fit.height)
    } else {
        // Products of quotients may end a rounding error outside.
        let within = |start: f64, length: f64, whole: u32| length.min(f64::from(whole) - start);
        let width = within(placement.x, placement.width, original_width);
        let height = within(placement.y, placement.height, original_height);
        let area = [placement.x, placement.y, width, height];
        resample(picture, Some(area), fit.width, fit.height, fit.filter)
    };
    (Pixels::from(&seen), placement)
}

/// Resizes a picture to `width`×`height`, both at least 1.
#[must_use]
pub fn resize(picture: &Picture, width: u32, height: u32, filter: Filter) -> Picture {
    if (width, height) == (picture.width(), picture.height()) {
        return picture.clone();
    }
    // Rows first, columns then, rounded to eight bits in between, as PIL does: where a kernel overshoots and is clipped the
    // order shows, by up to 24 of 255 levels on photographs.
    let (width, height) = (width.max(1), height.max(1));
    let narrowed = resample(picture, None, width, picture.height(), filter);
    resample(&narrowed, None, width, height, filter)
}

/// The size of the picture before the crop: torchvision truncates the long side.
fn scaled_size(width: u32, height: u32, fit: &Fit) -> (u64, u64) {
    let short_side = match fit.policy {
        FitPolicy::Stretch => return (fit.width.into(), fit.height.into()),
        FitPolicy::ShortSide => 1,
        FitPolicy::ShortSideCentreCrop(size) => u64::from(size),
    };
    let (width, height) = (u64::from(width), u64::from(height));
    let short = width.min(height);
    let scaled = (width * short_side / short, height * short_side / short);
    let (input_width, input_height) = (u64::from(fit.width), u64::from(fit.height));
    if scaled.0 >= input_width && scaled.1 >= input_height {
        return scaled;
    }
    // Too small to cover the input: the side that is relatively shortest becomes the input's.
    if width * input_height <= height * input_width {
        (input_width, (height * input_width / width).max(input_height))
    } else {
        ((width * input_height / height).max(input_width), input_height)
    }
}

/// Half of what is cropped, rounded half to even as Python's `round` does.
fn centre(excess: u64) -> u64 {
    let half = excess / 2;
    if excess % 2 == 1 && half % 2 == 1 { half + 1 } else { half }
}

fn crop(picture: &Picture, left: u32, top: u32, width: u32, height: u32) -> Picture {
    let stride = picture.width() as usize * 3;
    let row = left as usize * 3..(left + width) as usize * 3;
    let rows = picture.rgb().chunks_exact(stride).skip(top as usize).take(height as usize);
    Picture::from_parts(width, height, rows.flat_map(|line| &line[row.clone()]).copied().collect())
}

fn resample(picture: &Picture, area: Option<[f64; 4]>, width: u32, height: u32, filter: Filter) -> Picture {
    // The typed call compiles one pixel type; the untyped one compiles all that the crate has.
    let source = TypedImageRef::<fir::pixels::U8x3>::from_buffer(picture.width(), picture.height(), picture.rgb())
        .expect("a picture's buffer has three bytes per pixel");
    let mut rgb = vec![0; width as usize * height as usize * 3];
    let mut target = TypedImage::<fir::pixels::U8x3>::from_buffer(width, height, &mut rgb)
        .expect("the buffer was made with three bytes per pixel");
    let mut options = fir::ResizeOptions::new().resize_alg(filter.algorithm()).use_alpha(false);
    if let Some([x, y, w, h]) = area {
        options = options.crop(x, y, w, h);
    }
    fir::Resizer::new().resize_typed(&source, &mut target, &options).expect("the area lies in the picture");
    Picture::from_parts(width, height, rgb)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gradient(width: u32, height: u32) -> Picture {
        let rgb =
            (0..height).flat_map(|y| (0..width).flat_map(move |x| [(x % 256) as u8, (y % 256) as u8, 7])).collect();
        Picture::new(width, height, rgb).unwrap()
    }

    fn fit_with(policy: &str, width: u32, height: u32) -> Fit {
        Fit::new(policy.parse().unwrap(), Filter::Bicubic, width, height).unwrap()
    }

    #[test]
    fn policies_and_filters_survive_a_round_trip_through_their_names() {
        for name in ["stretch", "short-side", "short-side-256-centre-crop"] {
            assert_eq!(name.parse::<FitPolicy>().unwrap().to_string(), name);
        }
        for name in Filter::NAMES {
            assert_eq!(name.parse::<Filter>().unwrap().to_string(), name);
        }
    }

    #[test]
    fn an_unknown_policy_is_refused_by_name() {
        for name in ["squash", "short-side-0-centre-crop", "short-side--centre-crop", "short-side-256"] {
            assert!(name.parse::<FitPolicy>().unwrap_err().to_string().contains(name), "{name}");
        }
        assert!("cubic".parse::<Filter>().unwrap_err().to_string().contains("bicubic"));
    }

    #[test]
    fn the_crop_of_a_very_long_picture_stays_inside_it() {
        for (width, height) in [(8486, 29), (29, 8486), (65_535, 29), (7, 60_000)] {
            for policy in ["short-side", "short-side-224-centre-crop"] {
                let (pixels, placement) = fit(&gradient(width, height), &fit_with(policy, 224, 224));
                assert_eq!((pixels.width, pixels.height), (224, 224));
                assert!(placement.x >= 0.0 && placement.y >= 0.0, "{width}×{height}, {policy}: {placement:?}");
            }
        }
    }

    #[test]
    fn stretching_sees_the_whole_picture() {
        let (pixels, placement) = fit(&gradient(40, 20), &fit_with("stretch", 8, 8));
        assert_eq!((pixels.height, pixels.width, pixels.data.len()), (8, 8, 192));
        assert!(placement.is_whole());
    }

    #[test]
    fn a_centre_crop_is_placed_in_original_pixels() {
        // 1000×500 becomes 512×256; the crop starts at ((512−224)/2, (256−224)/2) = (144, 16).
        let (_, placement) = fit(&gradient(1000, 500), &fit_with("short-side-256-centre-crop", 224, 224));
        let scale = 1000.0 / 512.0;
        assert_eq!((placement.x, placement.y), (144.0 * scale, 16.0 * scale));
        assert_eq!((placement.width, placement.height), (224.0 * scale, 224.0 * scale));
        assert!(!placement.is_whole());
    }

    #[test]
    fn a_crop_without_scaling_copies_pixels() {
        let picture = gradient(12, 8);
        let (pixels, placement) = fit(&picture, &fit_with("short-side-8-centre-crop", 4, 4));
        assert_eq!((placement.x, placement.y), (4.0, 2.0));
        let expected: Vec<u8> = (2..6).flat_map(|y| (4..8).flat_map(move |x| [x, y, 7])).collect();
        assert_eq!(pixels.to_picture().rgb(), expected);
    }

    #[test]
    fn short_side_just_covers_the_input() {
        for (width, height) in [(300, 100), (100, 300), (31, 29), (5, 900)] {
            let (pixels, placement) = fit(&gradient(width, height), &fit_with("short-side", 64, 32));
            assert_eq!((pixels.width, pixels.height), (64, 32));
            let covers = (placement.width - f64::from(width)).abs() < 1e-9
                || (placement.height - f64::from(height)).abs() < 1e-9;
            assert!(covers, "{width}×{height}: {placement:?}");
        }
    }

    #[test]
    fn a_small_crop_size_still_covers_the_input() {
        let (pixels, placement) = fit(&gradient(50, 100), &fit_with("short-side-8-centre-crop", 16, 16));
        assert_eq!((pixels.width, pixels.height), (16, 16));
        assert_eq!(placement.width, 50.0);
    }

    #[test]
    fn a_ribbon_of_a_picture_does_not_become_an_enormous_one() {
        let (pixels, placement) = fit(&gradient(60_000, 1), &fit_with("short-side-256-centre-crop", 224, 224));
        assert_eq!((pixels.width, pixels.height), (224, 224));
        assert!(placement.x > 29_000.0 && placement.x + placement.width < 31_000.0);
    }

    #[test]
    fn halves_are_rounded_to_even_as_python_does() {
        assert_eq!([0, 1, 2, 3, 5, 7, 33].map(centre), [0, 0, 1, 2, 2, 4, 16]);
    }

    #[test]
    fn bicubic_agrees_with_pil_where_kernels_overshoot() {
        // Hard edges; the expected rows are Pillow 13.0's `resize(…, BICUBIC)`.
        let edges = (0..9).flat_map(|y| (0..12).flat_map(move |x| [if (x * 7 + y * 5) % 11 < 4 { 255 } else { 0 }; 3]));
        let picture = Picture::new(12, 9, edges.collect()).unwrap();
        let red = |picture: Picture| picture.rgb().iter().step_by(3).copied().collect::<Vec<u8>>();
        let small = [113, 78, 105, 89, 82, 81, 91, 100, 89, 84, 73, 103, 94, 80, 122, 91, 96, 83, 97, 98];
        let mixed = [150, 136, 34, 113, 84, 59, 143, 139, 83, 90, 128, 56, 105, 61, 91, 61, 115, 135, 42, 144, 16];
        for (size, expected) in [((5, 4), &small[..]), ((7, 13), &mixed[..])] {
            let ours = red(resize(&picture, size.0, size.1, Filter::Bicubic));
            let close = ours.iter().zip(expected).all(|(a, b)| a.abs_diff(*b) <= 1);
            assert!(close, "{size:?}: {ours:?}");
        }
    }

    #[test]
    fn enlarging_a_flat_picture_leaves_it_flat() {
        let picture = Picture::new(3, 3, vec![200; 27]).unwrap();
        for filter in [Filter::Nearest, Filter::Bilinear, Filter::Bicubic, Filter::Lanczos3] {
            assert!(resize(&picture, 10, 7, filter).rgb().iter().all(|&byte| byte == 200));
        }
    }
}
