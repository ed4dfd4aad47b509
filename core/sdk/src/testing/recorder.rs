//! An in-memory call: records events, accumulates artifacts as a host does, refuses what a host would refuse, and can
//! cancel after a number of emits.

use crate::{Call, Error, Tensor, TensorView};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use whyglass_abi::safe::{str_from, table_from};
use whyglass_abi::{
    WG_CANCELLED, WG_EVENT_KEYFRAME, WG_EVENT_METRICS, WG_EVENT_NOTICE, WG_EVENT_PROGRESS, WG_EVENT_TILE,
    WG_INVALID_ARGUMENT, WG_OK, WgCall, WgEvent, WgStatus, WgStr,
};

/// One event, as it was emitted.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    Progress { done: u64, total: u64, stage: String },
    Keyframe { artifact: String, tensor: Tensor, standard_error: Option<Tensor>, meta: serde_json::Value },
    Tile { artifact: String, y: usize, x: usize, tensor: Tensor, standard_error: Option<Tensor> },
    Metrics(BTreeMap<String, f64>),
    Notice { reason: String, message: String },
}

#[derive(Default)]
struct State {
    events: Vec<Event>,
    artifacts: BTreeMap<String, Tensor>,
    logs: Vec<String>,
    failures: Vec<Error>,
    refused: Vec<String>,
    live_params: Option<String>,
    /// What `live_params` has handed out: valid until the next asking.
    lent: Option<String>,
    emits_left: Option<usize>,
}

struct Shared {
    state: Mutex<State>,
    cancelled: AtomicBool,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Records a call.
pub struct Recorder {
    shared: Box<Shared>,
    raw: WgCall,
}

// SAFETY: the table's context points to `shared`, which is Sync and lives as long as the recorder.
unsafe impl Send for Recorder {}
// SAFETY: as above.
unsafe impl Sync for Recorder {}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl Recorder {
    /// A call that is never cancelled and may use one thread.
    #[must_use]
    pub fn new() -> Self {
        let shared = Box::new(Shared { state: Mutex::default(), cancelled: AtomicBool::new(false) });
        let raw = WgCall {
            struct_size: size_of::<WgCall>(),
            ctx: core::ptr::from_ref(&*shared).cast_mut().cast(),
            emit: Some(emit),
            is_cancelled: Some(is_cancelled),
            fail: Some(fail),
            log: Some(log),
            live_params: Some(live_params),
            threads: 1,
            reserved: 0,
        };
        Self { shared, raw }
    }

    /// The same, allowing `threads` threads.
    #[must_use]
    pub fn with_threads(mut self, threads: u32) -> Self {
        self.raw.threads = threads;
        self
    }

    /// Accepts `emits` events and is cancelled from then on.
    #[must_use]
    pub fn cancel_after(self, emits: usize) -> Self {
        self.shared.lock().emits_left = Some(emits);
        self
    }

    /// Cancels now.
    pub fn cancel(&self) {
        self.shared.cancelled.store(true, Ordering::Relaxed);
    }

    /// Gives new live parameters (JSON), which the technique is told once.
    pub fn set_live_params(&self, params: &serde_json::Value) {
        self.shared.lock().live_params = Some(params.to_string());
    }

    /// The call to hand to a technique or a model.
    #[must_use]
    pub fn call(&self) -> Call<'_> {
        // SAFETY: the table lives as long as `self`, and its functions keep the rules.
        unsafe { Call::from_raw(&raw const self.raw) }.expect("the recorder's table is of this version")
    }

    /// The raw table, for tests of what lies below [`Call`].
    #[must_use]
    pub fn raw(&self) -> *const WgCall {
        &raw const self.raw
    }

