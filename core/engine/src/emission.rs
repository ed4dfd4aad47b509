//! What a plugin emits, read from the `WgEvent` that it points to: pointers, strings and tensors are checked here, their
//! meaning is not.

use std::collections::BTreeMap;

use whyglass_abi::safe::{TensorRef, Violation, str_from, table_from};
use whyglass_abi::{
    WG_EVENT_KEYFRAME, WG_EVENT_METRICS, WG_EVENT_NOTICE, WG_EVENT_PROGRESS, WG_EVENT_TILE, WgEvent, WgTensor,
};

use crate::error::{Error, Result};
use crate::json::{NoticeMeta, ProgressMeta};

/// The longest meta of an event that describes no data.
const SMALL: usize = 16 << 10;
/// The most numbers in one event of metrics.
const METRICS: usize = 64;

/// An event, borrowed from the plugin.
#[derive(Debug)]
pub(crate) enum Emission<'a> {
    Progress {
        done: u64,
        total: u64,
        stage: String,
    },
    Keyframe(Frame<'a>),
    Tile {
        frame: Frame<'a>,
        y: u32,
        x: u32,
    },
    Metrics(BTreeMap<String, f64>),
    Notice(NoticeMeta),
    /// A kind that a newer ABI knows.
    Unknown,
}

/// Numbers for an artifact.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    pub artifact: &'a str,
    pub kind: u32,
    pub shape: Vec<usize>,
    pub data: &'a [f32],
    pub standard_error: Option<&'a [f32]>,
    pub meta: &'a str,
}

/// An event that the rules forbid.
pub(crate) fn violation(message: impl std::fmt::Display) -> Error {
    Error::internal("INVALID_EVENT", format!("the technique sent an event that cannot be: {message}"))
}

/// # Safety
/// Pointers in `event` that are not null point to what the ABI says, and that lives for `'a`.
pub(crate) unsafe fn read<'a>(event: *const WgEvent) -> Result<Emission<'a>> {
    // SAFETY: the caller's promise.
    let event = unsafe { table_from(event) }.map_err(violation)?;
    // SAFETY: the caller's promise.
    let meta = unsafe { str_from(event.meta) }.map_err(violation)?;
    match event.kind {
        WG_EVENT_PROGRESS => {
            let meta: ProgressMeta = if meta.is_empty() { ProgressMeta::default() } else { small(meta)? };
            Ok(Emission::Progress { done: event.step, total: event.total, stage: meta.stage })
        }
        // SAFETY: the caller's promise.
        WG_EVENT_KEYFRAME => Ok(Emission::Keyframe(unsafe { frame(event, meta) }?)),
        // SAFETY: the caller's promise.
        WG_EVENT_TILE => Ok(Emission::Tile { frame: unsafe { frame(event, meta) }?, y: event.y, x: event.x }),
        WG_EVENT_METRICS => {
            let values: BTreeMap<String, f64> = small(meta)?;
            match values.len() {
                0..=METRICS => Ok(Emission::Metrics(values)),
                n => Err(violation(format!("{n} metrics, more than {METRICS}"))),
            }
        }
        WG_EVENT_NOTICE => Ok(Emission::Notice(small(meta)?)),
        _ => Ok(Emission::Unknown),
    }
}

fn small<T: serde::de::DeserializeOwned>(meta: &str) -> Result<T> {
    if meta.len() > SMALL {
        return Err(violation(format!("its meta has {} bytes, more than {SMALL}", meta.len())));
    }
    serde_json::from_str(meta).map_err(|error| violation(format!("its meta: {error}")))
}

/// # Safety
/// As [`read`].
unsafe fn frame<'a>(event: &WgEvent, meta: &'a str) -> Result<Frame<'a>> {
    // SAFETY: the caller's promise.
    let artifact = unsafe { str_from(event.artifact) }.map_err(violation)?;
    // SAFETY: the caller's promise.
    let tensor = unsafe { tensor(event.tensor) }.map_err(violation)?;
    let data = tensor.f32().map_err(violation)?;
    let mut standard_error = None;
    if !event.standard_error.is_null() {
        // SAFETY: the caller's promise.
        let error = unsafe { self::tensor(event.standard_error) }.map_err(violation)?;
        if error.shape != tensor.shape {
            return Err(violation(format!(
                "the standard error has shape {:?}, its tensor {:?}",
                error.shape, tensor.shape
            )));
        }
        standard_error = Some(error.f32().map_err(violation)?);
    }
    let dimension = |&d: &i64| usize::try_from(d).map_err(|_| violation("a negative dimension"));
    let shape = tensor.shape.iter().map(dimension).collect::<Result<Vec<_>>>()?;
    Ok(Frame { artifact, kind: event.artifact_kind, shape, data, standard_error, meta })
}

/// # Safety
/// As [`read`].
unsafe fn tensor<'a>(tensor: *const WgTensor) -> Result<TensorRef<'a>, Violation> {
    if tensor.is_null() {
        return Err(Violation::Null { what: "the event's tensor" });
    }
    if !tensor.is_aligned() {
        return Err(Violation::Misaligned { what: "the event's tensor" });
    }
    // SAFETY: not null, aligned, and the caller's promise.
    unsafe { TensorRef::from_raw(&*tensor) }
}
