//! A white sheet to draw on: rectangles, pictures, single pixels with coverage.

use crate::picture::{Picture, side};

pub(crate) struct Canvas {
    width: usize,
    height: usize,
    rgb: Vec<u8>,
}

/// A rectangle in whole pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Area {
    pub(crate) x: usize,
    pub(crate) y: usize,
    pub(crate) width: usize,
    pub(crate) height: usize,
}

impl Canvas {
    pub(crate) fn new(width: usize, height: usize) -> Self {
        Self { width, height, rgb: vec![255; width * height * 3] }
    }

    /// Mixes a colour into a pixel; outside the canvas nothing happens.
    pub(crate) fn blend(&mut self, x: i64, y: i64, colour: [u8; 3], coverage: f32) {
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { return };
        if x >= self.width || y >= self.height {
            return;
        }
        let at = (y * self.width + x) * 3;
        for (channel, over) in self.rgb[at..at + 3].iter_mut().zip(colour) {
            *channel = (f32::from(*channel) * (1.0 - coverage) + f32::from(over) * coverage).round() as u8;
        }
    }

    pub(crate) fn fill(&mut self, area: Area, colour: [u8; 3], coverage: f32) {
        for y in area.y..area.y + area.height {
            for x in area.x..area.x + area.width {
                self.blend(x as i64, y as i64, colour, coverage);
            }
        }
    }

    /// A frame one pixel wide, just inside the area.
    pub(crate) fn frame(&mut self, area: Area, colour: [u8; 3], coverage: f32) {
        if area.width < 2 || area.height < 2 {
            return self.fill(area, colour, coverage);
        }
        let inner = area.height - 2;
        for y in [area.y, area.y + area.height - 1] {
            self.fill(Area { y, height: 1, ..area }, colour, coverage);
        }
        for x in [area.x, area.x + area.width - 1] {
            self.fill(Area { x, y: area.y + 1, width: 1, height: inner }, colour, coverage);
        }
    }

    /// Copies a picture with its upper left corner at (x, y); what does not fit is cut.
    pub(crate) fn paste(&mut self, picture: &Picture, x: usize, y: usize) {
        let stride = picture.width() as usize * 3;
        let visible = stride.min((self.width.saturating_sub(x)) * 3);
        for (line, row) in picture.rgb().chunks_exact(stride).zip(y..self.height) {
            let start = (row * self.width + x) * 3;
            self.rgb[start..start + visible].copy_from_slice(&line[..visible]);
        }
    }

    pub(crate) fn into_picture(self) -> Picture {
        Picture::from_parts(side(self.width), side(self.height), self.rgb)
    }
}
