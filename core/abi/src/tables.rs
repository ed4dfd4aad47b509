//! The tables themselves, in the order of `include/whyglass.h`, where ownership and thread tags are written down.
//! Every function pointer is an `Option`: null is a value that the other side may send, never undefined behaviour.

#![allow(missing_docs)] // fields are documented once, in include/whyglass.h

use core::ffi::c_void;

/// UTF-8, borrowed, not NUL-terminated. `ptr` may be null when `len` is 0.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct WgStr {
    pub ptr: *const u8,
    pub len: usize,
}

impl WgStr {
    /// The empty string.
    pub const EMPTY: Self = Self { ptr: core::ptr::null(), len: 0 };

    /// Borrows `text`; the caller keeps it alive for as long as the other side may read it.
    #[must_use]
    pub const fn new(text: &str) -> Self {
        Self { ptr: text.as_ptr(), len: text.len() }
    }
}

/// A status: gRPC's numbers, so that the server maps them one to one. Unknown values are treated as [`WG_UNKNOWN`].
pub type WgStatus = i32;
pub const WG_OK: WgStatus = 0;
pub const WG_CANCELLED: WgStatus = 1;
pub const WG_UNKNOWN: WgStatus = 2;
pub const WG_INVALID_ARGUMENT: WgStatus = 3;
pub const WG_DEADLINE_EXCEEDED: WgStatus = 4;
pub const WG_NOT_FOUND: WgStatus = 5;
pub const WG_PERMISSION_DENIED: WgStatus = 7;
pub const WG_RESOURCE_EXHAUSTED: WgStatus = 8;
pub const WG_FAILED_PRECONDITION: WgStatus = 9;
pub const WG_ABORTED: WgStatus = 10;
pub const WG_OUT_OF_RANGE: WgStatus = 11;
pub const WG_UNIMPLEMENTED: WgStatus = 12;
pub const WG_INTERNAL: WgStatus = 13;
pub const WG_UNAVAILABLE: WgStatus = 14;
pub const WG_DATA_LOSS: WgStatus = 15;
/// The function panicked (or threw); the technique or model behind it is disabled.
pub const WG_PANIC: WgStatus = 100;

/// `WgTensor::dtype`: 32-bit float.
pub const WG_F32: u32 = 1;
/// `WgTensor::dtype`: 64-bit signed integer (labels, indices).
pub const WG_I64: u32 = 2;

/// The largest `WgTensor::rank`.
pub const WG_MAX_RANK: u32 = 8;

/// Host memory, row-major, contiguous; borrowed.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct WgTensor {
    pub data: *mut c_void,
    pub shape: *const i64,
    pub rank: u32,
    pub dtype: u32,
}

/// A tensor that its receiver releases, exactly once. Empty: `release` is null.
#[repr(C)]
#[derive(Debug)]
pub struct WgOwned {
    pub tensor: WgTensor,
    pub owner: *mut c_void,
    pub release: Option<unsafe extern "C" fn(*mut WgOwned)>,
}

impl WgOwned {
    /// What every out entry holds on any status but [`WG_OK`].
    pub const EMPTY: Self = Self {
        tensor: WgTensor { data: core::ptr::null_mut(), shape: core::ptr::null(), rank: 0, dtype: 0 },
        owner: core::ptr::null_mut(),
        release: None,
    };
}

/// A borrowed tensor with the id of the node that it feeds.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct WgNamedTensor {
    pub name: WgStr,
    pub tensor: WgTensor,
}

pub const WG_EVENT_PROGRESS: u32 = 1;
pub const WG_EVENT_KEYFRAME: u32 = 2;
pub const WG_EVENT_TILE: u32 = 3;
pub const WG_EVENT_METRICS: u32 = 4;
pub const WG_EVENT_NOTICE: u32 = 5;

pub const WG_ARTIFACT_MAP: u32 = 1;
pub const WG_ARTIFACT_IMAGE: u32 = 2;
pub const WG_ARTIFACT_POINTS: u32 = 3;
pub const WG_ARTIFACT_MATRIX: u32 = 4;
pub const WG_ARTIFACT_SERIES: u32 = 5;
pub const WG_ARTIFACT_TABLE: u32 = 6;