    /// Every event so far, in order.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.shared.lock().events.clone()
    }

    /// An artifact as a host would have accumulated it.
    #[must_use]
    pub fn artifact(&self, id: &str) -> Option<Tensor> {
        self.shared.lock().artifacts.get(id).cloned()
    }

    /// The last value of a metric.
    #[must_use]
    pub fn metric(&self, name: &str) -> Option<f64> {
        let state = self.shared.lock();
        state.events.iter().rev().find_map(|event| match event {
            Event::Metrics(metrics) => metrics.get(name).copied(),
            _ => None,
        })
    }

    /// The reasons of all notices.
    #[must_use]
    pub fn notices(&self) -> Vec<String> {
        let state = self.shared.lock();
        let reason = |event: &Event| match event {
            Event::Notice { reason, .. } => Some(reason.clone()),
            _ => None,
        };
        state.events.iter().filter_map(reason).collect()
    }

    /// Everything that was logged.
    #[must_use]
    pub fn logs(&self) -> Vec<String> {
        self.shared.lock().logs.clone()
    }

    /// What `fail` was told.
    #[must_use]
    pub fn failures(&self) -> Vec<Error> {
        self.shared.lock().failures.clone()
    }

    /// Why events were refused: empty for a technique that keeps the rules.
    #[must_use]
    pub fn refused(&self) -> Vec<String> {
        self.shared.lock().refused.clone()
    }
}

/// # Safety
/// `call` is the table of a live recorder.
unsafe fn shared<'a>(call: *const WgCall) -> &'a Shared {
    // SAFETY: the caller's promise; `ctx` points into the recorder.
    unsafe { &*(*call).ctx.cast::<Shared>() }
}

/// # Safety
/// The string lives.
unsafe fn text(text: WgStr) -> String {
    // SAFETY: the caller's promise.
    unsafe { str_from(text) }.unwrap_or("(a string that is not UTF-8)").to_owned()
}

unsafe extern "C" fn emit(call: *const WgCall, event: *const WgEvent) -> WgStatus {
    // SAFETY: only `Call` and tests hold the table, while the recorder lives.
    let shared = unsafe { shared(call) };
    if shared.cancelled.load(Ordering::Relaxed) {
        return WG_CANCELLED;
    }
    let mut state = shared.lock();
    // SAFETY: the event is live until this returns.
    let kept = unsafe { read(event) }.and_then(|event| {
        keep(&mut state.artifacts, &event)?;
        Ok(event)
    });
    match kept {
        Ok(event) => state.events.push(event),
        Err(message) => {
            state.refused.push(message);
            return WG_INVALID_ARGUMENT;
        }
    }
    if let Some(left) = &mut state.emits_left {
        *left = left.saturating_sub(1);
        if *left == 0 {
            shared.cancelled.store(true, Ordering::Relaxed);
        }
    }
    WG_OK
}

/// # Safety
/// The event, if not null, is live.
unsafe fn read(event: *const WgEvent) -> Result<Event, String> {
    // SAFETY: the caller's promise.
    let event = unsafe { table_from(event) }.map_err(|error| error.to_string())?;
    // SAFETY: as above.
    let artifact = unsafe { str_from(event.artifact) }.map_err(|error| error.to_string())?.to_owned();
    // SAFETY: as above.
    let meta = unsafe { str_from(event.meta) }.map_err(|error| error.to_string())?;
    let meta: serde_json::Value = match meta {
        "" => serde_json::json!({}),
        meta => serde_json::from_str(meta).map_err(|error| format!("meta: {error}"))?,
    };
    let string = |key: &str| meta[key].as_str().unwrap_or_default().to_owned();
    // SAFETY: as above.
    let tensor = || unsafe { tensor(event.tensor) }?.ok_or_else(|| format!("artifact '{artifact}' has no tensor"));
    // SAFETY: as above.
    let standard_error = || unsafe { self::tensor(event.standard_error) };
    Ok(match event.kind {
        WG_EVENT_PROGRESS => Event::Progress { done: event.step, total: event.total, stage: string("stage") },
        WG_EVENT_KEYFRAME => Event::Keyframe { tensor: tensor()?, standard_error: standard_error()?, artifact, meta },
        WG_EVENT_TILE => {
            let (y, x) = (event.y as usize, event.x as usize);
            Event::Tile { y, x, tensor: tensor()?, standard_error: standard_error()?, artifact }
        }
        WG_EVENT_METRICS => Event::Metrics(serde_json::from_value(meta).map_err(|error| format!("metrics: {error}"))?),
        WG_EVENT_NOTICE => Event::Notice { reason: string("reason"), message: string("message") },
        kind => return Err(format!("event kind {kind} is not known")),
    })
}

