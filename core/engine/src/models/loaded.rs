//! A model in memory: what it says of itself, and calling it. Whoever calls is not trusted here, nor is the model.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Instant;

use parking_lot::Mutex;
use whyglass_abi::safe::OwnedTensor;
use whyglass_abi::{
    WG_CANCELLED, WG_FAILED_PRECONDITION, WG_INTERNAL, WG_OK, WG_PANIC, WgCall, WgModel, WgOcclude, WgOwned, WgStatus,
};
use whyglass_imaging::Fit;

use super::ModelInfo;
use super::activations::Activations;
use crate::call::Call;
use crate::error::{Error, Result};
use crate::gate::{Gate, Inside};
use crate::json::{ModelDescriptor, Normalization};
use crate::plugins::Backend;
use crate::scores::Link;

/// A model in memory. It is unloaded when the last user has gone.
pub struct LoadedModel {
    pub(super) info: ModelInfo,
    pub(super) descriptor: Arc<ModelDescriptor>,
    /// The descriptor as techniques get it.
    pub(super) json: String,
    pub(super) fit: Fit,
    /// How pixels become what the file expects; `None`: as they are.
    pub(super) normalization: Option<Normalization>,
    pub(super) notices: Vec<(String, String)>,
    /// Of a derived model: labels of the file's classes, and the class that each is a part of.
    pub(super) groups: Vec<(String, u32)>,
    pub(super) backend: Arc<Backend>,
    pub(super) table: WgModel,
    /// What it has beside its table.
    pub(super) occlude: Option<WgOcclude>,
    pub(super) activations: Activations,
    pub(super) disabled: Mutex<Option<String>>,
    /// As many calls at a time as the descriptor allows.
    pub(super) calls: Arc<Gate>,
    /// The back end's plugin is in use until this is unloaded; then it is gone.
    pub(super) loaded: Mutex<Option<Inside>>,
}

// SAFETY: `run` and `vjp` are tagged [concurrent], the limit that the descriptor names is kept by `calls`.
unsafe impl Send for LoadedModel {}
// SAFETY: as above.
unsafe impl Sync for LoadedModel {}

impl std::fmt::Debug for LoadedModel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoadedModel").field("name", &self.info.name).finish_non_exhaustive()
    }
}

impl Drop for LoadedModel {
    fn drop(&mut self) {
        self.unload();
    }
}

impl LoadedModel {
    #[must_use]
    pub fn name(&self) -> &str {
        &self.info.name
    }

    #[must_use]
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// Layers, classes, labels, capabilities.
    #[must_use]
    pub fn descriptor(&self) -> &ModelDescriptor {
        &self.descriptor
    }

    /// How a picture becomes the input, for a manifest.
    pub(crate) fn preprocessing(&self) -> serde_json::Value {
        serde_json::json!({
            "resize": self.fit.policy.to_string(), "filter": self.fit.filter.to_string(), "normalize": self.normalization,
        })
    }

    #[must_use]
    pub fn labels(&self) -> &[String] {
        &self.descriptor.labels
    }

    /// Height and width of the input in pixels.
    #[must_use]
    pub fn input(&self) -> [usize; 2] {
        [self.fit.height as usize, self.fit.width as usize]
    }

    /// How a picture becomes the input.
    #[must_use]
    pub fn fit(&self) -> &Fit {
        &self.fit
    }

    /// What a person should know of how it was loaded: (reason, message), for example NORMALISATION_ASSUMED.
    #[must_use]
    pub fn notices(&self) -> &[(String, String)] {
        &self.notices
    }

    /// Of a derived model: labels of the file's classes, and the class that each is a part of.
    pub(crate) fn groups(&self) -> &[(String, u32)] {
        &self.groups
    }

    /// How its probabilities come from its logits.
    pub(crate) fn link(&self) -> Link {
        if self.groups.is_empty() { Link::Softmax } else { Link::Logistic }
    }

    /// Why it is not used any more.
    pub(crate) fn disabled(&self) -> Option<String> {
        self.disabled.lock().clone()
    }

    /// Ends it: no call enters any more. One that is inside still returns, and the model is unloaded when its last user
    /// has gone; else it is now.
    pub(crate) fn close(&self) {
        if self.calls.close() {
            self.unload();
        }
    }

    /// No call is inside, and none will be.
    fn unload(&self) {
        let Some(_until_then) = self.loaded.lock().take() else { return };
        if let Some(unload) = self.backend.table.unload {
            let mut table = WgModel { ..self.table };
            // SAFETY: what `load` has filled in; its last call has returned, and this is the only time.
            unsafe { unload(&raw mut table) };
        }
    }

    pub(crate) fn has_vjp(&self) -> bool {
        self.table.vjp.is_some()
    }

    /// # Errors
    /// MODEL_DISABLED with the reason.
    pub(crate) fn usable(&self) -> Result<()> {
        match self.disabled() {
            None => Ok(()),
            Some(why) => Err(Error::precondition(
                "MODEL_DISABLED",
                format!("the model '{}' is disabled until a restart: {why}", self.name()),
            )
            .at("model")),
        }
    }

