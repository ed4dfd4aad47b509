//! `include/whyglass.h` and the Rust tables say the same: one list of structs, fields and constants is turned into a C
//! program, compiled as each dialect that the header promises, and compared with what Rust says. The lists themselves
//! are checked: a field that is left out does not compile, a struct or constant that is left out fails a test.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![allow(unused_variables)]

use std::fmt::Write as _;
use std::mem::{offset_of, size_of};
use std::path::PathBuf;
use std::process::Command;
use whyglass_abi::*;

/// `(struct, its size, its fields: (name in C, offset, size))`
type Layouts = Vec<(&'static str, usize, Vec<(&'static str, usize, usize)>)>;

fn size_of_field<S, T>(_: fn(&S) -> &T) -> usize {
    size_of::<T>()
}

macro_rules! layouts {
    ($($name:ident { $($field:ident),+ $(,)? })+) => {{
        $({
            // Without `..`: a field that is missing from the list does not compile.
            let _complete = |$name { $($field),+ }: $name| ();
        })+
        vec![$((
            stringify!($name),
            size_of::<$name>(),
            vec![$((
                stringify!($field).trim_end_matches('_'),
                offset_of!($name, $field),
                size_of_field::<$name, _>(|table| &table.$field),
            )),+],
        )),+]
    }};
}

fn layouts() -> Layouts {
    layouts! {
        WgStr { ptr, len }
        WgTensor { data, shape, rank, dtype }
        WgOwned { tensor, owner, release }
        WgNamedTensor { name, tensor }
        WgEvent {
            struct_size, kind, artifact_kind, artifact, step, total, y, x, tensor, standard_error, meta,
        }
        WgCall { struct_size, ctx, emit, is_cancelled, fail, log, live_params, threads, reserved }
        WgVjp {
            struct_size, feeds, n_feeds, cotangents, n_cotangents, wrt, n_wrt, fetches, n_fetches, rule, reserved,
        }
        WgModel { struct_size, self_, descriptor, run, vjp, extension }
        WgRect { top, left, bottom, right }
        WgOcclusion { struct_size, picture, fill, rects, n_rects, fetch }
        WgOcclude { struct_size, occlude, plan }
        WgBackend { struct_size, id, descriptor, load, unload }
        WgImages { struct_size, ctx, count, descriptor, get, label }
        WgRequest { struct_size, images, target, seed, inputs, n_inputs }
        WgExplainer { struct_size, id, descriptor, resolve, explain }
        WgHost { struct_size, abi_major, abi_minor, reserved, name, version, ctx, log, extension }
        WgPlugin {
            struct_size, abi_major, abi_minor, reserved, id, version, backends, n_backends, explainers, n_explainers,
            shutdown,
        }
    }
}

macro_rules! constants {
    ($($name:ident)+) => { vec![$((stringify!($name), i64::from($name))),+] };
}

fn constants() -> Vec<(&'static str, i64)> {
    constants! {
        WG_ABI_MAJOR WG_ABI_MINOR
        WG_OK WG_CANCELLED WG_UNKNOWN WG_INVALID_ARGUMENT WG_DEADLINE_EXCEEDED WG_NOT_FOUND WG_PERMISSION_DENIED
        WG_RESOURCE_EXHAUSTED WG_FAILED_PRECONDITION WG_ABORTED WG_OUT_OF_RANGE WG_UNIMPLEMENTED WG_INTERNAL
        WG_UNAVAILABLE WG_DATA_LOSS WG_PANIC
        WG_F32 WG_I64 WG_MAX_RANK
        WG_EVENT_PROGRESS WG_EVENT_KEYFRAME WG_EVENT_TILE WG_EVENT_METRICS WG_EVENT_NOTICE
        WG_ARTIFACT_MAP WG_ARTIFACT_IMAGE WG_ARTIFACT_POINTS WG_ARTIFACT_MATRIX WG_ARTIFACT_SERIES WG_ARTIFACT_TABLE
        WG_LOG_ERROR WG_LOG_WARN WG_LOG_INFO WG_LOG_DEBUG WG_LOG_TRACE
        WG_RULE_STANDARD WG_RULE_GUIDED WG_RULE_DECONVNET
    }
}

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// What the C program prints: a line per struct, field and constant.
fn expected() -> String {
    let mut lines = String::new();
    for (name, size, fields) in layouts() {
        writeln!(lines, "{name} {size}").unwrap();
        for (field, offset, size) in fields {
            writeln!(lines, "{name}.{field} {offset} {size}").unwrap();
        }
    }
    for (name, value) in constants() {
        writeln!(lines, "{name} {value}").unwrap();
    }
    lines
}

