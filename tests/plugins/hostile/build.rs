//! Builds the one crime that needs C++: an exception.

fn main() {
    println!("cargo::rerun-if-changed=src/throws.cpp");
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .include("../../../core/abi/include")
        .file("src/throws.cpp")
        .compile("throws");
}
