//! What the author of a Whyglass plugin sees: traits for techniques and model back ends, tensors, typed emitters, and
//! [`export_plugin!`], which turns them into the tables of the C ABI.
//!
//! Responsible for everything unsafe between a plugin and the host: pointers are checked before they become
//! references, panics end at the line. Not responsible for running anything: that is the host.
//!
//! A whole plugin (`crate-type = ["cdylib"]`, and a `plugin.toml` beside the library):
//!
//! ```
//! use whyglass_sdk::prelude::*;
//!
//! #[derive(Serialize, Deserialize, JsonSchema)]
//! #[serde(deny_unknown_fields, default)]
//! struct Params {
//!     /// Multiplies the map.
//!     #[schemars(range(min = 0.0, max = 10.0))]
//!     gain: f32,
//! }
//!
//! impl Default for Params {
//!     fn default() -> Self {
//!         Self { gain: 1.0 }
//!     }
//! }
//!
//! /// The brightness of each pixel: mean over the channels.
//! struct Brightness;
//!
//! impl Explainer for Brightness {
//!     type Params = Params;
//!     const ID: &'static str = "brightness";
//!
//!     fn descriptor(&self) -> json::ExplainerDescriptor {
//!         json::ExplainerDescriptor { title: "Brightness".into(), artifacts: vec![artifact("map", Kind::Map)], ..Default::default() }
//!     }
//!
//!     fn explain(&self, call: &Call<'_>, _: &dyn Model, request: &Request<'_>, params: &Params) -> Result<()> {
//!         let image = request.image(call)?;
//!         let [_, _, h, w] = image.dims()?;
//!         let (r, g, b) = (image.plane(0), image.plane(1), image.plane(2));
//!         let map: Vec<f32> = (0..h * w).map(|i| params.gain * (r[i] + g[i] + b[i]) / 3.0).collect();
//!         let shape = [h as i64, w as i64];
//!         call.map("map").keyframe(TensorView::new(&shape, &map), &json::MapMeta { cell: [1.0, 1.0], ..Default::default() })
//!     }
//! }
//!
//! export_plugin! { id: "brightness", explainers: [Brightness] }
//! # fn main() {}
//! ```
//!
//! A technique that needs only pixels, `logits` and `features` never looks at the model's descriptor: those node ids
//! always mean these. Randomness comes from [`rng`], the size of a batch from [`batch`], pixels for a length from
//! [`length`]; [`testing`] runs a technique without a host.

#[cfg(panic = "abort")]
compile_error!("a plugin catches its panics at the ABI: build it with `panic = \"unwind\"` in the profile");

mod backend;
pub mod batch;
mod call;
mod emit;
mod error;
mod explainer;
mod host;
mod layer;
pub mod length;
mod model;
#[cfg(unix)]
pub mod place;
mod request;
pub mod rng;
mod schema;
mod tensor;
pub mod testing;
#[cfg(feature = "threads")]
mod threads;
mod trampoline;

pub use backend::Backend;
pub use call::Call;
pub use emit::{Artifact, Emitter, Image, Map, Matrix, Points, Series, Table};
pub use error::{Error, Result, Status};
pub use explainer::{Explainer, NoParams, artifact};
pub use host::{Level, log};
pub use layer::value_at;
pub use model::{Cotangent, FEATURES, Gradients, INPUT, LOGITS, Model, Occlusion, PROBABILITIES, Rect, Rule, Vjp};
pub use request::{Images, Request};
pub use tensor::{Tensor, TensorView};
#[cfg(feature = "threads")]
pub use threads::with_threads;
pub use whyglass_abi::json;

// The derives that `Params` needs, so that a plugin's Cargo.toml can get by with this crate and serde + schemars.
pub use schemars;
pub use serde;
pub use serde_json;

/// Everything that a plugin names, in one `use`.
pub mod prelude {
    pub use crate::json::{self, ArtifactKind as Kind, Need};
    pub use crate::{
        Backend, Call, Cotangent, Error, Explainer, Gradients, Images, Model, NoParams, Request, Result, Rule, Tensor,
        TensorView, Vjp, artifact, export_plugin,
    };
    pub use schemars::JsonSchema;
    pub use serde::{Deserialize, Serialize};
}

#[doc(hidden)]
pub mod export {
    //! What [`export_plugin!`](crate::export_plugin) expands to; not for use by hand.
    pub use crate::trampoline::plugin::{Exported, Plugin, entry};
    pub use whyglass_abi::{WgHost, WgPlugin};
}

/// Exports the plugin: its id (kebab-case), its techniques and its back ends (values that implement [`Explainer`] and
/// [`Backend`], one per type). The version is the crate's. Once per shared library.
///
/// A library that no host opens, but a plugin by itself, begins with `symbol` and a name of its own for the entry.
#[macro_export]
macro_rules! export_plugin {
    { id: $($plugin:tt)* } => {
        $crate::export_plugin! { symbol: whyglass_plugin_v1, id: $($plugin)* }
    };
    {
        symbol: $symbol:ident, id: $id:expr
        $(, explainers: [$($explainer:expr),* $(,)?])? $(, backends: [$($backend:expr),* $(,)?])? $(,)?
    } => {
        /// The only symbol that is looked up.
        ///
        /// # Safety
        /// `host` is null or a table that lives as long as the process.
        #[unsafe(no_mangle)]
        pub unsafe extern "C" fn $symbol(
            host: *const $crate::export::WgHost,
        ) -> *const $crate::export::WgPlugin {
            static EXPORTED: $crate::export::Exported = $crate::export::Exported::new();
            // SAFETY: the host keeps the promise above.
            unsafe {
                $crate::export::entry(&EXPORTED, host, || {
                    $crate::export::Plugin::new($id, env!("CARGO_PKG_VERSION"))
                        $($(.explainer($explainer))*)?
                        $($(.backend($backend))*)?
                })
            }
        }
    };
}
