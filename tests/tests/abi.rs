//! The ABI without the host: the plugin in C and the hostile one, opened and driven through their raw tables. What the
//! engine makes of them is another test's business; here they must do what they say they do.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use core::ffi::c_void;
use core::ptr::{null, null_mut};
use std::path::Path;
use whyglass_abi::safe::{OwnedTensor, str_from};
use whyglass_abi::*;
use whyglass_sdk::Status;
use whyglass_sdk::json::{ExplainerDescriptor, MapMeta};
use whyglass_sdk::testing::{Event, Recorder};
use whyglass_tests::build::{c_library, cdylib, root};

fn host() -> &'static WgHost {
    Box::leak(Box::new(WgHost {
        struct_size: size_of::<WgHost>(),
        abi_major: WG_ABI_MAJOR,
        abi_minor: WG_ABI_MINOR,
        reserved: 0,
        name: WgStr::new("test"),
        version: WgStr::new("0"),
        ctx: null_mut(),
        log: Some(discard),
        extension: None,
    }))
}

unsafe extern "C" fn discard(_: *mut c_void, _: u32, _: WgStr, _: WgStr) {}

fn open(path: &Path) -> Option<&'static WgPlugin> {
    // SAFETY: our own plugins, never unloaded; a table that is not null lives for ever.
    unsafe {
        let library = Box::leak(Box::new(libloading::Library::new(path).unwrap()));
        library.get::<EntryFn>(ENTRY_SYMBOL).unwrap()(host()).as_ref()
    }
}

fn explainers(plugin: &WgPlugin) -> Vec<(&'static str, &'static WgExplainer)> {
    // SAFETY: the tables of these plugins live for ever and are good as far as this goes.
    unsafe {
        let tables = core::slice::from_raw_parts(plugin.explainers, plugin.n_explainers);
        tables.iter().map(|&table| (str_from((*table).id).unwrap(), &*table)).collect()
    }
}

/// A picture of 14×21 whose brightness grows from row to row.
unsafe extern "C" fn get(images: *const WgImages, _: *const WgCall, _: usize, out: *mut WgOwned) -> WgStatus {
    // SAFETY: `ctx` is the number of rows; `out` is one entry.
    unsafe {
        let rows = (*images).ctx as usize;
        let pixel = |i: usize| (i / 21 % rows) as f32 / 100.0;
        let data = (0..3 * rows * 21).map(pixel).collect();
        out.write(OwnedTensor::from_vec(vec![1, 3, rows as i64, 21], data).unwrap().into_raw());
    }
    WG_OK
}

fn explain(explainer: &WgExplainer, rows: usize, recorder: &Recorder) -> WgStatus {
    let images = WgImages {
        struct_size: size_of::<WgImages>(),
        ctx: rows as *mut c_void,
        count: 1,
        descriptor: WgStr::EMPTY,
        get: Some(get),
        label: None,
    };
    let request = WgRequest {
        struct_size: size_of::<WgRequest>(),
        images: &raw const images,
        target: 0,
        seed: 0,
        inputs: null(),
        n_inputs: 0,
    };
    let model = WgModel {
        struct_size: size_of::<WgModel>(),
        self_: null_mut(),
        descriptor: WgStr::EMPTY,
        run: None,
        vjp: None,
        extension: None,
    };
    // SAFETY: every argument lives until the call returns.
    unsafe { explainer.explain.unwrap()(recorder.raw(), &raw const model, &raw const request, WgStr::new("{}")) }
}

#[test]
fn the_plugin_in_c_explains_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    let source = root().join("tests/plugins/hello-c/hello.c");
    for standard in ["c11", "c17"] {
        let library = folder.path().join(format!("libhello-{standard}.so"));
        c_library(&source, standard, &library);
        let (id, hello) = explainers(open(&library).unwrap())[0];
        // SAFETY: the descriptor lives for ever.
        let descriptor: ExplainerDescriptor =
            serde_json::from_str(unsafe { str_from(hello.descriptor) }.unwrap()).unwrap();
        assert_eq!((id, descriptor.artifacts[0].id.as_str()), ("hello-c", "map"));
        assert_eq!(descriptor.params["additionalProperties"], false);

        let recorder = Recorder::new();
        assert_eq!(explain(hello, 14, &recorder), WG_OK);
        let [Event::Keyframe { tensor, meta, .. }] = &recorder.events()[..] else { panic!("one keyframe") };
        assert_eq!(tensor.shape(), [7, 7]);
        // Two rows to a cell: brightness (0 + 1)/2, (2 + 3)/2, … hundredths.
        for (cell, value) in tensor.data().iter().enumerate() {
            let expected = (2.0 * (cell / 7) as f32 + 0.5) / 100.0;
            assert!((value - expected).abs() < 1e-6, "cell {cell}: {value}, not {expected}");
        }
        let meta: MapMeta = serde_json::from_value(meta.clone()).unwrap();
        assert_eq!(meta.cell, [2.0, 3.0]);

        let recorder = Recorder::new();
        assert_eq!(explain(hello, 5, &recorder), WG_FAILED_PRECONDITION);
        assert_eq!(recorder.failures()[0].field, "image");
        let recorder = Recorder::new();
        recorder.cancel();
        assert_eq!(explain(hello, 14, &recorder), WG_CANCELLED);
    }
}