fn program() -> String {
    let mut body = String::new();
    for (name, _, fields) in layouts() {
        writeln!(body, "  {{ static {name} t; printf(\"{name} %zu\\n\", sizeof t);").unwrap();
        for (field, ..) in fields {
            writeln!(body, "    printf(\"{name}.{field} %zu %zu\\n\", offsetof({name}, {field}), sizeof t.{field});")
                .unwrap();
        }
        body.push_str("  }\n");
    }
    for (name, _) in constants() {
        writeln!(body, "  printf(\"{name} %ld\\n\", (long)({name}));").unwrap();
    }
    let entry = "  const WgPlugin *(*entry)(const WgHost *) = whyglass_plugin_v1;\n  if (!entry) return 1;\n";
    let stub = "const WgPlugin *whyglass_plugin_v1(const WgHost *host) { (void)host; return NULL; }\n";
    format!("#include \"whyglass.h\"\n#include <stdio.h>\n{stub}int main(void) {{\n{entry}{body}  return 0;\n}}\n")
}

fn compile_and_run(compiler: &str, extension: &str, standard: &str) {
    let output = PathBuf::from(env!("CARGO_TARGET_TMPDIR"));
    let source = output.join(format!("header-{standard}.{extension}"));
    let binary = output.join(format!("header-{standard}{}", std::env::consts::EXE_SUFFIX));
    std::fs::write(&source, program()).unwrap();
    let compiled = Command::new(compiler)
        .args([&format!("-std={standard}"), "-Wall", "-Wextra", "-pedantic", "-Werror", "-I"])
        .arg(folder().join("include"))
        .arg(&source)
        .arg("-o")
        .arg(&binary)
        .output()
        .unwrap_or_else(|error| panic!("the compiler '{compiler}' does not start: {error}"));
    assert!(compiled.status.success(), "{standard}: {}", String::from_utf8_lossy(&compiled.stderr));
    let printed = Command::new(&binary).output().unwrap();
    assert!(printed.status.success());
    let printed = String::from_utf8(printed.stdout).unwrap();
    for (c, rust) in printed.lines().zip(expected().lines()) {
        assert_eq!(c, rust, "{standard}: the header (left) and the Rust tables (right) differ");
    }
    assert_eq!(printed.lines().count(), expected().lines().count());
}

fn compiler(variable: &str, default: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| default.to_owned())
}

#[test]
fn the_header_is_c11_and_c17_and_equals_the_rust_tables() {
    let cc = compiler("CC", "cc");
    compile_and_run(&cc, "c", "c11");
    compile_and_run(&cc, "c", "c17");
}

#[test]
fn the_header_is_cpp11_to_cpp20_and_equals_the_rust_tables() {
    let cxx = compiler("CXX", "c++");
    compile_and_run(&cxx, "cpp", "c++11");
    compile_and_run(&cxx, "cpp", "c++17");
    compile_and_run(&cxx, "cpp", "c++20");
}

/// The identifiers in `text` that begin with `prefix`.
fn identifiers(text: &str, prefix: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    let mut found: Vec<String> = words.filter(|word| word.starts_with(prefix)).map(str::to_owned).collect();
    found.sort();
    found.dedup();
    found
}

fn without_comments(source: &str) -> String {
    let code = source.split("/*").map(|part| part.split_once("*/").map_or(part, |(_, code)| code));
    code.collect::<String>()
        .lines()
        .map(|line| line.split("//").next().unwrap_or_default())
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn every_struct_and_every_constant_is_in_the_lists() {
    let header = without_comments(&std::fs::read_to_string(folder().join("include/whyglass.h")).unwrap());
    let tables = without_comments(&std::fs::read_to_string(folder().join("src/tables.rs")).unwrap());

    let mut listed: Vec<String> = constants().iter().map(|(name, _)| (*name).to_owned()).collect();
    listed.sort();
    assert_eq!(identifiers(&header, "WG_"), listed);
    let declared: Vec<_> = listed.iter().filter(|name| !name.starts_with("WG_ABI_")).cloned().collect();
    assert_eq!(identifiers(&tables, "WG_"), declared);

    let mut listed: Vec<String> = layouts().iter().map(|(name, ..)| (*name).to_owned()).collect();
    listed.push("WgStatus".to_owned());
    listed.sort();
    assert_eq!(identifiers(&header, "Wg"), listed);
    assert_eq!(identifiers(&tables, "Wg"), listed);
}
