//! The trait of an explanation technique.

use crate::{Call, Model, Request, Result, json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

/// An explanation technique. One value per type is exported by [`export_plugin!`](crate::export_plugin).
pub trait Explainer: Send + Sync + 'static {
    /// Derive with `#[serde(deny_unknown_fields, default)]` and implement `Default`: the JSON Schema, its defaults and
    /// the check of every request come from this type. Annotations for forms: `#[schemars(extend("x-widget" =
    /// "layer"))]`, likewise `x-unit`, `x-log-scale`, `x-live`. [`NoParams`] where there is nothing to set.
    type Params: DeserializeOwned + Serialize + JsonSchema;

    /// kebab-case, as on the command line: `"grad-cam"`.
    const ID: &'static str;

    /// Title, family, paper, needs, artifacts. `params` is left null: the schema of [`Explainer::Params`] is filled in.
    /// Asked once, when the plugin is loaded.
    fn descriptor(&self) -> json::ExplainerDescriptor;

    /// Fills in what depends on the model: the default layer, 20 % of the input in pixels, the mean colour. What it
    /// returns is what `explain` gets and what is shown to the user; resolving twice changes nothing.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` naming a parameter that does not fit the model.
    fn resolve(&self, call: &Call<'_>, model: &dyn Model, params: Self::Params) -> Result<Self::Params> {
        let _ = (call, model);
        Ok(params)
    }

    /// Computes the explanation and emits it through `call`, as often as there is something new to see. The result is
    /// what has been emitted when it returns, so a stop keeps the best so far: pass `?` on and no more is needed.
    ///
    /// # Errors
    /// Whatever stops it; the error of an emit after a stop included.
    fn explain(&self, call: &Call<'_>, model: &dyn Model, request: &Request<'_>, params: &Self::Params) -> Result<()>;
}

/// The parameters of a technique that has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoParams {}

/// An artifact called `id` (`[a-z0-9][a-z0-9._-]*`: it becomes a file name), for [`Explainer::descriptor`].
#[must_use]
pub fn artifact(id: &str, kind: json::ArtifactKind) -> json::ArtifactDescriptor {
    json::ArtifactDescriptor { id: id.into(), kind, ..Default::default() }
}
