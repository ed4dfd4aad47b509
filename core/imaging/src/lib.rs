//! Pictures in and pictures out, as pure functions: decoding with limits, fitting a picture to a model's input, colour
//! maps, figures that a person looks at, `.npy` files, superpixels, and the few filters that techniques share.
//!
//! Nothing here reads a file, knows a model or keeps state. Rendered text needs a font; it is compiled in.

#![forbid(unsafe_code)]

mod canvas;
mod colormap;
mod decode;
mod encode;
mod error;
mod figure;
pub mod filters;
mod fit;
mod layout;
mod masked;
pub mod npy;
mod overlay;
mod picture;
mod scale;
mod sheet;
mod superpixels;
mod text;

pub use colormap::Colormap;
pub use decode::{FORMATS, Limits, decode};
pub use encode::{encode_jpeg, encode_png};
pub use error::{Error, Result};
pub use figure::{ChartFigure, Curve, ImageFigure, MapFigure, MatrixFigure, ScatterFigure, TableFigure};
pub use fit::{Filter, Fit, FitPolicy, Placement, fit, resize};
pub use masked::masked;
pub use npy::{read_npy, write_npy};
pub use overlay::{Map, overlay};
pub use picture::{Picture, Pixels};
pub use scale::Scale;
pub use sheet::{Sheet, SheetRow};
pub use superpixels::Segments;