/// # Safety
/// The tensor, if not null, is live.
unsafe fn tensor(tensor: *const whyglass_abi::WgTensor) -> Result<Option<Tensor>, String> {
    // SAFETY: the caller's promise.
    let Some(tensor) = (unsafe { tensor.as_ref() }) else { return Ok(None) };
    // SAFETY: the caller's promise.
    let view = unsafe { TensorView::from_raw(tensor) }.map_err(|error| error.message)?;
    Ok(Some(view.to_tensor()))
}

/// Accumulates an artifact: a keyframe replaces it, a tile replaces part of it.
fn keep(artifacts: &mut BTreeMap<String, Tensor>, event: &Event) -> Result<(), String> {
    match event {
        Event::Keyframe { artifact, tensor, .. } => {
            artifacts.insert(artifact.clone(), tensor.clone());
        }
        Event::Tile { artifact, y, x, tensor, .. } => {
            let whole =
                artifacts.get_mut(artifact).ok_or_else(|| format!("'{artifact}' has a tile before a keyframe"))?;
            let ([planes, height, width], [parts, rows, columns]) = (planar(whole.shape())?, planar(tensor.shape())?);
            if y + rows > height || x + columns > width || planes != parts {
                let (part, whole) = (tensor.shape(), whole.shape());
                return Err(format!("a tile of {part:?} at ({y}, {x}) does not lie in '{artifact}' of {whole:?}"));
            }
            for (plane, row) in (0..planes).flat_map(|plane| (0..rows).map(move |row| (plane, row))) {
                let from = (plane * rows + row) * columns;
                let to = (plane * height + y + row) * width + x;
                whole.data_mut()[to..to + columns].copy_from_slice(&tensor.data()[from..from + columns]);
            }
        }
        _ => {}
    }
    Ok(())
}

/// Planes, rows and columns of a map or an image.
fn planar(shape: &[i64]) -> Result<[usize; 3], String> {
    let side = |length: &i64| usize::try_from(*length).unwrap_or(0);
    match shape {
        [rows, columns] => Ok([1, side(rows), side(columns)]),
        [planes, rows, columns] => Ok([side(planes), side(rows), side(columns)]),
        _ => Err(format!("a tensor of shape {shape:?} has no tiles")),
    }
}

unsafe extern "C" fn is_cancelled(call: *const WgCall) -> bool {
    // SAFETY: as in `emit`.
    unsafe { shared(call) }.cancelled.load(Ordering::Relaxed)
}

unsafe extern "C" fn fail(call: *const WgCall, status: WgStatus, reason: WgStr, field: WgStr, message: WgStr) {
    // SAFETY: as in `emit`; the strings live until this returns.
    unsafe {
        let error = Error::new(crate::Status::from_code(status), text(reason), text(field), text(message));
        shared(call).lock().failures.push(error);
    }
}

unsafe extern "C" fn log(call: *const WgCall, _level: u32, message: WgStr) {
    // SAFETY: as in `fail`.
    unsafe { shared(call).lock().logs.push(text(message)) };
}

