//! The picture as the map sees it: bright where it is high, dark elsewhere.

use crate::fit::Placement;
use crate::overlay::{Map, sampler};
use crate::picture::Picture;
use crate::scale::Scale;

/// Scales each pixel's brightness by the map: 1 at the scale's high end, `floor` (0…1) at its low end and wherever the map
/// has no value or the model did not look.
#[must_use]
pub fn masked(picture: &Picture, map: &Map<'_>, placement: &Placement, scale: &Scale, floor: f64) -> Picture {
    let width = picture.width() as usize;
    let floor = floor.clamp(0.0, 1.0);
    let sample = sampler(picture, map, placement);
    let mut rgb = picture.rgb().to_vec();
    for (index, pixel) in rgb.chunks_exact_mut(3).enumerate() {
        let position = sample(index / width, index % width).map_or(0.0, |value| scale.position(f64::from(value)));
        let brightness = floor + (1.0 - floor) * position.clamp(0.0, 1.0);
        for channel in pixel {
            *channel = (f64::from(*channel) * brightness).round() as u8;
        }
    }
    Picture::from_parts(picture.width(), picture.height(), rgb)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brightness_follows_the_map_and_what_was_not_seen_is_dark() {
        let picture = Picture::new(6, 1, vec![200; 18]).unwrap();
        let placement = Placement { x: 0.0, y: 0.0, width: 4.0, height: 1.0, ..Placement::whole(6, 1) };
        let map = Map::new(1, 2, &[0.0, 1.0]).unwrap();
        let shown = masked(&picture, &map, &placement, &Scale { low: 0.0, high: 1.0 }, 0.2);
        let brightness: Vec<u8> = shown.rgb().iter().step_by(3).copied().collect();
        assert_eq!(brightness, [40, 80, 160, 200, 40, 40]);
    }
}
