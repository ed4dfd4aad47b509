//! Has the server built again when the page was: what is embedded is no source that cargo knows of.

fn main() {
    println!("cargo:rerun-if-changed=../dashboard/dist");
}
