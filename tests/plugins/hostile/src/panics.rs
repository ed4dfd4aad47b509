//! Panics, in every place where a technique may have one. They go through the SDK's trampolines.

use whyglass_sdk::prelude::*;

fn described(title: &str) -> json::ExplainerDescriptor {
    json::ExplainerDescriptor {
        title: title.into(),
        family: "hostile".into(),
        artifacts: vec![artifact("map", Kind::Map)],
        ..Default::default()
    }
}

fn emit_map(call: &Call<'_>) -> Result<()> {
    call.map("map")
        .keyframe(TensorView::new(&[1, 1], &[1.0]), &json::MapMeta { cell: [1.0, 1.0], ..Default::default() })
}

/// panics-in-resolve: before any run exists.
pub(crate) struct InResolve;

impl Explainer for InResolve {
    type Params = NoParams;
    const ID: &'static str = "panics-in-resolve";

    fn descriptor(&self) -> json::ExplainerDescriptor {
        described("Panics in resolve")
    }

    fn resolve(&self, _: &Call<'_>, _: &dyn Model, _: NoParams) -> Result<NoParams> {
        panic!("resolve panics on purpose");
    }

    fn explain(&self, call: &Call<'_>, _: &dyn Model, _: &Request<'_>, _: &NoParams) -> Result<()> {
        emit_map(call)
    }
}

/// panics-in-explain: after a keyframe, so that there is something to keep.
pub(crate) struct InExplain;

impl Explainer for InExplain {
    type Params = NoParams;
    const ID: &'static str = "panics-in-explain";

    fn descriptor(&self) -> json::ExplainerDescriptor {
        described("Panics in explain")
    }

    fn explain(&self, call: &Call<'_>, _: &dyn Model, _: &Request<'_>, _: &NoParams) -> Result<()> {
        emit_map(call)?;
        panic!("explain panics on purpose");
    }
}

/// panics-with-payload: a payload that is not a string, and that panics again when it is dropped.
pub(crate) struct WithPayload;

struct Grenade;

impl Drop for Grenade {
    fn drop(&mut self) {
        panic!("the payload panics when it is dropped");
    }
}

impl Explainer for WithPayload {
    type Params = NoParams;
    const ID: &'static str = "panics-with-payload";

    fn descriptor(&self) -> json::ExplainerDescriptor {
        described("Panics with a payload")
    }

    fn explain(&self, _: &Call<'_>, _: &dyn Model, _: &Request<'_>, _: &NoParams) -> Result<()> {
        std::panic::panic_any(Grenade);
    }
}

/// panics-in-thread: in a thread of its own; the technique itself goes on and ends well.
pub(crate) struct InThread;

impl Explainer for InThread {
    type Params = NoParams;
    const ID: &'static str = "panics-in-thread";

    fn descriptor(&self) -> json::ExplainerDescriptor {
        described("Panics in a thread")
    }

    fn explain(&self, call: &Call<'_>, _: &dyn Model, _: &Request<'_>, _: &NoParams) -> Result<()> {
        let thread = std::thread::spawn(|| panic!("a thread of the plugin's panics on purpose"));
        assert!(thread.join().is_err());
        emit_map(call)
    }
}
