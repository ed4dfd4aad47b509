//! The line itself: a plugin made by `export_plugin!` is opened as a host opens it and driven through its raw tables.
//! `cargo test -p whyglass-sdk` builds the fixture (an example) first.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use core::ffi::c_void;
use core::ptr::{from_ref, null, null_mut};
use std::sync::Mutex;
use whyglass_abi::safe::{OwnedTensor, str_from};
use whyglass_abi::*;
use whyglass_sdk::testing::{Event, Recorder};
use whyglass_sdk::{Status, json};

static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());

unsafe extern "C" fn log(_: *mut c_void, level: u32, _target: WgStr, message: WgStr) {
    // SAFETY: the message lives until this returns.
    LOG.lock().unwrap().push(format!("{level}: {}", unsafe { str_from(message) }.unwrap()));
}

fn host() -> &'static WgHost {
    Box::leak(Box::new(WgHost {
        struct_size: size_of::<WgHost>(),
        abi_major: WG_ABI_MAJOR,
        abi_minor: WG_ABI_MINOR,
        reserved: 0,
        name: WgStr::new("test"),
        version: WgStr::new("0"),
        ctx: null_mut(),
        log: Some(log),
        extension: None,
    }))
}

fn entry() -> EntryFn {
    let deps = std::env::current_exe().unwrap();
    let folder = deps.parent().and_then(|deps| deps.parent()).unwrap().join("examples");
    let path = folder.join(format!("{}fixture{}", std::env::consts::DLL_PREFIX, std::env::consts::DLL_SUFFIX));
    // SAFETY: our own fixture, never unloaded.
    unsafe {
        let library = Box::leak(Box::new(libloading::Library::new(&path).unwrap()));
        *library.get::<EntryFn>(ENTRY_SYMBOL).unwrap()
    }
}

fn plugin() -> &'static WgPlugin {
    // SAFETY: the host lives for ever, and so do the plugin's tables.
    unsafe { entry()(host()).as_ref() }.expect("the fixture accepts this host")
}

fn explainer(id: &str) -> &'static WgExplainer {
    let plugin = plugin();
    // SAFETY: the tables live for ever.
    unsafe {
        let tables = core::slice::from_raw_parts(plugin.explainers, plugin.n_explainers);
        tables.iter().map(|&table| &*table).find(|table| str_from(table.id) == Ok(id)).unwrap()
    }
}

fn backend() -> &'static WgBackend {
    // SAFETY: the fixture has one back end.
    unsafe { &**plugin().backends }
}

fn empty_model() -> WgModel {
    WgModel {
        struct_size: size_of::<WgModel>(),
        self_: null_mut(),
        descriptor: WgStr::EMPTY,
        run: None,
        vjp: None,
        extension: None,
    }
}

fn load(recorder: &Recorder, path: &str) -> (WgStatus, WgModel) {
    let mut model = empty_model();
    let load = backend().load.unwrap();
    // SAFETY: every argument lives until the call returns.
    let status = unsafe { load(recorder.raw(), WgStr::new(path), WgStr::new("{}"), &raw mut model) };
    (status, model)
}

const SHAPE: [i64; 4] = [1, 3, 2, 2];
/// Red 1 at the first two pixels, nothing else: channel 0 pools to 1/2, and class 0 is that.
const PIXELS: [f32; 12] = [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0];

unsafe extern "C" fn get(_: *const WgImages, _: *const WgCall, _: usize, out: *mut WgOwned) -> WgStatus {
    let picture = OwnedTensor::from_vec(SHAPE.to_vec(), PIXELS.to_vec()).unwrap();
    // SAFETY: one entry, as the header says.
    unsafe { out.write(picture.into_raw()) };
    WG_OK
}

fn explain(id: &str, params: &str, recorder: &Recorder) -> WgStatus {
    let (status, mut model) = load(recorder, "net");
    assert_eq!(status, WG_OK);
    let images = WgImages {
        struct_size: size_of::<WgImages>(),
        ctx: null_mut(),
        count: 1,
        descriptor: WgStr::EMPTY,
        get: Some(get),
        label: None,
    };
    let request = WgRequest {
        struct_size: size_of::<WgRequest>(),
        images: &raw const images,
        target: 0,
        seed: 1,
        inputs: null(),
        n_inputs: 0,
    };
    let explain = explainer(id).explain.unwrap();
    // SAFETY: every argument lives until the call returns.
    let status = unsafe { explain(recorder.raw(), &raw const model, &raw const request, WgStr::new(params)) };
    // SAFETY: the last call has returned.
    unsafe { backend().unload.unwrap()(&raw mut model) };
    assert!(model.self_.is_null() && model.run.is_none());
    status
}

