//! Typed emitters: one per artifact kind, so that a map cannot carry a picture's meta and a series cannot be tiled.

use crate::{Call, Error, Result, TensorView, json};
use core::marker::PhantomData;
use core::ptr;
use serde::Serialize;
use whyglass_abi as abi;
use whyglass_abi::{WgEvent, WgStr};

/// A kind of artifact: its number, its meta, the shapes it may have.
pub trait Artifact {
    /// What the meta of its keyframe may say.
    type Meta: Serialize;
    const KIND: json::ArtifactKind;
    /// In words, for the error message.
    const SHAPE: &'static str;

    /// Whether a keyframe may have this shape.
    fn accepts(shape: &[i64]) -> bool;
}

macro_rules! artifacts {
    ($($(#[$doc:meta])* $name:ident: $meta:ident, $words:literal, $pattern:pat,)+) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub enum $name {}

        impl Artifact for $name {
            type Meta = json::$meta;
            const KIND: json::ArtifactKind = json::ArtifactKind::$name;
            const SHAPE: &'static str = $words;

            fn accepts(shape: &[i64]) -> bool {
                matches!(shape, $pattern)
            }
        }
    )+};
}

artifacts! {
    /// H×W at the artifact's own grid; NaN where it is not computed yet. Positive speaks for the class.
    Map: MapMeta, "H×W", [_, _],
    /// 3×H×W, RGB in 0…1.
    Image: ImageMeta, "3×H×W", [3, _, _],
    /// n×2 or n×3, one row per item.
    Points: PointsMeta, "n×2 or n×3", [_, 2 | 3],
    /// C×C.
    Matrix: TableMeta, "rows×columns", [_, _],
    /// n×k: k curves over n steps.
    Series: TableMeta, "n×k", [_, _],
    /// n×k.
    Table: TableMeta, "n×k", [_, _],
}

/// Emits one artifact. The first event of an artifact is a keyframe of its full shape; each later one replaces it.
#[derive(Clone, Copy)]
pub struct Emitter<'a, A> {
    call: &'a Call<'a>,
    artifact: &'a str,
    step: u64,
    total: u64,
    kind: PhantomData<A>,
}

impl<'a, A: Artifact> Emitter<'a, A> {
    pub(crate) fn new(call: &'a Call<'a>, artifact: &'a str) -> Self {
        Self { call, artifact, step: 0, total: 0, kind: PhantomData }
    }

    /// The same emitter, whose events say that they are step `step` of `total` (0: not known).
    #[must_use]
    pub fn at(self, step: u64, total: u64) -> Self {
        Self { step, total, ..self }
    }

    /// The whole artifact as it stands. The host copies it before this returns.
    ///
    /// # Errors
    /// `CANCELLED` after a stop; `INTERNAL` for a shape that this kind cannot have.
    pub fn keyframe(&self, view: TensorView<'_>, meta: &A::Meta) -> Result<()> {
        self.send_keyframe(view, None, meta)
    }

    /// As [`Emitter::keyframe`], with the standard error of each element.
    ///
    /// # Errors
    /// As [`Emitter::keyframe`]; `INTERNAL` where the two shapes differ.
    pub fn keyframe_with_error(
        &self,
        view: TensorView<'_>,
        standard_error: TensorView<'_>,
        meta: &A::Meta,
    ) -> Result<()> {
        self.send_keyframe(view, Some(standard_error), meta)
    }

    fn send_keyframe(&self, view: TensorView<'_>, error: Option<TensorView<'_>>, meta: &A::Meta) -> Result<()> {
        if !A::accepts(view.shape()) {
            let message =
                format!("artifact '{}' is {}, a keyframe of shape {:?} is not", self.artifact, A::SHAPE, view.shape());
            return Err(Error::internal(message));
        }
        let meta = serde_json::to_string(meta)
            .map_err(|error| Error::internal(format!("the meta of artifact '{}': {error}", self.artifact)))?;
        self.send(abi::WG_EVENT_KEYFRAME, (0, 0), view, error, &meta)
    }

    fn send(
        &self,
        kind: u32,
        (y, x): (u32, u32),
        view: TensorView<'_>,
        standard_error: Option<TensorView<'_>>,
        meta: &str,
    ) -> Result<()> {
        if standard_error.is_some_and(|error| error.shape() != view.shape()) {
            let message = format!("artifact '{}': the standard error has another shape than the values", self.artifact);
            return Err(Error::internal(message));
        }
        let tensor = view.raw();
        let error = standard_error.map(|error| error.raw());
        self.call.emit(&WgEvent {
            struct_size: size_of::<WgEvent>(),
            kind,
            artifact_kind: A::KIND.code(),
            artifact: WgStr::new(self.artifact),
            step: self.step,
            total: self.total,
            y,
            x,
            tensor: &raw const tensor,
            standard_error: error.as_ref().map_or(ptr::null(), ptr::from_ref),
            meta: WgStr::new(meta),
        })
    }
}

/// A kind of which parts can be replaced.
pub trait Tiled: Artifact {}

impl Tiled for Map {}
impl Tiled for Image {}

impl<A: Tiled> Emitter<'_, A> {
    /// Replaces the cells from row `y` and column `x` on by `view` (h×w, of an image 3×h×w), which lies inside the last
    /// keyframe.
    ///
    /// # Errors
    /// `CANCELLED` after a stop; `INTERNAL` for a tensor of another rank or a place beyond 2³².
    pub fn tile(&self, y: usize, x: usize, view: TensorView<'_>) -> Result<()> {
        self.send_tile(y, x, view, None)
    }

    /// As [`Emitter::tile`], with the standard error of each cell.
    ///
    /// # Errors
    /// As [`Emitter::tile`]; `INTERNAL` where the two shapes differ.
    pub fn tile_with_error(
        &self,
        y: usize,
        x: usize,
        view: TensorView<'_>,
        standard_error: TensorView<'_>,
    ) -> Result<()> {
        self.send_tile(y, x, view, Some(standard_error))
    }

    fn send_tile(&self, y: usize, x: usize, view: TensorView<'_>, error: Option<TensorView<'_>>) -> Result<()> {
        let place = u32::try_from(y).ok().zip(u32::try_from(x).ok());
        let (Some(place), true) = (place, A::accepts(view.shape())) else {
            let message = format!("artifact '{}': no tile of shape {:?} at ({y}, {x})", self.artifact, view.shape());
            return Err(Error::internal(message));
        };
        self.send(abi::WG_EVENT_TILE, place, view, error, "")
    }
}
