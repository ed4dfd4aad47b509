//! The extension `whyglass.model.occlude/1` in front of the back end's: rows are counted as they come, and between them
//! the call can be paused and cancelled, as between calls of `run`. And what the back end says of its plan, for people.

use std::cell::Cell;
use std::ffi::c_void;
use std::sync::Arc;
use std::time::Instant;

use whyglass_abi::safe::{TensorRef, slice_from, str_from, table_from};
use whyglass_abi::{
    PutRows, WG_CANCELLED, WG_F32, WG_INTERNAL, WG_INVALID_ARGUMENT, WG_OK, WG_UNIMPLEMENTED, WgCall, WgModel,
    WgOcclude, WgOcclusion, WgRect, WgStatus, WgStr, WgTensor,
};

use super::loaded::LoadedModel;
use super::proxy::{behind, invalid};
use crate::call::{Call, Silent};
use crate::error::{Code, Error, Result};

/// The most rectangles of one call.
const MOST: usize = 1 << 24;

/// What a technique is handed.
pub(super) static TABLE: WgOcclude =
    WgOcclude { struct_size: size_of::<WgOcclude>(), occlude: Some(occlude), plan: None };

/// One call under way.
struct Counter<'a> {
    call: &'a Arc<Call>,
    ctx: *mut c_void,
    put: PutRows,
    /// When the model went on working.
    since: &'a Cell<Instant>,
    received: usize,
    wanted: usize,
    /// The model put something other than the next rows.
    fault: bool,
}

unsafe extern "C" fn occlude(
    this: *mut c_void,
    _call: *const WgCall,
    occlusion: *const WgOcclusion,
    ctx: *mut c_void,
    put: Option<PutRows>,
) -> WgStatus {
    // SAFETY: a technique hands back the `self` that it was given, while its call runs.
    let Some(proxy) = (unsafe { behind(this) }) else { return WG_INVALID_ARGUMENT };
    // SAFETY: the technique lends the query until this returns.
    let checked = unsafe { check(occlusion) }.and_then(|(fetch, count)| {
        proxy.known(fetch, "fetch")?;
        let put = put.ok_or_else(|| Error::invalid("put", "INVALID_CALL", "a call of occlude without a receiver"))?;
        Ok((count, put))
    });
    let (wanted, put) = match checked {
        Ok(checked) => checked,
        Err(error) => return proxy.refuse(error),
    };
    let (model, call) = (&proxy.model, &proxy.call);
    let Some(function) = model.occlude.and_then(|table| table.occlude) else { return WG_UNIMPLEMENTED };
    let since = Cell::new(Instant::now());
    let mut counter = Counter { call, ctx, put, since: &since, received: 0, wanted, fault: false };
    let status = model.invoke_by(call, 0, &mut [], &since, |table, model_call, _| {
        let ctx = (&raw mut counter).cast::<c_void>();
        // SAFETY: the back end's own table; what is lent to us is lent on, and has been checked.
        unsafe { function(table.self_, model_call, occlusion, ctx, Some(receive)) }
    });
    if counter.fault || (status == WG_OK && counter.received != wanted) {
        let message = format!(
            "the model '{}' put other rows than the next of {wanted}, after {}",
            model.name(),
            counter.received
        );
        call.fail(Error::internal("BAD_TENSOR", message));
        return WG_INTERNAL;
    }
    status
}

/// The node that is wanted, and for how many rectangles.
///
/// # Safety
/// The technique lends the query, and what it points to, for `'a`.
unsafe fn check<'a>(occlusion: *const WgOcclusion) -> Result<(&'a str, usize)> {
    // SAFETY: the caller's promise.
    let query = unsafe { table_from(occlusion) }.map_err(invalid)?;
    for (tensor, name) in [(&query.picture, "picture"), (&query.fill, "fill")] {
        // SAFETY: the caller's promise.
        let checked = unsafe { TensorRef::from_raw(tensor) }.map_err(|error| invalid(error).at(name))?;
        if tensor.dtype != WG_F32 || checked.shape.len() != 4 || checked.shape.contains(&0) {
            let message = format!("the {name} has shape {:?}: give float32 of 1×3×H×W", checked.shape);
            return Err(Error::invalid(name, "INVALID_CALL", message));
        }
    }
    // SAFETY: the caller's promise.
    let rects = unsafe { slice_from(query.rects, query.n_rects, "the rectangles") }.map_err(invalid)?;
    if rects.len() > MOST {
        return Err(Error::invalid("rects", "INVALID_CALL", format!("{} rectangles, more than {MOST}", rects.len())));
    }
    // SAFETY: the caller's promise.
    Ok((unsafe { str_from(query.fetch) }.map_err(invalid)?, rects.len()))
}