unsafe extern "C" fn live_params(call: *const WgCall, params: *mut WgStr) -> bool {
    // SAFETY: as in `emit`.
    let mut state = unsafe { shared(call) }.lock();
    let Some(new) = state.live_params.take() else { return false };
    let lent = state.lent.insert(new);
    // SAFETY: `params` is writable; the string is kept until the next asking.
    unsafe { params.write(WgStr::new(lent)) };
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::MapMeta;

    fn map(call: &Call<'_>, shape: [i64; 2], value: f32) -> crate::Result<()> {
        let data = vec![value; usize::try_from(shape[0] * shape[1]).unwrap()];
        call.map("map").keyframe(TensorView::new(&shape, &data), &MapMeta::default())
    }

    #[test]
    fn tiles_accumulate_over_the_keyframe() {
        let recorder = Recorder::new();
        let call = recorder.call();
        map(&call, [2, 3], 0.0).unwrap();
        call.map("map").tile(1, 1, TensorView::new(&[1, 2], &[5.0, 6.0])).unwrap();
        assert_eq!(recorder.artifact("map").unwrap().data(), [0.0, 0.0, 0.0, 0.0, 5.0, 6.0]);
    }

    #[test]
    fn a_tile_outside_of_the_map_or_before_it_is_refused() {
        let recorder = Recorder::new();
        let call = recorder.call();
        assert!(call.map("map").tile(0, 0, TensorView::new(&[1, 1], &[1.0])).is_err());
        map(&call, [2, 2], 0.0).unwrap();
        let error = call.map("map").tile(1, 1, TensorView::new(&[1, 2], &[1.0, 2.0])).unwrap_err();
        assert_eq!(error.status, crate::Status::InvalidArgument);
        assert_eq!(recorder.refused().len(), 2);
    }

    #[test]
    fn a_call_cancelled_after_two_emits_refuses_the_third() {
        let recorder = Recorder::new().cancel_after(2);
        let call = recorder.call();
        call.progress(1, 3).unwrap();
        call.stage(2, 3, "warm-up").unwrap();
        assert!(call.is_cancelled() && call.check().unwrap_err().is_cancelled());
        assert!(call.progress(3, 3).unwrap_err().is_cancelled());
        let stage = "warm-up".to_owned();
        assert_eq!(recorder.events()[1], Event::Progress { done: 2, total: 3, stage });
    }

    #[test]
    fn metrics_and_notices_arrive_as_they_were_said() {
        let recorder = Recorder::new();
        let call = recorder.call();
        call.metrics(&[("objective", 2.5)]).unwrap();
        call.notice("SETTLED", "the map has settled").unwrap();
        assert_eq!(recorder.metric("objective"), Some(2.5));
        assert_eq!(recorder.notices(), ["SETTLED"]);
        assert!(call.metrics(&[("objective", f64::NAN)]).unwrap_err().message.contains("objective"));
    }

    #[test]
    fn live_parameters_are_told_once() {
        #[derive(serde::Deserialize)]
        struct Live {
            step: f64,
        }
        let recorder = Recorder::new();
        let call = recorder.call();
        assert!(call.live_params::<Live>().is_none());
        recorder.set_live_params(&serde_json::json!({ "step": 0.5 }));
        assert_eq!(call.live_params::<Live>().map(|live| live.step), Some(0.5));
        assert!(call.live_params::<Live>().is_none());
        recorder.set_live_params(&serde_json::json!({ "step": "far" }));
        assert!(call.live_params::<Live>().is_none());
        assert!(recorder.logs()[0].contains("step"));
    }

    #[test]
    fn an_emitter_refuses_a_shape_that_its_kind_cannot_have() {
        let recorder = Recorder::new();
        let call = recorder.call();
        let grey = TensorView::new(&[1, 2], &[0.0, 1.0]);
        let error = call.image("dream").keyframe(grey, &Default::default()).unwrap_err();
        assert!(error.message.contains("'dream' is 3×H×W"), "{error}");
        let error =
            call.map("map").keyframe_with_error(grey, TensorView::new(&[2, 1], &[0.0, 1.0]), &Default::default());
        assert!(error.unwrap_err().message.contains("standard error"));
        assert!(recorder.events().is_empty());
    }
}
