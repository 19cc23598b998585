//! Has this build of lasse-core take its locks and atomics from loom.

fn main() {
    println!("cargo::rustc-cfg=loom");
}
