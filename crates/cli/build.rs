//! Lays what runs in pods out in one place of the program: `link-order.txt` names those functions.
//!
//! Pages of the program are read, and count as memory, in runs of 64 KiB. Spread over all of it, the
//! functions that a pod needs bring most of the program into memory.

use std::env;

/// Functions that the linker puts first; `cargo xtask link-order` writes it.
const ORDER: &str = "link-order.txt";

fn main() {
    println!("cargo::rerun-if-changed={ORDER}");
    let is = |name: &str, wanted: &str| env::var(name).is_ok_and(|value| value == wanted);
    // The order is that of one target; its linker is rust-lld unless somebody chooses another.
    let is_known_linker = env::var_os("RUSTC_LINKER").is_none()
        && env::var_os("CARGO_ENCODED_RUSTFLAGS").is_none_or(|flags| flags.is_empty());
    if is("PROFILE", "release") && is("TARGET", "x86_64-unknown-linux-gnu") && is_known_linker {
        let folder = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
        println!("cargo::rustc-link-arg-bins=-Wl,--symbol-ordering-file={folder}/{ORDER}");
        // Functions that are gone, since somebody has edited them away, are no reason to complain.
        println!("cargo::rustc-link-arg-bins=-Wl,--no-warn-symbol-ordering");
    }
}
