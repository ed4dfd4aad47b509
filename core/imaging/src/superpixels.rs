//! A picture cut into parts that techniques switch on and off: superpixels that follow its edges (SLIC), or a grid.

/// Which part each pixel belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segments {
    /// Per pixel, row by row: 0 to `count` − 1, numbered in the order in which a reader meets them.
    pub labels: Vec<u32>,
    pub count: usize,
}

impl Segments {
    /// Rectangles: about `segments` of them, as square as that allows.
    ///
    /// # Panics
    /// If a side is 0.
    #[must_use]
    pub fn grid(height: usize, width: usize, segments: usize) -> Self {
        assert!(height * width > 0, "a picture of {height}×{width}");
        let wanted = segments.clamp(1, height * width) as f64;
        let rows = ((wanted * height as f64 / width as f64).sqrt().round() as usize).clamp(1, height);
        let columns = ((wanted / rows as f64).round() as usize).clamp(1, width);
        let labels = (0..height * width)
            .map(|pixel| {
                let (y, x) = (pixel / width, pixel % width);
                ((y * rows / height) * columns + x * columns / width) as u32
            })
            .collect();
        Self { labels, count: rows * columns }
    }

    /// Simple linear iterative clustering of `pixels` (3×`height`×`width`, RGB in 0…1): about `segments` connected parts
    /// of alike colour. A larger `compactness` (10 is usual) makes them squarer.
    ///
    /// Achanta et al., *SLIC Superpixels Compared to State-of-the-Art Superpixel Methods*, 2012: in CIELAB, ten rounds,
    /// and parts smaller than a quarter of the usual size joined to a neighbour.
    ///
    /// # Panics
    /// If `pixels` is not 3·height·width long, or a side is 0.
    #[must_use]
    pub fn slic(pixels: &[f32], height: usize, width: usize, segments: usize, compactness: f32) -> Self {
        assert!(height * width > 0 && pixels.len() == 3 * height * width, "a picture of {height}×{width}");
        let seeds = Self::grid(height, width, segments);
        let spacing = ((height * width) as f32 / seeds.count as f32).sqrt();
        let lab = lab(pixels);
        let mut clusters = Clusters::new(&lab, width, &seeds);
        let mut labels = seeds.labels;
        for _ in 0..ROUNDS {
            clusters.assign(&lab, (height, width), spacing, compactness, &mut labels);
            clusters.update(&lab, width, &labels);
        }
        connected(&labels, height, width, (spacing * spacing / 4.0) as usize)
    }
}

const ROUNDS: usize = 10;

/// The centres of clusters: L, a, b, y, x.
struct Clusters {
    centres: Vec<[f32; 5]>,
}

impl Clusters {
    /// A centre per seed: the means over its rectangle.
    fn new(lab: &[[f32; 3]], width: usize, seeds: &Segments) -> Self {
        let mut clusters = Self { centres: vec![[0.0; 5]; seeds.count] };
        clusters.update(lab, width, &seeds.labels);
        clusters
    }

    /// Gives each pixel to the nearest centre whose neighbourhood, twice the spacing wide, it lies in.
    fn assign(
        &self,
        lab: &[[f32; 3]],
        (height, width): (usize, usize),
        spacing: f32,
        compactness: f32,
        labels: &mut [u32],
    ) {
        let mut nearest = vec![f32::INFINITY; labels.len()];
        let closeness = (compactness / spacing).powi(2);
        for (label, centre) in self.centres.iter().enumerate() {
            let span = |middle: f32, length: usize| {
                ((middle - spacing).max(0.0) as usize, ((middle + spacing).ceil() as usize + 1).min(length))
            };
            let ((top, bottom), (left, right)) = (span(centre[3], height), span(centre[4], width));
            for y in top..bottom {
                let down = (y as f32 - centre[3]).powi(2);
                for x in left..right {
                    let pixel = y * width + x;
                    let colour: f32 = (0..3).map(|channel| (lab[pixel][channel] - centre[channel]).powi(2)).sum();
                    let distance = colour + closeness * (down + (x as f32 - centre[4]).powi(2));
                    if distance < nearest[pixel] {
                        nearest[pixel] = distance;
                        labels[pixel] = label as u32;
                    }
                }
            }
        }
    }

    /// Moves each centre to the mean of its pixels; one that has none stays.
    fn update(&mut self, lab: &[[f32; 3]], width: usize, labels: &[u32]) {
        let mut sums = vec![([0.0_f64; 5], 0_u32); self.centres.len()];
        for (pixel, (label, [l, a, b])) in labels.iter().zip(lab).enumerate() {
            let (sum, count) = &mut sums[*label as usize];
            let here = [*l, *a, *b, (pixel / width) as f32, (pixel % width) as f32];
            sum.iter_mut().zip(here).for_each(|(sum, value)| *sum += f64::from(value));
            *count += 1;
        }
        for (centre, (sum, count)) in self.centres.iter_mut().zip(sums) {
            if count > 0 {
                *centre = sum.map(|sum| (sum / f64::from(count)) as f32);
            }
        }
    }
}

