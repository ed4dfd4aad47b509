//! The line between the engine and a plugin that is written against the raw tables: entries are empty after whatever
//! went wrong, and the end comes in order.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod fake;

use std::ffi::c_void;
use std::ptr::null;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::{Mutex, MutexGuard};
use serde_json::json;
use whyglass_abi::*;
use whyglass_engine::{Config, CreateOptions, Engine, EventKind, Finished, Limits, RunSpec, WatchOptions};

/// What has been called at the end, in order.
static ENDED: Mutex<Vec<&str>> = Mutex::new(Vec::new());
/// After which calls of the model an entry was not empty.
static LEFT: Mutex<Vec<String>> = Mutex::new(Vec::new());
static RELEASED: AtomicU32 = AtomicU32::new(0);

unsafe extern "C" fn release(_: *mut WgOwned) {
    RELEASED.fetch_add(1, Ordering::Relaxed);
}

/// Something that is not ours to release.
fn foreign() -> WgOwned {
    WgOwned { release: Some(release), ..WgOwned::EMPTY }
}

unsafe extern "C" fn load(_: *const WgCall, _: WgStr, _: WgStr, out: *mut WgModel) -> WgStatus {
    let descriptor = r#"{"input":{"height":8,"width":8},"classes":2,"layers":[{"id":"leaves"},{"id":"cancels"}]}"#;
    // SAFETY: the host's own table.
    unsafe {
        (*out).descriptor = WgStr::new(descriptor);
        (*out).run = Some(run);
        (*out).vjp = Some(vjp);
        (*out).extension = Some(extension);
    }
    WG_OK
}

unsafe extern "C" fn unload(_: *mut WgModel) {
    ENDED.lock().push("unload");
}

unsafe extern "C" fn extension(_: *mut c_void, _: WgStr) -> *const c_void {
    let mut ended = ENDED.lock();
    if ended.contains(&"unload") {
        ended.push("asked after it was unloaded");
    }
    null()
}

/// Logits are answered. `leaves` and `cancels` fail, and leave what they had begun.
unsafe extern "C" fn run(
    _: *mut c_void,
    call: *const WgCall,
    _: *const WgNamedTensor,
    _: usize,
    fetches: *const WgStr,
    _: usize,
    out: *mut WgOwned,
) -> WgStatus {
    // SAFETY: the host lends a list of at least one name, and as many entries.
    unsafe {
        let fetch = whyglass_abi::safe::str_from(*fetches).unwrap();
        if fetch == "logits" {
            let logits = whyglass_abi::safe::OwnedTensor::from_vec(vec![1, 2], vec![0.5, 0.25]).unwrap();
            out.write(logits.into_raw());
            return WG_OK;
        }
        out.write(foreign());
        if fetch == "cancels" { WG_CANCELLED } else { fail(call) }
    }
}

unsafe extern "C" fn vjp(_: *mut c_void, call: *const WgCall, _: *const WgVjp, out: *mut WgOwned) -> WgStatus {
    // SAFETY: the host's entries.
    unsafe {
        out.write(foreign());
        fail(call)
    }
}

unsafe fn fail(call: *const WgCall) -> WgStatus {
    let text = WgStr::new;
    // SAFETY: the call runs.
    unsafe { (*call).fail.unwrap()(call, WG_INTERNAL, text("ON_PURPOSE"), text(""), text("on purpose")) };
    WG_INTERNAL
}