#[test]
fn a_plugin_reports_itself_and_gives_the_same_table_twice() {
    let entry = entry();
    let host = host();
    // SAFETY: the host lives for ever.
    let (first, second) = unsafe { (entry(host), entry(host)) };
    assert!(!first.is_null() && core::ptr::eq(first, second));
    // SAFETY: the tables live for ever.
    unsafe {
        assert_eq!(str_from((*first).id), Ok("fixture"));
        assert_eq!(str_from((*first).version), Ok(env!("CARGO_PKG_VERSION")));
        assert_eq!(((*first).n_explainers, (*first).n_backends), (2, 1));
    }
    // SAFETY: the descriptor lives for ever.
    let text = unsafe { str_from(explainer("sound").descriptor) }.unwrap();
    let descriptor: json::ExplainerDescriptor = serde_json::from_str(text).unwrap();
    assert_eq!(descriptor.params["properties"]["gain"]["default"], 1.0);
    assert_eq!(descriptor.params["additionalProperties"], false);
}

#[test]
fn a_host_of_another_major_or_of_a_smaller_table_is_refused() {
    let entry = entry();
    let wrong = |change: fn(&mut WgHost)| {
        let mut host = WgHost { ..*host() };
        change(&mut host);
        // SAFETY: the entry function does not keep a host that it refuses.
        unsafe { entry(from_ref(&host)) }.is_null()
    };
    assert!(wrong(|host| host.abi_major = 2));
    assert!(wrong(|host| host.struct_size -= 8));
    // SAFETY: null is an answer that the entry function must survive.
    assert!(unsafe { entry(null()) }.is_null());
}

