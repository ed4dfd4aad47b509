//! What is to be explained: pictures on demand, the class, the seed, and artifacts of other techniques.

use crate::{Call, Error, Result, Tensor, TensorView, json};

/// Pictures on demand: a dataset is never held in memory whole. Any thread may ask.
pub trait Images: Sync {
    /// How many there are; 1 for a single picture.
    fn count(&self) -> usize;

    /// Picture `index`: 1×3×H×W at the model's input size, RGB in 0…1. Blocks while the run is paused.
    ///
    /// # Errors
    /// `OUT_OF_RANGE`, a picture that cannot be read, or `CANCELLED`.
    fn get(&self, call: &Call<'_>, index: usize) -> Result<Tensor>;

    /// The class of picture `index`, where it is known.
    fn label(&self, index: usize) -> Option<usize>;

    /// Class names and item ids.
    ///
    /// # Errors
    /// `INTERNAL` where the host's description cannot be read.
    fn descriptor(&self) -> Result<json::ImagesDescriptor>;
}

/// What `explain` is asked.
#[derive(Clone)]
pub struct Request<'a> {
    images: &'a dyn Images,
    inputs: Vec<(&'a str, TensorView<'a>)>,
    /// The class to explain, resolved by the host. `None` where the technique is about no class.
    pub target: Option<usize>,
    /// Of all randomness, resolved by the host: below 2⁵³.
    pub seed: u64,
}

impl<'a> Request<'a> {
    /// A request over `images`.
    #[must_use]
    pub fn new(images: &'a dyn Images, target: Option<usize>, seed: u64) -> Self {
        Self { images, inputs: Vec::new(), target, seed }
    }

    /// The same request with another technique's artifact under `name`.
    #[must_use]
    pub fn with_input(mut self, name: &'a str, artifact: TensorView<'a>) -> Self {
        self.inputs.push((name, artifact));
        self
    }

    /// The single picture: 1×3×H×W at the model's input size, RGB in 0…1.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` where the request is about a dataset; otherwise as [`Images::get`].
    pub fn image(&self, call: &Call<'_>) -> Result<Tensor> {
        match self.images.count() {
            1 => {
                let image = self.images.get(call, 0)?;
                match image.shape() {
                    [1, 3, _, _] => Ok(image),
                    shape => Err(Error::internal(format!("the picture has shape {shape:?}, not 1×3×H×W"))),
                }
            }
            count => {
                let message = format!("this technique explains one picture at a time, not a set of {count}");
                Err(Error::invalid_argument("image", message))
            }
        }
    }

    /// All pictures.
    #[must_use]
    pub fn images(&self) -> &'a dyn Images {
        self.images
    }

    /// The class to explain, for a technique that cannot do without.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` where the host has resolved none.
    pub fn class(&self) -> Result<usize> {
        self.target.ok_or_else(|| Error::invalid_argument("target", "this technique needs a class to explain"))
    }

    /// The artifact that the descriptor asks for under `name`.
    #[must_use]
    pub fn input(&self, name: &str) -> Option<TensorView<'a>> {
        self.inputs.iter().find(|(id, _)| *id == name).map(|(_, view)| *view)
    }
}
