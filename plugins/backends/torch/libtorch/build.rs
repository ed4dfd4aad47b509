//! Where the loader finds libtorch: beside the plugin, wherever that is put; for tests, where it was linked from. And the
//! switches of libtorch that tch has not.

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    println!("cargo:rustc-link-arg-cdylib=-Wl,-rpath,$ORIGIN");
    if std::env::var_os("CARGO_FEATURE_LIBTORCH").is_some()
        && let Ok(libtorch) = std::env::var("LIBTORCH")
    {
        println!("cargo:rustc-link-arg-tests=-Wl,-rpath,{libtorch}/lib");
        #[cfg(feature = "libtorch")]
        switches(&libtorch);
    }
}

#[cfg(feature = "libtorch")]
fn switches(libtorch: &str) {
    println!("cargo:rerun-if-changed=src/switches.cpp");
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .warnings(false)
        .include(format!("{libtorch}/include"))
        .file("src/switches.cpp")
        .compile("whyglass_switches");
}