/// One thing that flows to the client while an explanation is computed.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct WgEvent {
    pub struct_size: usize,
    pub kind: u32,
    pub artifact_kind: u32,
    pub artifact: WgStr,
    pub step: u64,
    pub total: u64,
    pub y: u32,
    pub x: u32,
    pub tensor: *const WgTensor,
    pub standard_error: *const WgTensor,
    pub meta: WgStr,
}

/// `WgCall::log`, `WgHost::log`: severity.
pub const WG_LOG_ERROR: u32 = 1;
pub const WG_LOG_WARN: u32 = 2;
pub const WG_LOG_INFO: u32 = 3;
pub const WG_LOG_DEBUG: u32 = 4;
pub const WG_LOG_TRACE: u32 = 5;

/// One running call: its sink, its cancellation, its last error, its log. Never a thread's.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct WgCall {
    pub struct_size: usize,
    pub ctx: *mut c_void,
    pub emit: Option<unsafe extern "C" fn(*const WgCall, *const WgEvent) -> WgStatus>,
    pub is_cancelled: Option<unsafe extern "C" fn(*const WgCall) -> bool>,
    pub fail: Option<unsafe extern "C" fn(*const WgCall, WgStatus, reason: WgStr, field: WgStr, message: WgStr)>,
    pub log: Option<unsafe extern "C" fn(*const WgCall, level: u32, message: WgStr)>,
    pub live_params: Option<unsafe extern "C" fn(*const WgCall, params: *mut WgStr) -> bool>,
    pub threads: u32,
    pub reserved: u32,
}

pub const WG_RULE_STANDARD: u32 = 0;
pub const WG_RULE_GUIDED: u32 = 1;
pub const WG_RULE_DECONVNET: u32 = 2;

/// A vector–Jacobian product. A cotangent whose `data` is null stands for the node's own value, which is the gradient
/// of half its squared norm.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct WgVjp {
    pub struct_size: usize,
    pub feeds: *const WgNamedTensor,
    pub n_feeds: usize,
    pub cotangents: *const WgNamedTensor,
    pub n_cotangents: usize,
    pub wrt: *const WgStr,
    pub n_wrt: usize,
    pub fetches: *const WgStr,
    pub n_fetches: usize,
    pub rule: u32,
    pub reserved: u32,
}

/// A loaded model: filled by a back end, wrapped by the engine, used by explainers.
#[repr(C)]
#[derive(Debug)]
pub struct WgModel {
    pub struct_size: usize,
    pub self_: *mut c_void,
    pub descriptor: WgStr,
    pub run: Option<
        unsafe extern "C" fn(
            self_: *mut c_void,
            call: *const WgCall,
            feeds: *const WgNamedTensor,
            n_feeds: usize,
            fetches: *const WgStr,
            n_fetches: usize,
            out: *mut WgOwned,
        ) -> WgStatus,
    >,
    pub vjp: Option<
        unsafe extern "C" fn(self_: *mut c_void, call: *const WgCall, vjp: *const WgVjp, out: *mut WgOwned) -> WgStatus,
    >,
    pub extension: Option<unsafe extern "C" fn(self_: *mut c_void, id: WgStr) -> *const c_void>,
}

/// Rows `top..bottom` and columns `left..right` of a picture.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WgRect {
    pub top: u32,
    pub left: u32,
    pub bottom: u32,
    pub right: u32,
}

/// One picture, and what is to be hidden of it.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct WgOcclusion {
    pub struct_size: usize,
    pub picture: WgTensor,
    pub fill: WgTensor,
    pub rects: *const WgRect,
    pub n_rects: usize,
    pub fetch: WgStr,
}

/// Receives the values of some rectangles, from number `first` on.
pub type PutRows = unsafe extern "C" fn(ctx: *mut c_void, first: usize, rows: *const WgTensor) -> WgStatus;

