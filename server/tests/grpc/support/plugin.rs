//! A plugin that is linked into the tests: a back end with a model that can be worked out by hand, and techniques that do
//! nothing but what a test needs to see.

use std::path::Path;
use std::time::{Duration, Instant};

use whyglass_abi::{WG_ABI_MAJOR, WG_ABI_MINOR, WgHost, WgStr};
use whyglass_engine::Engine;
use whyglass_sdk::export::{Exported, Plugin, entry};
use whyglass_sdk::prelude::*;
use whyglass_sdk::testing::conv_net;

/// Every `.tiny` file is the same network with three classes and an input of 8×8; a number in it is how many
/// milliseconds it takes to load.
struct Tiny;

impl Backend for Tiny {
    const ID: &'static str = "tiny";

    fn descriptor(&self) -> json::BackendDescriptor {
        json::BackendDescriptor { formats: vec!["tiny".into()], devices: vec!["cpu".into()], ..Default::default() }
    }

    fn load(&self, _: &Call<'_>, path: &Path, _: json::LoadOptions) -> Result<Box<dyn Model>> {
        let text = std::fs::read_to_string(path).map_err(|error| Error::internal(error.to_string()))?;
        std::thread::sleep(Duration::from_millis(text.parse().unwrap_or_default()));
        Ok(Box::new(conv_net(8, 8)))
    }
}

fn pause(call: &Call<'_>, ms: u64) -> Result<()> {
    let until = Instant::now() + Duration::from_millis(ms);
    loop {
        call.check()?;
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        std::thread::sleep(left.min(Duration::from_millis(2)));
    }
}

fn described(kind: Kind) -> json::ExplainerDescriptor {
    json::ExplainerDescriptor { artifacts: vec![artifact("out", kind)], progressive: true, ..Default::default() }
}

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct SweepParams {
    /// Cells of a side.
    #[schemars(range(min = 1, max = 64))]
    side: u32,
    /// Between cells.
    delay_ms: u64,
    /// What cell `i` becomes: `gain · (i + 1)`.
    #[schemars(extend("x-live" = true))]
    gain: f32,
    /// Fails before this cell.
    fail_at: Option<u64>,
    panic: bool,
}

impl Default for SweepParams {
    fn default() -> Self {
        Self { side: 4, delay_ms: 0, gain: 1.0, fail_at: None, panic: false }
    }
}

/// Fills a map cell by cell.
struct Sweep;

impl Explainer for Sweep {
    type Params = SweepParams;
    const ID: &'static str = "sweep";

    fn descriptor(&self) -> json::ExplainerDescriptor {
        described(Kind::Map)
    }

    fn explain(&self, call: &Call<'_>, _: &dyn Model, _: &Request<'_>, params: &SweepParams) -> Result<()> {
        let side = params.side as usize;
        let total = (side * side) as u64;
        let shape = [side as i64; 2];
        let meta = json::MapMeta { cell: [8.0 / side as f64; 2], ..Default::default() };
        call.map("out").keyframe(TensorView::new(&shape, &vec![f32::NAN; side * side]), &meta)?;
        let mut gain = params.gain;
        for i in 0..total {
            if params.fail_at == Some(i) {
                assert!(!params.panic, "on purpose");
                return Err(Error::failed_precondition("ON_PURPOSE", "the test wants it so"));
            }
            if let Some(live) = call.live_params::<SweepParams>() {
                gain = live.gain;
            }
            pause(call, params.delay_ms)?;
            let (y, x) = (i as usize / side, i as usize % side);
            call.map("out").at(i + 1, total).tile(y, x, TensorView::new(&[1, 1], &[gain * (i + 1) as f32]))?;
            call.progress(i + 1, total)?;
        }
        Ok(())
    }
}

#[derive(Clone, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
struct FrameParams {
    frames: u64,
    side: u32,
    delay_ms: u64,
}

impl Default for FrameParams {
    fn default() -> Self {
        Self { frames: 4, side: 16, delay_ms: 0 }
    }
}

fn frames<'a>(call: &'a Call<'a>, params: &FrameParams, mut send: impl FnMut(u64, &[f32]) -> Result<()>) -> Result<()> {
    for frame in 0..params.frames {
        pause(call, params.delay_ms)?;
        let side = params.side as usize;
        // Noise does not compress away.
        let noise =
            |i: usize| (((i as u64 + 1) * (frame + 7)).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) as f32 / 16_777_216.0;
        send(frame, &(0..3 * side * side).map(noise).collect::<Vec<_>>())?;
    }
    Ok(())
}

/// Sends whole images.
struct Dream;

impl Explainer for Dream {
    type Params = FrameParams;
    const ID: &'static str = "dream";

    fn descriptor(&self) -> json::ExplainerDescriptor {
        described(Kind::Image)
    }

    fn explain(&self, call: &Call<'_>, _: &dyn Model, _: &Request<'_>, params: &FrameParams) -> Result<()> {
        let shape = [3, i64::from(params.side), i64::from(params.side)];
        frames(call, params, |frame, values| {
            let meta = json::ImageMeta { level: Some(frame as u32), ..Default::default() };
            call.image("out").keyframe(TensorView::new(&shape, values), &meta)
        })
    }
}

/// Sends whole maps, three times as high as wide.
struct Flood;

impl Explainer for Flood {
    type Params = FrameParams;
    const ID: &'static str = "flood";

    fn descriptor(&self) -> json::ExplainerDescriptor {
        described(Kind::Map)
    }

    fn explain(&self, call: &Call<'_>, _: &dyn Model, _: &Request<'_>, params: &FrameParams) -> Result<()> {
        let shape = [3 * i64::from(params.side), i64::from(params.side)];
        let meta = json::MapMeta { cell: [1.0, 1.0], ..Default::default() };
        frames(call, params, |_, values| call.map("out").keyframe(TensorView::new(&shape, values), &meta))
    }
}

/// Makes the plugin known to an engine.
/// Counts the pictures of each class of a dataset, in a matrix that grows with each of them.
struct Roll;

impl Explainer for Roll {
    type Params = NoParams;
    const ID: &'static str = "roll";

    fn descriptor(&self) -> json::ExplainerDescriptor {
        json::ExplainerDescriptor { needs: vec![Need::Dataset], ..described(Kind::Matrix) }
    }

    fn explain(&self, call: &Call<'_>, _: &dyn Model, request: &Request<'_>, _: &NoParams) -> Result<()> {
        let mut counts = [0.0; 9];
        for index in 0..request.images().count() {
            if request.images().get(call, index).is_ok() {
                counts[4 * request.images().label(index).unwrap_or_default()] += 1.0;
            }
            call.matrix("out").keyframe(TensorView::new(&[3, 3], &counts), &json::TableMeta::default())?;
        }
        Ok(())
    }
}

pub fn register(engine: &Engine) {
    static EXPORTED: Exported = Exported::new();
    let host: &'static WgHost = Box::leak(Box::new(WgHost {
        struct_size: size_of::<WgHost>(),
        abi_major: WG_ABI_MAJOR,
        abi_minor: WG_ABI_MINOR,
        reserved: 0,
        name: WgStr::new("test"),
        version: WgStr::new("0"),
        ctx: std::ptr::null_mut(),
        log: None,
        extension: None,
    }));
    let build = || {
        Plugin::new("tests", "1.0.0").backend(Tiny).explainer(Sweep).explainer(Dream).explainer(Flood).explainer(Roll)
    };
    // SAFETY: the host lives for ever, and so do the tables that the SDK makes.
    let info = unsafe { engine.register(entry(&EXPORTED, host, build)) };
    assert_eq!(info.state_reason, "");
}