#[test]
fn a_technique_asks_the_model_through_the_tables_and_emits_what_it_found() {
    let recorder = Recorder::new();
    assert_eq!(explain("sound", r#"{"gain": 4}"#, &recorder), WG_OK, "{:?}", recorder.failures());
    let [Event::Keyframe { artifact, tensor, .. }] = &recorder.events()[..] else { panic!("{:?}", recorder.events()) };
    assert_eq!((artifact.as_str(), tensor.data()), ("map", &[2.0, 2.0][..]));
}

#[test]
fn a_wrong_parameter_comes_back_as_an_error_that_names_it() {
    let recorder = Recorder::new();
    assert_eq!(explain("sound", r#"{"gain": "loud"}"#, &recorder), WG_INVALID_ARGUMENT);
    assert_eq!(recorder.failures()[0].field, "gain");
}

#[test]
fn a_cancelled_call_ends_with_the_status_of_a_cancelled_call() {
    let recorder = Recorder::new();
    let (status, _) = load(&recorder, "net");
    assert_eq!(status, WG_OK);
    let (_, model) = load(&recorder, "net");
    recorder.cancel();
    let run = model.run.unwrap();
    let mut out = WgOwned::EMPTY;
    let name = WgStr::new("logits");
    // SAFETY: every argument lives until the call returns.
    let status = unsafe { run(model.self_, recorder.raw(), null(), 0, &raw const name, 1, &raw mut out) };
    assert_eq!(status, WG_CANCELLED);
    assert!(out.release.is_none() && recorder.failures().is_empty());
}

#[test]
fn a_panic_comes_back_as_a_status_with_its_message_and_its_place() {
    let recorder = Recorder::new();
    assert_eq!(explain("broken", "{}", &recorder), WG_PANIC);
    let failure = &recorder.failures()[0];
    assert_eq!((failure.status, failure.reason.as_str()), (Status::Panic, "PANIC"));
    assert!(failure.message.contains("out of cheese") && failure.message.contains("plugin.rs:"), "{failure}");
    assert!(LOG.lock().unwrap().iter().any(|line| line.starts_with("1:") && line.contains("out of cheese")));
}

#[test]
fn a_panic_whose_payload_is_not_a_string_comes_back_too() {
    let recorder = Recorder::new();
    assert_eq!(explain("broken", r#"{"payload": true}"#, &recorder), WG_PANIC);
    assert!(recorder.failures()[0].message.contains("not a string"));
}

#[test]
fn resolve_fills_in_what_depends_on_the_model_and_catches_its_panics() {
    unsafe extern "C" fn put(ctx: *mut c_void, resolved: WgStr) {
        // SAFETY: `ctx` is the string below, the text lives until this returns.
        unsafe { *ctx.cast::<String>() = str_from(resolved).unwrap().to_owned() };
    }
    let recorder = Recorder::new();
    let (_, model) = load(&recorder, "net");
    let mut resolved = String::new();
    let mut resolve = |id, params| {
        let resolve = explainer(id).resolve.unwrap();
        let ctx = (&raw mut resolved).cast();
        // SAFETY: every argument lives until the call returns.
        let status = unsafe { resolve(recorder.raw(), &raw const model, WgStr::new(params), ctx, Some(put)) };
        (status, resolved.clone())
    };
    assert_eq!(resolve("sound", ""), (WG_OK, r#"{"gain":1.0,"layer":"relu"}"#.to_owned()));
    assert_eq!(resolve("broken", r#"{"payload": true}"#).0, WG_PANIC);
    // SAFETY: a null put is an answer that the trampoline must survive.
    let status = unsafe {
        explainer("sound").resolve.unwrap()(recorder.raw(), &raw const model, WgStr::EMPTY, null_mut(), None)
    };
    assert_eq!(status, WG_INTERNAL);
    assert_eq!(recorder.failures().last().unwrap().reason, "ABI_VIOLATION");
}

#[test]
fn a_back_end_says_why_it_did_not_load() {
    let recorder = Recorder::new();
    assert_eq!(load(&recorder, "missing").0, WG_NOT_FOUND);
    let (status, model) = load(&recorder, "panics");
    assert_eq!(status, WG_PANIC);
    assert!(model.self_.is_null());
    assert_eq!(recorder.failures()[0].field, "path");
}

#[test]
fn a_model_without_gradients_has_no_vjp() {
    let recorder = Recorder::new();
    assert!(load(&recorder, "net").1.vjp.is_some());
    let (_, model) = load(&recorder, "no-gradients");
    assert!(model.vjp.is_none() && model.run.is_some());
}

#[test]
fn lies_about_feeds_come_back_as_errors_and_leave_the_out_entries_empty() {
    let recorder = Recorder::new();
    let (_, model) = load(&recorder, "net");
    let run = model.run.unwrap();
    let name = WgStr::new("logits");
    let good = WgTensor { data: PIXELS.as_ptr().cast_mut().cast(), shape: SHAPE.as_ptr(), rank: 4, dtype: WG_F32 };
    let ask = |tensor: WgTensor, feed: WgStr| {
        let feed = WgNamedTensor { name: feed, tensor };
        let mut out = WgOwned { release: Some(never), ..WgOwned::EMPTY };
        // SAFETY: every argument lives until the call returns; the lies are refused before they are followed.
        let status = unsafe { run(model.self_, recorder.raw(), &raw const feed, 1, &raw const name, 1, &raw mut out) };
        if status != WG_OK {
            assert!(out.release.is_none());
        } else {
            // SAFETY: filled by the call.
            drop(unsafe { OwnedTensor::from_raw(out) }.unwrap());
        }
        status
    };
    let input = WgStr::new("input");
    let negative = [1_i64, 3, -2, 2];
    let not_utf8 = WgStr { ptr: [0xc3_u8, 0x28].as_ptr(), len: 2 };
    assert_eq!(ask(good, input), WG_OK);
    assert_eq!(ask(WgTensor { data: null_mut(), ..good }, input), WG_INTERNAL);
    assert_eq!(ask(WgTensor { shape: negative.as_ptr(), ..good }, input), WG_INTERNAL);
    assert_eq!(ask(WgTensor { rank: 99, ..good }, input), WG_INTERNAL);
    assert_eq!(ask(WgTensor { dtype: WG_I64, ..good }, input), WG_INTERNAL);
    assert_eq!(ask(good, not_utf8), WG_INTERNAL);
    assert_eq!(ask(good, WgStr::new("elsewhere")), WG_INVALID_ARGUMENT);
    let failures = recorder.failures();
    assert_eq!(failures.len(), 6);
    assert!(failures[..5].iter().all(|failure| failure.reason == "ABI_VIOLATION"), "{failures:?}");
}

unsafe extern "C" fn never(_: *mut WgOwned) {
    unreachable!("the trampoline empties the entries before anything can fail");
}

#[test]
fn vjp_answers_through_the_tables() {
    let recorder = Recorder::new();
    let (_, model) = load(&recorder, "net");
    let feed = WgNamedTensor {
        name: WgStr::new("input"),
        tensor: WgTensor { data: PIXELS.as_ptr().cast_mut().cast(), shape: SHAPE.as_ptr(), rank: 4, dtype: WG_F32 },
    };
    let itself = WgNamedTensor { name: WgStr::new("logits"), tensor: WgOwned::EMPTY.tensor };
    let (wrt, fetch) = (WgStr::new("pool"), WgStr::new("logits"));
    let query = WgVjp {
        struct_size: size_of::<WgVjp>(),
        feeds: &raw const feed,
        n_feeds: 1,
        cotangents: &raw const itself,
        n_cotangents: 1,
        wrt: &raw const wrt,
        n_wrt: 1,
        fetches: &raw const fetch,
        n_fetches: 1,
        rule: 77, // not known: the standard rule
        reserved: 0,
    };
    let mut out = [WgOwned::EMPTY, WgOwned::EMPTY];
    // SAFETY: every argument lives until the call returns.
    let status = unsafe { model.vjp.unwrap()(model.self_, recorder.raw(), &raw const query, out.as_mut_ptr()) };
    assert_eq!(status, WG_OK, "{:?}", recorder.failures());
    // SAFETY: filled by the call.
    let [gradient, logits] = out.map(|owned| unsafe { OwnedTensor::from_raw(owned) }.unwrap());
    assert_eq!(logits.data(), [0.5, 0.0, -0.5]);
    // Wᵀ·logits with the rows (1, 0), (0, 1), (−1, 1).
    assert_eq!(gradient.data(), [1.0, -0.5]);
}

/// What an occlusion has put: the first number and the values, each time; fails at the row that `refused` names.
struct Rows {
    put: Vec<(usize, Vec<f32>)>,
    refused: usize,
}

unsafe extern "C" fn put(ctx: *mut c_void, first: usize, rows: *const WgTensor) -> WgStatus {
    // SAFETY: the test's own context, and a tensor that lives until this returns.
    let (seen, rows) = unsafe { (&mut *ctx.cast::<Rows>(), &*rows) };
    if first == seen.refused {
        return WG_CANCELLED;
    }
    // SAFETY: float32, as the back end makes them.
    let values = unsafe { core::slice::from_raw_parts(rows.data.cast::<f32>(), 2) };
    seen.put.push((first, values.to_vec()));
    WG_OK
}

#[test]
fn occlude_is_an_extension_whose_rows_come_one_after_the_other_until_the_receiver_has_enough() {
    let recorder = Recorder::new();
    let (_, plain) = load(&recorder, "net");
    assert!(plain.extension.is_none(), "a model that cannot do it does not offer it");
    let (_, model) = load(&recorder, "occludes");
    let extension = model.extension.unwrap();
    // SAFETY: the model is loaded, and its tables live as long as it does.
    let table = unsafe {
        assert!(extension(model.self_, WgStr::new("whyglass.model.other/1")).is_null());
        &*extension(model.self_, WgStr::new(OCCLUDE)).cast::<WgOcclude>()
    };
    let tensor = WgTensor { data: PIXELS.as_ptr().cast_mut().cast(), shape: SHAPE.as_ptr(), rank: 4, dtype: WG_F32 };
    let rects = [[0, 0, 0, 0], [0, 0, 2, 1], [0, 0, 2, 2]].map(|[top, left, bottom, right]| WgRect {
        top,
        left,
        bottom,
        right,
    });
    let query = WgOcclusion {
        struct_size: size_of::<WgOcclusion>(),
        picture: tensor,
        fill: tensor,
        rects: rects.as_ptr(),
        n_rects: rects.len(),
        fetch: WgStr::new("logits"),
    };
    let ask = |refused| {
        let mut rows = Rows { put: Vec::new(), refused };
        let ctx = (&raw mut rows).cast();
        // SAFETY: every argument lives until the call returns.
        let status = unsafe { table.occlude.unwrap()(model.self_, recorder.raw(), &raw const query, ctx, Some(put)) };
        (status, rows.put)
    };
    let all = vec![(0, vec![0.0, 1.0]), (1, vec![2.0, 1.0]), (2, vec![4.0, 1.0])];
    assert_eq!(ask(9), (WG_OK, all.clone()), "{:?}", recorder.failures());
    assert_eq!(ask(1), (WG_CANCELLED, all[..1].to_vec()));
}
