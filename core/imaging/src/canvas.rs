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

    /// A line from one point to another, `thickness` pixels wide, with round ends.
    pub(crate) fn line(&mut self, from: (f32, f32), to: (f32, f32), thickness: f32, colour: [u8; 3]) {
        let reach = thickness / 2.0 + 1.0;
        let (left, right) = (from.0.min(to.0) - reach, from.0.max(to.0) + reach);
        let (top, bottom) = (from.1.min(to.1) - reach, from.1.max(to.1) + reach);
        let (dx, dy) = (to.0 - from.0, to.1 - from.1);
        let length = dx * dx + dy * dy;
        for y in top.floor() as i64..=bottom.ceil() as i64 {
            for x in left.floor() as i64..=right.ceil() as i64 {
                let (px, py) = (x as f32 + 0.5 - from.0, y as f32 + 0.5 - from.1);
                let along = if length > 0.0 { ((px * dx + py * dy) / length).clamp(0.0, 1.0) } else { 0.0 };
                let distance = (px - along * dx).hypot(py - along * dy);
                let coverage = (thickness / 2.0 + 0.5 - distance).clamp(0.0, 1.0);
                if coverage > 0.0 {
                    self.blend(x, y, colour, coverage);
                }
            }
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
