//! Draws a made-up map over a picture: `cargo run -p whyglass-imaging --example figure -- photo.jpg figure.png [signed]`.

use whyglass_imaging::{Filter, Fit, FitPolicy, Limits, Map, MapFigure, decode, encode_png, fit};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [source, target, rest @ ..] = arguments.as_slice() else {
        return Err("usage: figure PHOTO OUT.png [signed]".into());
    };
    let signed = rest.iter().any(|word| word == "signed");
    let picture = decode(&std::fs::read(source)?, &Limits::default())?;
    let (_, placement) = fit(&picture, &Fit::new(FitPolicy::ShortSideCentreCrop(256), Filter::Bicubic, 224, 224)?);
    let (height, width) = if signed { (45, 45) } else { (7, 7) };
    let bump = |y: usize, x: usize, centre: [f32; 2], spread: f32| {
        let (dy, dx) = ((y as f32 + 0.5) / height as f32 - centre[0], (x as f32 + 0.5) / width as f32 - centre[1]);
        (-(dy * dy + dx * dx) / (spread * spread)).exp()
    };
    let value = |y, x| bump(y, x, [0.4, 0.55], 0.22) - if signed { 0.6 * bump(y, x, [0.8, 0.2], 0.15) } else { 0.0 };
    let mut values: Vec<f32> = (0..height * width).map(|i| value(i / width, i % width) * 0.0123).collect();
    if signed {
        values[height * width - 400..].fill(f32::NAN);
    }
    let figure = MapFigure {
        title: "brown bear 89.4 %",
        subtitle: "Grad-CAM · EfficientNet-Lite0 (ImageNet) · features",
        ..MapFigure::new(&picture, Map::new(height, width, &values)?, placement, signed)
    };
    std::fs::write(target, encode_png(&figure.render())?)?;
    Ok(())
}