/// Makes every part connected: a piece smaller than `smallest` joins the one before it, any other becomes a part.
fn connected(labels: &[u32], height: usize, width: usize, smallest: usize) -> Segments {
    const NONE: u32 = u32::MAX;
    let mut joined = vec![NONE; labels.len()];
    let mut count = 0_u32;
    let mut piece = Vec::new();
    for start in 0..labels.len() {
        if joined[start] != NONE {
            continue;
        }
        // Of a piece's first pixel, in reading order, what is above and to the left has a part already.
        let (y, x) = (start / width, start % width);
        let before = if x > 0 {
            joined[start - 1]
        } else if y > 0 {
            joined[start - width]
        } else {
            NONE
        };
        piece.clear();
        piece.push(start);
        joined[start] = count;
        let mut next = 0;
        while let Some(&pixel) = piece.get(next) {
            next += 1;
            let (y, x) = (pixel / width, pixel % width);
            let neighbours = [
                (y > 0).then(|| pixel - width),
                (x > 0).then(|| pixel - 1),
                (x + 1 < width).then_some(pixel + 1),
                (y + 1 < height).then_some(pixel + width),
            ];
            for neighbour in neighbours.into_iter().flatten() {
                if joined[neighbour] == NONE && labels[neighbour] == labels[start] {
                    joined[neighbour] = count;
                    piece.push(neighbour);
                }
            }
        }
        if piece.len() < smallest && before != NONE {
            piece.iter().for_each(|pixel| joined[*pixel] = before);
        } else {
            count += 1;
        }
    }
    Segments { labels: joined, count: count as usize }
}

/// sRGB planes to CIELAB under D65.
fn lab(pixels: &[f32]) -> Vec<[f32; 3]> {
    let area = pixels.len() / 3;
    let linear = |v: f32| {
        let v = v.clamp(0.0, 1.0);
        if v <= 0.040_45 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
    };
    let root = |t: f32| if t > 0.008_856 { t.cbrt() } else { 7.787 * t + 16.0 / 116.0 };
    (0..area)
        .map(|i| {
            let (r, g, b) = (linear(pixels[i]), linear(pixels[area + i]), linear(pixels[2 * area + i]));
            let x = root((0.412_453 * r + 0.357_580 * g + 0.180_423 * b) / 0.950_47);
            let y = root(0.212_671 * r + 0.715_160 * g + 0.072_169 * b);
            let z = root((0.019_334 * r + 0.119_193 * g + 0.950_227 * b) / 1.088_83);
            [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether all pixels of each label hang together.
    fn pieces(segments: &Segments, height: usize, width: usize) -> usize {
        connected(&segments.labels, height, width, 0).count
    }

    #[test]
    fn a_grid_has_about_as_many_parts_as_asked_for() {
        let square = Segments::grid(224, 224, 49);
        assert_eq!(square.count, 49);
        assert_eq!((square.labels[0], square.labels[31], square.labels[32], square.labels[32 * 224]), (0, 0, 1, 7));
        assert_eq!(Segments::grid(20, 10, 50).count, 50);
        assert_eq!(Segments::grid(3, 2, 1000).count, 6, "no more parts than pixels");
        assert_eq!(Segments::grid(5, 5, 0).count, 1);
    }

    #[test]
    fn superpixels_follow_an_edge() {
        // Red to the left of a slanted edge, blue to the right of it.
        let (height, width) = (60, 60);
        let red = |pixel: usize| pixel % width < 20 + pixel / width / 3;
        let plane = |of: &dyn Fn(usize) -> f32| (0..height * width).map(of).collect::<Vec<_>>();
        let pixels =
            [plane(&|p| if red(p) { 0.9 } else { 0.1 }), plane(&|_| 0.1), plane(&|p| if red(p) { 0.1 } else { 0.9 })]
                .concat();
        let segments = Segments::slic(&pixels, height, width, 25, 10.0);
        let mut sides = vec![[0; 2]; segments.count];
        for (pixel, label) in segments.labels.iter().enumerate() {
            sides[*label as usize][usize::from(red(pixel))] += 1;
        }
        let strayed: usize = sides.iter().map(|side| side[0].min(side[1])).sum();
        assert!(strayed < 36, "{strayed} of 3600 pixels on the wrong side");
        assert!((15..=35).contains(&segments.count), "{}", segments.count);
    }

    #[test]
    fn every_part_is_connected_and_none_is_small_or_empty() {
        let pixels: Vec<f32> = (0..3 * 48 * 40).map(|i| (i * 7919 % 1009) as f32 / 1009.0).collect();
        let segments = Segments::slic(&pixels, 48, 40, 30, 10.0);
        assert_eq!(pieces(&segments, 48, 40), segments.count);
        let mut sizes = vec![0; segments.count];
        segments.labels.iter().for_each(|label| sizes[*label as usize] += 1);
        assert!(sizes.iter().skip(1).all(|size| *size >= 16), "{sizes:?}");
        assert_eq!(segments, Segments::slic(&pixels, 48, 40, 30, 10.0), "the same picture, the same parts");
    }

    #[test]
    fn a_flat_picture_and_one_pixel_are_cut_too() {
        let flat = Segments::slic(&[0.5; 3 * 21 * 21], 21, 21, 9, 10.0);
        assert_eq!(flat.count, 9);
        assert_eq!(Segments::slic(&[0.5; 3], 1, 1, 49, 10.0), Segments { labels: vec![0], count: 1 });
    }

    #[test]
    fn white_is_light_and_without_colour() {
        let [l, a, b] = lab(&[1.0, 1.0, 1.0])[0];
        assert!((l - 100.0).abs() < 0.01 && a.abs() < 0.02 && b.abs() < 0.02, "{l} {a} {b}");
        let [l, a, b] = lab(&[1.0, 0.0, 0.0])[0];
        assert!((l - 53.24).abs() < 0.1 && (a - 80.09).abs() < 0.1 && (b - 67.2).abs() < 0.1, "{l} {a} {b}");
    }
}