    /// Calls the model once: waits for its turn, counts `rows`, checks what comes back. On any status but OK every out
    /// entry is empty and the call knows why.
    pub(super) fn invoke(
        &self,
        call: &Arc<Call>,
        rows: u64,
        out: &mut [WgOwned],
        body: impl FnOnce(&WgModel, &WgCall, *mut WgOwned) -> WgStatus,
    ) -> WgStatus {
        self.invoke_seen(call, rows, out, body, &mut |_| ())
    }

    /// As [`LoadedModel::invoke`]; `seen` gets each tensor that has come back in order, up to the first that is bad.
    pub(super) fn invoke_seen(
        &self,
        call: &Arc<Call>,
        rows: u64,
        out: &mut [WgOwned],
        body: impl FnOnce(&WgModel, &WgCall, *mut WgOwned) -> WgStatus,
        seen: &mut dyn FnMut(&OwnedTensor),
    ) -> WgStatus {
        match self.invoke_by(call, rows, out, &Cell::new(Instant::now()), body) {
            WG_OK => self.checked(call, out, seen),
            status => status,
        }
    }

    /// As [`LoadedModel::invoke`], but what comes back is not looked at, and `body` may have told the call of a part itself:
    /// then it sets `since` to the end of that part.
    pub(super) fn invoke_by(
        &self,
        call: &Arc<Call>,
        rows: u64,
        out: &mut [WgOwned],
        since: &Cell<Instant>,
        body: impl FnOnce(&WgModel, &WgCall, *mut WgOwned) -> WgStatus,
    ) -> WgStatus {
        if let Err(status) = self.admit(call) {
            return status;
        }
        let Some(inside) = self.calls.enter(|| call.sink().is_cancelled()) else { return WG_CANCELLED };
        call.sink().model_entered();
        since.set(Instant::now());
        let status = body(&self.table, &call.model_table(), out.as_mut_ptr());
        drop(inside);
        call.sink().model_returned(rows, since.get().elapsed());
        if status != WG_OK {
            // Not released: what a failed call leaves behind may have been freed by whoever failed.
            out.fill_with(|| WgOwned::EMPTY);
        }
        match status {
            WG_PANIC => {
                let error = call.failure(WG_PANIC, &format!("the model '{}'", self.name()));
                *self.disabled.lock() = Some(error.message.clone());
                tracing::error!(model = self.name(), "disabled: {}", error.message);
                call.fail(Error { reason: "PANIC".to_owned(), ..error });
                WG_INTERNAL
            }
            status => status,
        }
    }

    /// Whether `call` may go on, after a pause at most.
    pub(super) fn admit(&self, call: &Call) -> Result<(), WgStatus> {
        if let Err(error) = self.usable() {
            call.fail(error);
            return Err(WG_FAILED_PRECONDITION);
        }
        // A model that has ended answers nothing, not even from memory.
        if call.sink().checkpoint() || self.calls.is_closed() { Err(WG_CANCELLED) } else { Ok(()) }
    }

    /// A back end's tensors, looked at before a technique sees them.
    fn checked(&self, call: &Call, out: &mut [WgOwned], seen: &mut dyn FnMut(&OwnedTensor)) -> WgStatus {
        let mut fault = None;
        for (index, entry) in out.iter_mut().enumerate() {
            // SAFETY: the back end has given the tensor away; on an error it has been released.
            match unsafe { OwnedTensor::from_raw(std::mem::replace(entry, WgOwned::EMPTY)) } {
                Ok(tensor) => {
                    seen(&tensor);
                    *entry = tensor.into_raw();
                }
                Err(violation) => fault = fault.or(Some((index, violation))),
            }
        }
        let Some((index, violation)) = fault else { return WG_OK };
        for entry in out {
            // SAFETY: as above; entries that are empty stay so.
            drop(unsafe { OwnedTensor::from_raw(std::mem::replace(entry, WgOwned::EMPTY)) });
        }
        let message = format!("the model '{}' returned a bad tensor {index}: {violation}", self.name());
        call.fail(Error::internal("BAD_TENSOR", message));
        WG_INTERNAL
    }

    /// The logits of one picture, 3×H×W at the input's size.
    pub(crate) fn logits(&self, call: &Arc<Call>, picture: &Arc<Vec<f32>>) -> Result<Vec<f32>> {
        let logits = super::proxy::forward(self, call, picture, &self.descriptor().first_fetches())?;
        if logits.is_empty() {
            return Err(Error::internal("NO_CLASSES", format!("the model '{}' has no classes", self.name())));
        }
        if let Some(class) = logits.iter().position(|z| !z.is_finite()) {
            let message =
                format!("the logit of class {class} is {}: the model does not work on this picture", logits[class]);
            return Err(Error::internal("NOT_FINITE", message));
        }
        Ok(logits)
    }
}
