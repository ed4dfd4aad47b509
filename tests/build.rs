//! Where the loader finds libtorch, for tests and examples that are linked to it.

fn main() {
    println!("cargo:rerun-if-env-changed=LIBTORCH");
    if std::env::var_os("CARGO_FEATURE_LIBTORCH").is_some()
        && let Ok(libtorch) = std::env::var("LIBTORCH")
    {
        println!("cargo:rustc-link-arg-tests=-Wl,-rpath,{libtorch}/lib");
        println!("cargo:rustc-link-arg-examples=-Wl,-rpath,{libtorch}/lib");
    }
}