unsafe fn emit(call: *const WgCall) -> WgStatus {
    let (value, shape) = ([1.0_f32], [1_i64, 1]);
    let tensor = WgTensor { data: value.as_ptr().cast_mut().cast(), shape: shape.as_ptr(), rank: 2, dtype: WG_F32 };
    let event = WgEvent {
        struct_size: size_of::<WgEvent>(),
        kind: WG_EVENT_KEYFRAME,
        artifact_kind: WG_ARTIFACT_MAP,
        artifact: WgStr::new("map"),
        step: 0,
        total: 0,
        y: 0,
        x: 0,
        tensor: &raw const tensor,
        standard_error: null(),
        meta: WgStr::new(r#"{"cell":[1,1]}"#),
    };
    // SAFETY: the call runs, and everything lives until this returns.
    unsafe { (*call).emit.unwrap()(call, &raw const event) }
}

/// Asks the model wrongly in every way, with entries that have never been initialised, as far as anybody can tell.
unsafe extern "C" fn asks(call: *const WgCall, model: *const WgModel, _: *const WgRequest, _: WgStr) -> WgStatus {
    let (pixels, shape) = (vec![0.5_f32; 3 * 64], [1_i64, 3, 8, 8]);
    let tensor = WgTensor { data: pixels.as_ptr().cast_mut().cast(), shape: shape.as_ptr(), rank: 4, dtype: WG_F32 };
    let input = WgNamedTensor { name: WgStr::new("input"), tensor };
    let nobody = WgNamedTensor { name: WgStr::new("nobody"), tensor };
    let many = vec![WgStr::new("logits"); 2000];
    // SAFETY: the host's model, and what is lent lives until each call returns.
    unsafe {
        let model = &*model;
        let table = |what: &str, feeds: *const WgNamedTensor, n_feeds: usize, fetches: &[WgStr]| {
            let mut out: Vec<WgOwned> = fetches.iter().map(|_| foreign()).collect();
            let (names, count) = (fetches.as_ptr(), fetches.len());
            let status = model.run.unwrap()(model.self_, call, feeds, n_feeds, names, count, out.as_mut_ptr());
            note(what, status, &out);
        };
        table("an unknown node", &raw const input, 1, &[WgStr::new("logits"), WgStr::new("nobody")]);
        table("an unknown feed", &raw const nobody, 1, &[WgStr::new("logits")]);
        table("no feeds where there should be some", null(), 1, &[WgStr::new("logits")]);
        table("too many", &raw const input, 1, &many);
        table("a model that fails", &raw const input, 1, &[WgStr::new("leaves")]);
        table("a model that was cancelled", &raw const input, 1, &[WgStr::new("cancels")]);
        for (what, wrt) in [("an unknown gradient", "nobody"), ("gradients that fail", "input")] {
            let wrt = WgStr::new(wrt);
            let vjp = WgVjp {
                struct_size: size_of::<WgVjp>(),
                feeds: &raw const input,
                n_feeds: 1,
                cotangents: null(),
                n_cotangents: 0,
                wrt: &raw const wrt,
                n_wrt: 1,
                fetches: null(),
                n_fetches: 0,
                rule: WG_RULE_STANDARD,
                reserved: 0,
            };
            let mut out = [foreign()];
            let status = model.vjp.unwrap()(model.self_, call, &raw const vjp, out.as_mut_ptr());
            note(what, status, &out);
        }
        emit(call)
    }
}

fn note(what: &str, status: WgStatus, out: &[WgOwned]) {
    if status == WG_OK || out.iter().any(|entry| entry.release.is_some()) {
        LEFT.lock().push(format!("{what}: status {status}"));
    }
}

/// Emits its map and hears nothing for longer than an engine waits.
unsafe extern "C" fn sleeps(call: *const WgCall, model: *const WgModel, _: *const WgRequest, _: WgStr) -> WgStatus {
    // SAFETY: the call runs.
    let status = unsafe { emit(call) };
    std::thread::sleep(Duration::from_millis(1200));
    // SAFETY: the call still runs, as far as the plugin knows.
    assert!(unsafe { (*model).extension.unwrap()((*model).self_, WgStr::new(OCCLUDE)) }.is_null());
    ENDED.lock().push("returned");
    status
}

unsafe extern "C" fn shutdown() {
    ENDED.lock().push("shutdown");
}

fn leak<T>(value: T) -> *const T {
    Box::leak(Box::new(value))
}

/// An engine with the plugin; one test at a time, since what a plugin notes is the process's.
fn engine(limits: Limits) -> (MutexGuard<'static, ()>, tempfile::TempDir, Arc<Engine>) {
    static ALONE: Mutex<()> = Mutex::new(());
    let alone = ALONE.lock();
    ENDED.lock().clear();
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("raw")).unwrap();
    std::fs::write(folder.path().join("raw/model.toml"), "file = 'model.raw'\n").unwrap();
    std::fs::write(folder.path().join("raw/model.raw"), "").unwrap();
    let engine = Engine::start(Config { models: vec![folder.path().to_owned()], limits, ..Config::default() }).unwrap();
    let backend = leak(WgBackend {
        struct_size: size_of::<WgBackend>(),
        id: WgStr::new("raw"),
        descriptor: WgStr::new(r#"{"formats":["raw"]}"#),
        load: Some(load),
        unload: Some(unload),
    });
    let explainer = |id, explain| {
        leak(WgExplainer {
            struct_size: size_of::<WgExplainer>(),
            id: WgStr::new(id),
            descriptor: WgStr::new(r#"{"params":{"type":"object"},"artifacts":[{"id":"map","kind":"map"}]}"#),
            resolve: None,
            explain: Some(explain),
        })
    };
    let explainers = leak([explainer("asks", asks), explainer("sleeps", sleeps)]);
    let plugin = leak(WgPlugin {
        struct_size: size_of::<WgPlugin>(),
        abi_major: WG_ABI_MAJOR,
        abi_minor: WG_ABI_MINOR,
        reserved: 0,
        id: WgStr::new("raw"),
        version: WgStr::new("1"),
        backends: leak(backend),
        n_backends: 1,
        explainers: explainers.cast(),
        n_explainers: 2,
        shutdown: Some(shutdown),
    });
    // SAFETY: everything is leaked, and the functions keep to the header, but for what is tested.
    let info = unsafe { engine.register(plugin) };
    assert_eq!(info.state_reason, "");
    (alone, folder, engine)
}

fn create(engine: &Engine, technique: &str) -> String {
    let spec = RunSpec { model: "raw".into(), ..fake::spec(technique, json!({})) };
    engine.create_runs(vec![spec], CreateOptions::default()).unwrap().remove(0)
}

fn finished(engine: &Engine, run: &str) -> Arc<Finished> {
    let mut watcher = engine.watch(run, 0, WatchOptions::default()).unwrap();
    while let Some(event) = watcher.wait() {
        if let EventKind::Finished(finished) = &event.kind {
            return Arc::clone(finished);
        }
    }
    panic!("no end");
}

#[test]
fn every_entry_is_empty_after_a_call_that_did_not_go_well_and_nothing_foreign_is_released() {
    let (_alone, _folder, engine) = engine(Limits::default());
    let run = create(&engine, "asks");
    let end = finished(&engine, &run);
    assert_eq!(*LEFT.lock(), [""; 0], "{:?}", end.status);
    assert_eq!(RELEASED.load(Ordering::Relaxed), 0);
    assert!(end.complete, "{:?}", end.status);
    let model = engine.model("raw").unwrap();
    assert_eq!(model.descriptor().classes, 2, "it is used no less for it");
}

#[test]
fn models_are_unloaded_before_their_plugin_is_shut_down_although_results_are_still_read() {
    let (_alone, _folder, engine) = engine(Limits::default());
    let run = create(&engine, "asks");
    finished(&engine, &run);
    let model = engine.model("raw").unwrap();
    engine.shutdown(Duration::ZERO);
    assert_eq!(*ENDED.lock(), ["unload", "shutdown"]);
    assert!(finished(&engine, &run).complete);
    engine.classify(&model, &fake::pixels(), 1).unwrap_err();
    engine.shutdown(Duration::ZERO);
    drop((model, engine));
    assert_eq!(*ENDED.lock(), ["unload", "shutdown"], "once");
}

#[test]
fn a_plugin_that_does_not_return_is_not_shut_down_beside_its_call() {
    let (_alone, _folder, engine) = engine(Limits { unresponsive: Duration::from_millis(50), ..Limits::default() });
    let run = create(&engine, "sleeps");
    while engine.artifact(&run, "map").is_err() {
        std::thread::sleep(Duration::from_millis(2));
    }
    engine.shutdown(Duration::ZERO);
    assert_eq!(finished(&engine, &run).status.reason, "PLUGIN_UNRESPONSIVE");
    while !ENDED.lock().contains(&"returned") {
        std::thread::sleep(Duration::from_millis(20));
    }
    drop(engine);
    assert_eq!(*ENDED.lock(), ["unload", "returned"]);
}
