//! The host's models and pictures behind the safe traits that a technique sees.

use super::{expect_ok, named_from};
use crate::{
    Call, Cotangent, Error, Gradients, Images, Level, Model, Occlusion, Request, Result, Rule, Tensor, TensorView, Vjp,
    json,
};
use core::ptr;
use std::sync::OnceLock;
use whyglass_abi::safe::{Violation, str_from, table_from};
use whyglass_abi::{
    WG_F32, WG_RULE_DECONVNET, WG_RULE_GUIDED, WG_RULE_STANDARD, WgImages, WgModel, WgNamedTensor, WgOwned, WgRequest,
    WgStr, WgTensor, WgVjp,
};

/// The host's model.
pub(super) struct ForeignModel<'a> {
    raw: &'a WgModel,
    descriptor_text: &'a str,
    /// Most techniques never look, and the document of a large network takes a while to read.
    descriptor: OnceLock<json::ModelDescriptor>,
}

// SAFETY: the header tags run and vjp [concurrent], and `self` is only ever handed back to them.
unsafe impl Send for ForeignModel<'_> {}
// SAFETY: as above.
unsafe impl Sync for ForeignModel<'_> {}

impl<'a> ForeignModel<'a> {
    /// # Safety
    /// `raw` is null or a table that lives for `'a` and keeps the rules of the header.
    pub(super) unsafe fn from_raw(raw: *const WgModel) -> Result<Self> {
        // SAFETY: the caller's promise.
        let raw = unsafe { table_from(raw) }?;
        // SAFETY: the caller's promise.
        let descriptor_text = unsafe { str_from(raw.descriptor) }?;
        Ok(Self { raw, descriptor_text, descriptor: OnceLock::new() })
    }
}

impl Model for ForeignModel<'_> {
    fn descriptor(&self) -> &json::ModelDescriptor {
        self.descriptor.get_or_init(|| {
            serde_json::from_str(self.descriptor_text).unwrap_or_else(|error| {
                // Its fields are all optional: a technique that needs one says which it misses.
                crate::log(Level::Error, module_path!(), &format!("the model's descriptor cannot be read: {error}"));
                json::ModelDescriptor::default()
            })
        })
    }

    fn run(&self, call: &Call<'_>, feeds: &[(&str, TensorView<'_>)], fetches: &[&str]) -> Result<Vec<Tensor>> {
        let run = self.raw.run.ok_or(Violation::Null { what: "WgModel.run" })?;
        let feeds = raw_feeds(feeds);
        let fetches = raw_names(fetches);
        let mut out = empty_entries(fetches.len());
        // SAFETY: every argument lives until the call returns, and `out` has an entry per fetch.
        let status = unsafe {
            run(
                self.raw.self_,
                call.raw(),
                feeds.as_ptr(),
                feeds.len(),
                fetches.as_ptr(),
                fetches.len(),
                out.as_mut_ptr(),
            )
        };
        collect(status, out, "WgModel.run")
    }

    fn occlude(
        &self,
        call: &Call<'_>,
        occlusion: &Occlusion<'_>,
        put: &mut dyn FnMut(usize, TensorView<'_>) -> Result<()>,
    ) -> Result<()> {
        super::occlude::ask(self.raw, call, occlusion, put)
    }

    fn has_occlude(&self) -> bool {
        super::occlude::of(self.raw).is_some()
    }

    fn vjp(&self, call: &Call<'_>, vjp: &Vjp<'_>) -> Result<Gradients> {
        let Some(function) = self.raw.vjp else {
            return Err(Error::unimplemented("this model has no gradients: use a technique that needs none"));
        };
        let feeds = raw_feeds(vjp.feeds);
        let cotangents: Vec<_> = vjp
            .cotangents
            .iter()
            .map(|(name, cotangent)| {
                let tensor = match cotangent {
                    Cotangent::Tensor(view) => view.raw(),
                    Cotangent::Itself => WgTensor { data: ptr::null_mut(), shape: ptr::null(), rank: 0, dtype: WG_F32 },
                };
                WgNamedTensor { name: WgStr::new(name), tensor }
            })
            .collect();
        let (wrt, fetches) = (raw_names(vjp.wrt), raw_names(vjp.fetches));
        let table = WgVjp {
            struct_size: size_of::<WgVjp>(),
            feeds: feeds.as_ptr(),
            n_feeds: feeds.len(),
            cotangents: cotangents.as_ptr(),
            n_cotangents: cotangents.len(),
            wrt: wrt.as_ptr(),
            n_wrt: wrt.len(),
            fetches: fetches.as_ptr(),
            n_fetches: fetches.len(),
            rule: match vjp.rule {
                Rule::Standard => WG_RULE_STANDARD,
                Rule::Guided => WG_RULE_GUIDED,
                Rule::Deconvnet => WG_RULE_DECONVNET,
            },
            reserved: 0,
        };
        let mut out = empty_entries(wrt.len() + fetches.len());
        // SAFETY: every argument lives until the call returns, and `out` has an entry per wrt and fetch.
        let status = unsafe { function(self.raw.self_, call.raw(), &raw const table, out.as_mut_ptr()) };
        let mut values = collect(status, out, "WgModel.vjp")?;
        let fetches = values.split_off(wrt.len());
        Ok(Gradients { wrt: values, fetches })
    }

    fn has_vjp(&self) -> bool {
        self.raw.vjp.is_some()
    }
}