#[test]
fn every_variant_compiles_and_commits_its_crime() {
    let folder = tempfile::tempdir().unwrap();
    let variants = root().join("tests/plugins/hostile/variants");
    let build = |name: &str| {
        let library = folder.path().join(format!("lib{name}.so"));
        c_library(&variants.join(format!("{name}.c")), "c11", &library);
        library
    };
    assert_eq!(open(&build("wrong-major")).unwrap().abi_major, 2);
    assert!(open(&build("null-plugin")).is_none());
    let nulls = open(&build("null-tables")).unwrap();
    assert!(nulls.backends.is_null() && nulls.n_backends == 1);
    assert!(explainers(open(&build("null-functions")).unwrap())[0].1.explain.is_none());
    assert!(open(&build("small-tables")).unwrap().struct_size < size_of::<WgPlugin>());
    assert_eq!(explainers(open(&build("declares-path")).unwrap())[0].0, "declares-path");
    assert_eq!(explainers(open(&build("bad-schema-default")).unwrap())[0].0, "bad-schema-default");
    // SAFETY: a library without constructors.
    let library = unsafe { libloading::Library::new(build("missing-symbol")) }.unwrap();
    // SAFETY: the symbol is looked up, not called.
    assert!(unsafe { library.get::<EntryFn>(ENTRY_SYMBOL) }.is_err());
    build("unresolved-symbol");
}

#[test]
fn every_hostile_technique_commits_its_crime_and_no_other() {
    let plugin = open(&cdylib("whyglass-hostile")).unwrap();
    let mut committed = 0;
    for (id, explainer) in explainers(plugin) {
        // A size that fits an address space can only be refused by a host with limits, and a recorder has none.
        if id == "huge-shape" {
            continue;
        }
        let recorder = Recorder::new();
        if id == "spins-past-stop" || id == "emits-after-cancel" {
            recorder.cancel(); // or they would wait for a stop
        }
        let status = explain(explainer, 14, &recorder);
        let (refused, failures) = (recorder.refused(), recorder.failures());
        let good = |status| matches!(status, WG_OK) && refused.is_empty() && failures.is_empty();
        match id {
            // Resolve is where it panics; without a model it is not asked here.
            "panics-in-resolve" | "panics-in-thread" | "emits-too-much" => {
                assert!(good(status) && recorder.artifact("map").is_some(), "{id}");
            }
            "panics-in-explain" | "panics-with-payload" => {
                assert_eq!((status, failures[0].status), (WG_PANIC, Status::Panic), "{id}");
                assert_eq!(failures[0].reason, "PANIC");
            }
            "never-emits" => assert!(good(status) && recorder.events().is_empty()),
            "nan-map" => assert!(good(status) && recorder.artifact("map").unwrap().data()[0].is_nan()),
            "path-artifact" => assert!(good(status) && recorder.artifact("../../x").is_some()),
            "undeclared-artifact" => assert!(good(status) && recorder.artifact("surprise").is_some()),
            "null-tensor" => assert_eq!((status, refused.len()), (WG_OK, 3), "{refused:?}"),
            "negative-shape" => assert!(refused[0].contains("negative"), "{refused:?}"),
            "invalid-utf8" => {
                assert_eq!((status, refused.len(), failures.len()), (WG_INTERNAL, 3, 1), "{refused:?}");
                assert!(refused.iter().all(|refused| refused.contains("UTF-8")));
            }
            "wrong-status" => assert_eq!(status, 77),
            "throws-cpp" => {
                assert_eq!((status, failures[0].reason.as_str()), (WG_INTERNAL, "CPP_EXCEPTION"));
                assert_eq!(failures[0].message, "thrown on purpose");
            }
            "emits-after-cancel" | "spins-past-stop" => {
                assert!(status == WG_OK && recorder.events().is_empty(), "{id}");
            }
            other => panic!("'{other}' is not in this test"),
        }
        committed += 1;
    }
    assert_eq!(committed, 16);
}
