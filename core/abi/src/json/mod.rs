//! The JSON documents that cross the ABI or lie beside a plugin, as serde types: one definition for both sides.
//!
//! Readers ignore what they do not know, so that a newer side can say more; writers leave out what is not set.

mod event;
mod explainer;
mod model;
mod parameter;
mod plugin;

pub use event::{ImageMeta, MapMeta, NoticeMeta, PointsMeta, ProgressMeta, TableMeta};
pub use explainer::{ArtifactDescriptor, ArtifactInput, ArtifactKind, ExplainerDescriptor, Need};
pub use model::{
    BackendDescriptor, Block, Capability, ClassGroup, ImagesDescriptor, InputSize, Layer, LoadOptions, ModelDescriptor,
    Normalization, ReceptiveField, TokenGrid,
};
pub use parameter::Parameter;
pub use plugin::PluginManifest;
