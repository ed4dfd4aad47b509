//! The two forms of a picture: eight-bit RGB for people and files, planar float32 in 0…1 for models.

use crate::error::{Error, Result};

/// The longest side of any picture or figure, in pixels.
pub(crate) const MAX_SIDE: usize = 65_535;

/// An upright picture: RGB, eight bits a channel, rows from top to bottom, no padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    width: u32,
    height: u32,
    rgb: Vec<u8>,
}

impl Picture {
    /// A picture of `height` rows of `width` pixels, three bytes each.
    ///
    /// # Errors
    /// A side of 0 or above 65,535, or a buffer that is not width · height · 3 bytes long.
    pub fn new(width: u32, height: u32, rgb: Vec<u8>) -> Result<Self> {
        let (w, h) = (width as usize, height as usize);
        check_size("a picture", w, h)?;
        let expected = w * h * 3;
        if rgb.len() != expected {
            return Err(Error::WrongLength { what: "a picture", got: rgb.len(), width: w, height: h, expected });
        }
        Ok(Self { width, height, rgb })
    }

    /// For buffers that were made to measure inside this crate.
    pub(crate) fn from_parts(width: u32, height: u32, rgb: Vec<u8>) -> Self {
        debug_assert_eq!(rgb.len(), width as usize * height as usize * 3);
        Self { width, height, rgb }
    }

    #[must_use]
    pub fn width(&self) -> u32 {
        self.width
    }

    #[must_use]
    pub fn height(&self) -> u32 {
        self.height
    }

    /// width · height · 3 bytes, R G B of the upper left pixel first.
    #[must_use]
    pub fn rgb(&self) -> &[u8] {
        &self.rgb
    }

    #[must_use]
    pub fn into_rgb(self) -> Vec<u8> {
        self.rgb
    }

    /// The pixel in column `x` of row `y`.
    ///
    /// # Panics
    /// If it lies outside the picture.
    #[must_use]
    pub fn pixel(&self, x: u32, y: u32) -> [u8; 3] {
        assert!(x < self.width && y < self.height, "pixel ({x}, {y}) of a {}×{} picture", self.width, self.height);
        let at = (y as usize * self.width as usize + x as usize) * 3;
        [self.rgb[at], self.rgb[at + 1], self.rgb[at + 2]]
    }
}

/// A picture as models take it: planar 3×H×W, R then G then B, 0…1.
#[derive(Clone, Debug, PartialEq)]
pub struct Pixels {
    pub height: usize,
    pub width: usize,
    /// 3 · height · width values.
    pub data: Vec<f32>,
}

impl Pixels {
    /// # Errors
    /// A side of 0 or above 65,535, or a buffer that is not 3 · height · width long.
    pub fn new(height: usize, width: usize, data: Vec<f32>) -> Result<Self> {
        check_size("a tensor of pixels", width, height)?;
        let expected = 3 * height * width;
        if data.len() != expected {
            return Err(Error::WrongLength { what: "a tensor of pixels", got: data.len(), width, height, expected });
        }
        Ok(Self { height, width, data })
    }

    /// One colour everywhere.
    #[must_use]
    pub fn filled(height: usize, width: usize, colour: [f32; 3]) -> Self {
        let data = colour.iter().flat_map(|&value| std::iter::repeat_n(value, height * width)).collect();
        Self { height, width, data }
    }

    /// The plane of a channel: 0 is R, 1 is G, 2 is B.
    #[must_use]
    pub fn plane(&self, channel: usize) -> &[f32] {
        let size = self.height * self.width;
        &self.data[channel * size..(channel + 1) * size]
    }

    /// Rounded to eight bits; what lies outside 0…1 is clamped, NaN becomes 0.
    #[must_use]
    pub fn to_picture(&self) -> Picture {
        let size = self.height * self.width;
        let mut rgb = vec![0; size * 3];
        for (channel, plane) in self.data.chunks_exact(size).take(3).enumerate() {
            for (out, value) in rgb.iter_mut().skip(channel).step_by(3).zip(plane) {
                *out = to_byte(*value);
            }
        }
        Picture::from_parts(side(self.width), side(self.height), rgb)
    }
}

impl From<&Picture> for Pixels {
    fn from(picture: &Picture) -> Self {
        let (height, width) = (picture.height as usize, picture.width as usize);
        let mut data = Vec::with_capacity(3 * height * width);
        for channel in 0..3 {
            data.extend(picture.rgb.iter().skip(channel).step_by(3).map(|&byte| f32::from(byte) / 255.0));
        }
        Self { height, width, data }
    }
}

/// 0…1 to 0…255, rounded to the nearest.
pub(crate) fn to_byte(value: f32) -> u8 {
    // `as` saturates and sends NaN to 0.
    (value * 255.0).round() as u8
}

pub(crate) fn side(length: usize) -> u32 {
    u32::try_from(length).expect("sides were checked against 65,535")
}

fn check_size(what: &'static str, width: usize, height: usize) -> Result<()> {
    let possible = 1..=MAX_SIDE;
    if possible.contains(&width) && possible.contains(&height) {
        Ok(())
    } else {
        Err(Error::BadSize { what, width, height, max: MAX_SIDE })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn planar_and_interleaved_forms_agree() {
        let picture = Picture::new(2, 1, vec![255, 0, 51, 10, 20, 30]).unwrap();
        let pixels = Pixels::from(&picture);
        assert_eq!(pixels.data, [1.0, 10.0 / 255.0, 0.0, 20.0 / 255.0, 0.2, 30.0 / 255.0]);
        assert_eq!(pixels.plane(2), [0.2, 30.0 / 255.0]);
        assert_eq!(pixels.to_picture(), picture);
    }

    #[test]
    fn values_outside_the_range_are_clamped() {
        let pixels = Pixels::new(1, 1, vec![1.7, -3.0, f32::NAN]).unwrap();
        assert_eq!(pixels.to_picture().rgb(), [255, 0, 0]);
    }

    #[test]
    fn a_buffer_of_the_wrong_length_is_named() {
        let error = Picture::new(2, 2, vec![0; 11]).unwrap_err().to_string();
        assert_eq!(error, "a picture has 11 values where 2×2 needs 12");
        assert!(Pixels::new(0, 3, vec![]).is_err());
    }
}
