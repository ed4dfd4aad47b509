//! Techniques whose events are fine, if they have any, and whose answers are not.

use crate::raw::{NO_PARAMS, keyframe, table};
use whyglass_abi::*;
use whyglass_sdk::prelude::*;

pub(crate) fn tables() -> Vec<*const WgExplainer> {
    vec![table("wrong-status", NO_PARAMS, wrong_status), table("throws-cpp", NO_PARAMS, whyglass_hostile_throws)]
}

unsafe extern "C" {
    /// throws-cpp: see `throws.cpp`.
    fn whyglass_hostile_throws(
        call: *const WgCall,
        model: *const WgModel,
        request: *const WgRequest,
        params: WgStr,
    ) -> WgStatus;
}

/// wrong-status: a number that no status has.
unsafe extern "C" fn wrong_status(call: *const WgCall, _: *const WgModel, _: *const WgRequest, _: WgStr) -> WgStatus {
    // SAFETY: the call runs.
    unsafe { keyframe(call, 2, 2) };
    77
}

/// never-emits: says that all went well, and has nothing to show.
pub(crate) struct NeverEmits;

impl Explainer for NeverEmits {
    type Params = NoParams;
    const ID: &'static str = "never-emits";

    fn descriptor(&self) -> json::ExplainerDescriptor {
        json::ExplainerDescriptor {
            title: "Never emits".into(),
            family: "hostile".into(),
            artifacts: vec![artifact("map", Kind::Map)],
            ..Default::default()
        }
    }

    fn explain(&self, _: &Call<'_>, _: &dyn Model, _: &Request<'_>, _: &NoParams) -> Result<()> {
        Ok(())
    }
}
