//! The extension `whyglass.model.occlude/1`, from both sides: the table of a back end's model, and asking the host's.

use super::backend::model_from;
use super::{expect_ok, guard};
use crate::{Call, Error, Occlusion, Rect, Result, TensorView};
use core::ffi::c_void;
use core::ptr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use whyglass_abi::safe::{Violation, slice_from, str_from, table_from};
use whyglass_abi::{
    OCCLUDE, PutLine, PutRows, WG_INTERNAL, WG_INVALID_ARGUMENT, WG_OK, WgCall, WgModel, WgOcclude, WgOcclusion,
    WgRect, WgStatus, WgStr, WgTensor,
};

static TABLE: WgOcclude = WgOcclude { struct_size: size_of::<WgOcclude>(), occlude: Some(occlude), plan: Some(plan) };

/// The extensions of a model that can do this.
pub(super) unsafe extern "C" fn extension(_self: *mut c_void, id: WgStr) -> *const c_void {
    // SAFETY: the host lends the string for the call.
    if unsafe { str_from(id) } == Ok(OCCLUDE) { (&raw const TABLE).cast() } else { ptr::null() }
}

unsafe extern "C" fn occlude(
    self_: *mut c_void,
    call: *const WgCall,
    occlusion: *const WgOcclusion,
    ctx: *mut c_void,
    put: Option<PutRows>,
) -> WgStatus {
    let body = |call: &Call<'_>| {
        let put = put.ok_or(Violation::Null { what: "WgOcclude's put" })?;
        // SAFETY: the host passes a loaded model, and a query that lives until this returns.
        let (model, query) = unsafe { (model_from(self_)?, Query::from_raw(occlusion)?) };
        model.occlude(call, &query.occlusion(), &mut |first, rows| {
            let rows = rows.raw();
            // SAFETY: the host's own context; the tensor lives until `put` returns.
            expect_ok(unsafe { put(ctx, first, &raw const rows) }, "the receiver of the rows")
        })
    };
    // SAFETY: the host keeps the call alive until this returns.
    unsafe { guard(call, body) }
}

unsafe extern "C" fn plan(
    self_: *mut c_void,
    call: *const WgCall,
    occlusion: *const WgOcclusion,
    ctx: *mut c_void,
    put: Option<PutLine>,
) -> WgStatus {
    let body = |call: &Call<'_>| {
        let put = put.ok_or(Violation::Null { what: "WgOcclude's put" })?;
        // SAFETY: the host passes a loaded model, and a query that lives until this returns.
        let (model, query) = unsafe { (model_from(self_)?, Query::from_raw(occlusion)?) };
        for line in model.occlusion_plan(call, &query.occlusion())? {
            // SAFETY: the host's own context; the line lives until `put` returns.
            unsafe { put(ctx, WgStr::new(&line)) };
        }
        Ok(())
    };
    // SAFETY: the host keeps the call alive until this returns.
    unsafe { guard(call, body) }
}

/// What the host asks, checked.
struct Query<'a> {
    picture: TensorView<'a>,
    fill: TensorView<'a>,
    rects: Vec<Rect>,
    fetch: &'a str,
}

impl<'a> Query<'a> {
    /// # Safety
    /// The host lends the query, and what it points to, for `'a`.
    unsafe fn from_raw(occlusion: *const WgOcclusion) -> Result<Self> {
        // SAFETY: the caller's promise.
        unsafe {
            let raw = table_from(occlusion)?;
            Ok(Self {
                picture: TensorView::from_raw(&raw.picture).map_err(|error| error.with_field("picture"))?,
                fill: TensorView::from_raw(&raw.fill).map_err(|error| error.with_field("fill"))?,
                rects: slice_from(raw.rects, raw.n_rects, "WgOcclusion.rects")?.iter().map(from_raw).collect(),
                fetch: str_from(raw.fetch)?,
            })
        }
    }

    fn occlusion(&self) -> Occlusion<'_> {
        Occlusion { picture: self.picture, fill: self.fill, rects: &self.rects, fetch: self.fetch }
    }
}

fn from_raw(rect: &WgRect) -> Rect {
    let [top, left, bottom, right] = [rect.top, rect.left, rect.bottom, rect.right].map(|at| at as usize);
    Rect { top, left, bottom, right }
}

/// The table behind `model`, where it has this extension.
pub(super) fn of(model: &WgModel) -> Option<&WgOcclude> {
    let extension = model.extension?;
    // SAFETY: the host's table lives as long as its model, and so does what it returns.
    unsafe { table_from(extension(model.self_, WgStr::new(OCCLUDE)).cast::<WgOcclude>()) }.ok()
}

/// What the rows of a running call are handed to.
struct Receiver<'a> {
    put: &'a mut dyn FnMut(usize, TensorView<'_>) -> Result<()>,
    failure: Option<Error>,
}

/// Asks the host's model.
pub(super) fn ask(
    model: &WgModel,
    call: &Call<'_>,
    occlusion: &Occlusion<'_>,
    put: &mut dyn FnMut(usize, TensorView<'_>) -> Result<()>,
) -> Result<()> {
    let Some(function) = of(model).and_then(|table| table.occlude) else {
        return Err(Error::unimplemented("this model computes each picture whole"));
    };
    let rects = occlusion.rects.iter().map(to_raw).collect::<Result<Vec<_>>>()?;
    let table = WgOcclusion {
        struct_size: size_of::<WgOcclusion>(),
        picture: occlusion.picture.raw(),
        fill: occlusion.fill.raw(),
        rects: rects.as_ptr(),
        n_rects: rects.len(),
        fetch: WgStr::new(occlusion.fetch),
    };
    let mut receiver = Receiver { put, failure: None };
    let ctx = (&raw mut receiver).cast::<c_void>();
    // SAFETY: every argument lives until the call returns, and `receive` takes the context for what it is.
    let status = unsafe { function(model.self_, call.raw(), &raw const table, ctx, Some(receive)) };
    match receiver.failure {
        Some(failure) => Err(failure),
        None => expect_ok(status, "WgOcclude.occlude"),
    }
}

fn to_raw(rect: &Rect) -> Result<WgRect> {
    let at =
        |at: usize| u32::try_from(at).map_err(|_| Error::invalid_argument("rects", "a rectangle leaves the picture"));
    Ok(WgRect { top: at(rect.top)?, left: at(rect.left)?, bottom: at(rect.bottom)?, right: at(rect.right)? })
}

unsafe extern "C" fn receive(ctx: *mut c_void, first: usize, rows: *const WgTensor) -> WgStatus {
    // SAFETY: the context that `ask` has given away, from the thread that waits in it.
    let Some(receiver) = (unsafe { ctx.cast::<Receiver<'_>>().as_mut() }) else { return WG_INVALID_ARGUMENT };
    let received = catch_unwind(AssertUnwindSafe(|| {
        // SAFETY: the host lends the tensor until this returns.
        let rows = unsafe { rows.as_ref() }.ok_or(Violation::Null { what: "the rows" })?;
        // SAFETY: as above.
        (receiver.put)(first, unsafe { TensorView::from_raw(rows) }?)
    }));
    match received {
        Ok(Ok(())) => WG_OK,
        Ok(Err(error)) => {
            let status = error.status.code();
            receiver.failure = Some(error);
            status
        }
        Err(payload) => {
            receiver.failure = Some(Error::internal(super::panic_message(payload)));
            WG_INTERNAL
        }
    }
}