fn raw_feeds(feeds: &[(&str, TensorView<'_>)]) -> Vec<WgNamedTensor> {
    feeds.iter().map(|(name, view)| WgNamedTensor { name: WgStr::new(name), tensor: view.raw() }).collect()
}

fn raw_names(names: &[&str]) -> Vec<WgStr> {
    names.iter().map(|name| WgStr::new(name)).collect()
}

fn empty_entries(count: usize) -> Vec<WgOwned> {
    core::iter::repeat_with(|| WgOwned::EMPTY).take(count).collect()
}

/// Takes over every entry before looking at any, so that none is lost on an error.
fn collect(status: i32, out: Vec<WgOwned>, what: &str) -> Result<Vec<Tensor>> {
    expect_ok(status, what)?;
    // SAFETY: the host has filled the entries; each is taken exactly once.
    let tensors: Vec<Result<Tensor>> = out.into_iter().map(|owned| unsafe { Tensor::from_raw(owned) }).collect();
    tensors.into_iter().collect()
}

/// The host's pictures.
struct ForeignImages<'a>(&'a WgImages);

// SAFETY: the header tags get and label [any thread].
unsafe impl Sync for ForeignImages<'_> {}

impl Images for ForeignImages<'_> {
    fn count(&self) -> usize {
        self.0.count
    }

    fn get(&self, call: &Call<'_>, index: usize) -> Result<Tensor> {
        if index >= self.0.count {
            return Err(Error::out_of_range("image", format!("there is no picture {index} of {}", self.0.count)));
        }
        let get = self.0.get.ok_or(Violation::Null { what: "WgImages.get" })?;
        let mut out = WgOwned::EMPTY;
        // SAFETY: the table lives; `out` is one entry.
        expect_ok(unsafe { get(self.0, call.raw(), index, &raw mut out) }, "WgImages.get")?;
        // SAFETY: the host has filled the entry.
        unsafe { Tensor::from_raw(out) }
    }

    fn label(&self, index: usize) -> Option<usize> {
        if index >= self.0.count {
            return None;
        }
        // SAFETY: the table lives.
        self.0.label.and_then(|label| usize::try_from(unsafe { label(self.0, index) }).ok())
    }

    fn descriptor(&self) -> Result<json::ImagesDescriptor> {
        // SAFETY: the table lives, and so does the string in it.
        let text = unsafe { str_from(self.0.descriptor) }?;
        if text.is_empty() {
            return Ok(json::ImagesDescriptor::default());
        }
        serde_json::from_str(text).map_err(|error| Error::internal(format!("the set's descriptor: {error}")))
    }
}

/// Reads a request and hands it to `body`.
///
/// # Safety
/// `raw` is null or a table that lives until this returns and keeps the rules of the header.
pub(super) unsafe fn with_request<T>(raw: *const WgRequest, body: impl FnOnce(&Request<'_>) -> Result<T>) -> Result<T> {
    // SAFETY: the caller's promise.
    let raw = unsafe { table_from(raw) }?;
    // SAFETY: the caller's promise.
    let images = ForeignImages(unsafe { table_from(raw.images) }?);
    // SAFETY: the caller's promise.
    let inputs = unsafe {
        named_from(raw.inputs, raw.n_inputs, "WgRequest.inputs", |entry| TensorView::from_raw(&entry.tensor))
    }?;
    let mut request = Request::new(&images, usize::try_from(raw.target).ok(), raw.seed);
    for (name, artifact) in inputs {
        request = request.with_input(name, artifact);
    }
    body(&request)
}