/// Receives one line of a plan, which is lent until it returns.
pub type PutLine = unsafe extern "C" fn(ctx: *mut c_void, line: WgStr);

/// The extension [`OCCLUDE`](crate::OCCLUDE) of a model.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct WgOcclude {
    pub struct_size: usize,
    pub occlude: Option<
        unsafe extern "C" fn(
            self_: *mut c_void,
            call: *const WgCall,
            occlusion: *const WgOcclusion,
            ctx: *mut c_void,
            put: Option<PutRows>,
        ) -> WgStatus,
    >,
    pub plan: Option<
        unsafe extern "C" fn(
            self_: *mut c_void,
            call: *const WgCall,
            occlusion: *const WgOcclusion,
            ctx: *mut c_void,
            put: Option<PutLine>,
        ) -> WgStatus,
    >,
}

/// Loads model files.
#[repr(C)]
#[derive(Debug)]
pub struct WgBackend {
    pub struct_size: usize,
    pub id: WgStr,
    pub descriptor: WgStr,
    pub load:
        Option<unsafe extern "C" fn(call: *const WgCall, path: WgStr, options: WgStr, out: *mut WgModel) -> WgStatus>,
    pub unload: Option<unsafe extern "C" fn(*mut WgModel)>,
}

/// Pictures on demand. A single picture is a set of one.
#[repr(C)]
#[derive(Debug)]
pub struct WgImages {
    pub struct_size: usize,
    pub ctx: *mut c_void,
    pub count: usize,
    pub descriptor: WgStr,
    pub get: Option<
        unsafe extern "C" fn(images: *const WgImages, call: *const WgCall, index: usize, out: *mut WgOwned) -> WgStatus,
    >,
    pub label: Option<unsafe extern "C" fn(images: *const WgImages, index: usize) -> i64>,
}

/// What is to be explained.
#[repr(C)]
#[derive(Debug)]
pub struct WgRequest {
    pub struct_size: usize,
    pub images: *const WgImages,
    pub target: i64,
    pub seed: u64,
    pub inputs: *const WgNamedTensor,
    pub n_inputs: usize,
}

/// One explanation technique.
#[repr(C)]
#[derive(Debug)]
pub struct WgExplainer {
    pub struct_size: usize,
    pub id: WgStr,
    pub descriptor: WgStr,
    pub resolve: Option<
        unsafe extern "C" fn(
            call: *const WgCall,
            model: *const WgModel,
            params: WgStr,
            ctx: *mut c_void,
            put: Option<unsafe extern "C" fn(ctx: *mut c_void, resolved: WgStr)>,
        ) -> WgStatus,
    >,
    pub explain: Option<
        unsafe extern "C" fn(
            call: *const WgCall,
            model: *const WgModel,
            request: *const WgRequest,
            params: WgStr,
        ) -> WgStatus,
    >,
}

/// The host, as a plugin sees it. Lives as long as the process.
#[repr(C)]
#[derive(Debug)]
pub struct WgHost {
    pub struct_size: usize,
    pub abi_major: u16,
    pub abi_minor: u16,
    pub reserved: u32,
    pub name: WgStr,
    pub version: WgStr,
    pub ctx: *mut c_void,
    pub log: Option<unsafe extern "C" fn(ctx: *mut c_void, level: u32, target: WgStr, message: WgStr)>,
    pub extension: Option<unsafe extern "C" fn(ctx: *mut c_void, id: WgStr) -> *const c_void>,
}

/// What a plugin offers. Lives as long as the process.
#[repr(C)]
#[derive(Debug)]
pub struct WgPlugin {
    pub struct_size: usize,
    pub abi_major: u16,
    pub abi_minor: u16,
    pub reserved: u32,
    pub id: WgStr,
    pub version: WgStr,
    pub backends: *const *const WgBackend,
    pub n_backends: usize,
    pub explainers: *const *const WgExplainer,
    pub n_explainers: usize,
    pub shutdown: Option<unsafe extern "C" fn()>,
}
