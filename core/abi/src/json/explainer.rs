//! What a technique says of itself: the one source for request checks, command line help, forms and documentation.

use serde::{Deserialize, Serialize};

/// `WgExplainer::descriptor`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ExplainerDescriptor {
    pub title: String,
    pub description: String,
    /// `"perturbation"`, `"cam"`, …
    pub family: String,
    pub paper: String,
    pub needs: Vec<Need>,
    pub inputs: Vec<ArtifactInput>,
    /// JSON Schema 2020-12 of the parameters.
    pub params: serde_json::Value,
    pub artifacts: Vec<ArtifactDescriptor>,
    /// Sends partial results before it ends.
    pub progressive: bool,
    /// The seed makes no difference.
    pub deterministic: bool,
    /// How many calls of `explain` may run at once; 0: any number.
    pub concurrency: u32,
}

/// What a technique needs of the model, or of the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Need {
    /// With respect to a layer.
    Gradients,
    /// With respect to the picture.
    InputGradients,
    GuidedRules,
    InnerFeeds,
    FreeSize,
    Dataset,
    #[serde(other)]
    Unknown,
}

/// Another technique's artifact that the engine computes first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ArtifactInput {
    /// The name under which `explain` receives it.
    pub name: String,
    /// The parameter that chooses the technique; where it resolves to "", nothing is computed and `explain` receives none.
    pub parameter: String,
    pub kind: ArtifactKind,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ArtifactDescriptor {
    /// `[a-z0-9][a-z0-9._-]*`: it becomes a file name.
    pub id: String,
    pub title: String,
    pub kind: ArtifactKind,
    /// A signed map gets a diverging colour map centred on zero.
    pub signed: bool,
    /// A raw intermediate rather than the result that a person looks at.
    pub auxiliary: bool,
}

/// The numbers of `WG_ARTIFACT_*`, by name.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ArtifactKind {
    #[default]
    Map,
    Image,
    Points,
    Matrix,
    Series,
    Table,
}

impl ArtifactKind {
    /// The `WG_ARTIFACT_*` number.
    #[must_use]
    pub const fn code(self) -> u32 {
        match self {
            Self::Map => crate::WG_ARTIFACT_MAP,
            Self::Image => crate::WG_ARTIFACT_IMAGE,
            Self::Points => crate::WG_ARTIFACT_POINTS,
            Self::Matrix => crate::WG_ARTIFACT_MATRIX,
            Self::Series => crate::WG_ARTIFACT_SERIES,
            Self::Table => crate::WG_ARTIFACT_TABLE,
        }
    }

    /// The kind behind a `WG_ARTIFACT_*` number.
    #[must_use]
    pub const fn from_code(code: u32) -> Option<Self> {
        Some(match code {
            crate::WG_ARTIFACT_MAP => Self::Map,
            crate::WG_ARTIFACT_IMAGE => Self::Image,
            crate::WG_ARTIFACT_POINTS => Self::Points,
            crate::WG_ARTIFACT_MATRIX => Self::Matrix,
            crate::WG_ARTIFACT_SERIES => Self::Series,
            crate::WG_ARTIFACT_TABLE => Self::Table,
            _ => return None,
        })
    }
}
