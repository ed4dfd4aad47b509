//! `--normalize`: how pixels become what a model file expects, for files that nothing describes.

use whyglass_engine::json::Normalization;

/// A flag of the commands that load a model in this process.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Normalize {
    /// How pixels in 0…1 become what the model expects: imagenet, none, or mean and deviation (M,S or R,G,B,R,G,B)
    /// [default: what model.toml says].
    #[arg(long, value_name = "HOW", value_parser = parse, allow_hyphen_values = true)]
    pub(crate) normalize: Option<Normalization>,
}

/// The statistics of ImageNet's training pictures, as torchvision's models want them.
const IMAGENET: Normalization =
    Normalization { scale: 1.0, mean: [0.485, 0.456, 0.406], std: [0.229, 0.224, 0.225], bgr: false };

fn parse(text: &str) -> Result<Normalization, String> {
    match text {
        "imagenet" => return Ok(IMAGENET),
        "none" => return Ok(Normalization { scale: 1.0, mean: [0.0; 3], std: [1.0; 3], bgr: false }),
        _ => {}
    }
    let numbers: Result<Vec<f32>, _> = text.split(',').map(|number| number.trim().parse()).collect();
    let (mean, std) = match numbers.as_deref() {
        Ok(&[mean, std]) => ([mean; 3], [std; 3]),
        Ok(&[r, g, b, red, green, blue]) => ([r, g, b], [red, green, blue]),
        _ => {
            let usage = "give imagenet, none, or numbers: mean,deviation or three means and three deviations";
            return Err(format!("{usage} of pixels in 0…1"));
        }
    };
    if !mean.iter().all(|mean| mean.is_finite()) || !std.iter().all(|std| std.is_finite() && *std > 0.0) {
        return Err("means must be finite, deviations finite and greater than 0".to_owned());
    }
    Ok(Normalization { scale: 1.0, mean, std, bgr: false })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_pairs_and_channels_are_understood() {
        assert_eq!(parse("imagenet").unwrap().mean[0], 0.485);
        assert_eq!(parse("none").unwrap().std, [1.0; 3]);
        assert_eq!(parse("0.5,0.25").unwrap().std, [0.25; 3]);
        let channels = parse("0.1, 0.2, 0.3, 1, 2, 3").unwrap();
        assert_eq!((channels.mean, channels.std), ([0.1, 0.2, 0.3], [1.0, 2.0, 3.0]));
    }

    #[test]
    fn what_cannot_be_divided_by_and_what_is_no_number_is_refused() {
        assert!(parse("0.5,0").unwrap_err().contains("greater than 0"));
        assert!(parse("0.5,inf").unwrap_err().contains("finite"));
        for text in ["imagenette", "0.5", "1,2,3", ""] {
            assert!(parse(text).unwrap_err().contains("imagenet, none"), "{text}");
        }
    }
}
