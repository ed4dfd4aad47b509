//! Asserts, at compile time, what "append only" and "no tail padding" promise. A failing line here means that the
//! change breaks plugins that are already compiled: it needs a new major version.

use crate::tables::*;
use core::mem::{offset_of, size_of};

/// Asserts the offset of each field and that the struct ends with its last field.
macro_rules! layout {
    ($name:ident, size $size:literal: $($field:ident @ $offset:literal),+ $(,)?) => {
        $(const _: () = assert!(
            offset_of!($name, $field) == $offset,
            concat!("ABI 1.0: ", stringify!($name), ".", stringify!($field), " has moved"),
        );)+
        const _: () = assert!(size_of::<$name>() == $size, concat!("ABI 1.0: ", stringify!($name), " has another size"));
    };
}

#[cfg(target_pointer_width = "64")]
mod lp64 {
    use super::*;
    layout!(WgStr, size 16: ptr @ 0, len @ 8);
    layout!(WgTensor, size 24: data @ 0, shape @ 8, rank @ 16, dtype @ 20);
    layout!(WgOwned, size 40: tensor @ 0, owner @ 24, release @ 32);
    layout!(WgNamedTensor, size 40: name @ 0, tensor @ 16);
    layout!(WgEvent, size 88: struct_size @ 0, kind @ 8, artifact_kind @ 12, artifact @ 16, step @ 32, total @ 40,
        y @ 48, x @ 52, tensor @ 56, standard_error @ 64, meta @ 72);
    layout!(WgCall, size 64: struct_size @ 0, ctx @ 8, emit @ 16, is_cancelled @ 24, fail @ 32, log @ 40,
        live_params @ 48, threads @ 56, reserved @ 60);
    layout!(WgVjp, size 80: struct_size @ 0, feeds @ 8, n_feeds @ 16, cotangents @ 24, n_cotangents @ 32, wrt @ 40,
        n_wrt @ 48, fetches @ 56, n_fetches @ 64, rule @ 72, reserved @ 76);
    layout!(WgModel, size 56: struct_size @ 0, self_ @ 8, descriptor @ 16, run @ 32, vjp @ 40, extension @ 48);
    layout!(WgRect, size 16: top @ 0, left @ 4, bottom @ 8, right @ 12);
    layout!(WgOcclusion, size 88: struct_size @ 0, picture @ 8, fill @ 32, rects @ 56, n_rects @ 64, fetch @ 72);
    layout!(WgOcclude, size 24: struct_size @ 0, occlude @ 8, plan @ 16);
    layout!(WgBackend, size 56: struct_size @ 0, id @ 8, descriptor @ 24, load @ 40, unload @ 48);
    layout!(WgImages, size 56: struct_size @ 0, ctx @ 8, count @ 16, descriptor @ 24, get @ 40, label @ 48);
    layout!(WgRequest, size 48: struct_size @ 0, images @ 8, target @ 16, seed @ 24, inputs @ 32, n_inputs @ 40);
    layout!(WgExplainer, size 56: struct_size @ 0, id @ 8, descriptor @ 24, resolve @ 40, explain @ 48);
    layout!(WgHost, size 72: struct_size @ 0, abi_major @ 8, abi_minor @ 10, reserved @ 12, name @ 16, version @ 32,
        ctx @ 48, log @ 56, extension @ 64);
    layout!(WgPlugin, size 88: struct_size @ 0, abi_major @ 8, abi_minor @ 10, reserved @ 12, id @ 16, version @ 32,
        backends @ 48, n_backends @ 56, explainers @ 64, n_explainers @ 72, shutdown @ 80);
}