unsafe extern "C" fn receive(ctx: *mut c_void, first: usize, rows: *const WgTensor) -> WgStatus {
    // SAFETY: the context that `occlude` has given away; the header says that this thread is the one that waits in it.
    let Some(counter) = (unsafe { ctx.cast::<Counter<'_>>().as_mut() }) else { return WG_INVALID_ARGUMENT };
    // SAFETY: the model lends the tensor until this returns.
    let count = unsafe { rows.as_ref() }.and_then(|rows| {
        // SAFETY: as above.
        let checked = unsafe { TensorRef::from_raw(rows) }.ok()?;
        let count = usize::try_from(*checked.shape.first()?).ok()?;
        (rows.dtype == WG_F32 && count > 0).then_some(count)
    });
    let Some(count) = count.filter(|count| first == counter.received && first + count <= counter.wanted) else {
        counter.fault = true;
        return WG_INTERNAL;
    };
    counter.received += count;
    let sink = counter.call.sink();
    sink.model_returned(count as u64, counter.since.get().elapsed());
    let cancelled = sink.checkpoint();
    // SAFETY: the technique's own function and context; the tensor is lent on.
    let status = if cancelled { WG_CANCELLED } else { unsafe { (counter.put)(counter.ctx, first, rows) } };
    sink.model_entered();
    counter.since.set(Instant::now());
    status
}

/// The back end's functions, where the model has this extension. Asked once, while the model is being loaded: its table is
/// not there any more when a technique that hears nothing asks after the end.
pub(super) fn find(model: &WgModel) -> Option<WgOcclude> {
    let id = WgStr::new(whyglass_abi::OCCLUDE);
    // SAFETY: the back end's own function; the table that it returns lives as long as the model.
    unsafe { table_from(model.extension?(model.self_, id).cast::<WgOcclude>()) }.ok().copied()
}

impl LoadedModel {
    /// How a sweep of `window`×`window` pixels every `stride` pixels over a picture of the model's size would be computed
    /// when only what changes is: a line per step, for people.
    ///
    /// # Errors
    /// UNIMPLEMENTED with the reason where every window is computed whole.
    pub fn occlusion_plan(&self, window: usize, stride: usize) -> Result<Vec<String>> {
        let whole = |why: &str| Error::new(Code::Unimplemented, "COMPUTED_WHOLE", why.to_owned());
        let Some(plan) = self.occlude.and_then(|table| table.plan) else {
            return Err(whole("it takes one picture at a time, or its back end has nothing faster"));
        };
        let [height, width] = self.input();
        if !(1..=window).contains(&stride) || window > height.min(width) {
            let message =
                format!("windows of {window} pixels every {stride}, of {height}×{width}: give 1 ≤ stride ≤ window");
            return Err(Error::invalid("window", "INVALID_WINDOW", message));
        }
        let spans =
            |length: usize| (0..(length - window).div_ceil(stride) + 1).map(move |n| (n * stride).min(length - window));
        let rects: Vec<WgRect> = spans(height)
            .flat_map(|top| spans(width).map(move |left| [top, left, top + window, left + window].map(|at| at as u32)))
            .map(|[top, left, bottom, right]| WgRect { top, left, bottom, right })
            .collect();
        let (shape, mut pixels) = ([1, 3, height as i64, width as i64], vec![0.0_f32; 3 * height * width]);
        let picture = WgTensor { data: pixels.as_mut_ptr().cast(), shape: shape.as_ptr(), rank: 4, dtype: WG_F32 };
        let query = WgOcclusion {
            struct_size: size_of::<WgOcclusion>(),
            picture,
            fill: picture,
            rects: rects.as_ptr(),
            n_rects: rects.len(),
            fetch: WgStr::new("logits"),
        };
        let call = Call::new(Silent::new(self.name()), 1);
        let mut lines: Vec<String> = Vec::new();
        let status = self.invoke(&call, 0, &mut [], |table, model_call, _| {
            let ctx = (&raw mut lines).cast::<c_void>();
            // SAFETY: the back end's own table; everything lent lives until it returns, and `line` takes `ctx` for what it is.
            unsafe { plan(table.self_, model_call, &raw const query, ctx, Some(line)) }
        });
        match status {
            WG_OK => Ok(lines),
            WG_UNIMPLEMENTED => Err(whole(&call.failure(status, "the plan").message)),
            status => Err(call.failure(status, &format!("the model '{}'", self.name()))),
        }
    }
}

unsafe extern "C" fn line(ctx: *mut c_void, line: WgStr) {
    // SAFETY: the context that `occlusion_plan` has given away, from the thread that waits in it.
    let Some(lines) = (unsafe { ctx.cast::<Vec<String>>().as_mut() }) else { return };
    // SAFETY: the model lends the line until this returns.
    lines.extend(unsafe { str_from(line) }.ok().map(str::to_owned));
}
