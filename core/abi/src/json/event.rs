//! `WgEvent::meta`: one type per artifact kind, and nothing else is allowed in it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Meta of a map's keyframe: H×W float32 at the artifact's own grid, NaN where it is not computed yet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct MapMeta {
    /// Input pixels per cell, y and x.
    pub cell: [f64; 2],
    pub signed: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
}

/// Meta of an image's keyframe: 3×H×W, 0…1.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImageMeta {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layer: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub objective: Option<f64>,
}

/// Meta of a keyframe of points: n×2 or n×3, in the order of the dataset's items.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PointsMeta {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<i64>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub predictions: Vec<i64>,
    /// Names of the classes that occur, by index.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub classes: BTreeMap<i64, String>,
}

/// Meta of a matrix (C×C), a series (n×k) or a table (n×k).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TableMeta {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub columns: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// What the rows stand for: of a series, the axis that it runs along; its places are the rows' names, where those are
    /// numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub axis: Option<String>,
}

/// Meta of a notice.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NoticeMeta {
    /// UPPER_SNAKE
    pub reason: String,
    pub message: String,
}

/// Meta of a progress event.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ProgressMeta {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stage: String,
}
