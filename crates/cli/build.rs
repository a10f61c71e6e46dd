//! Keeps the program small in memory where it runs as a pod, once for each event source and sensor.
//!
//! What counts are the pages of its file that are touched, in runs of 64 KiB: `link-order.txt` names
//! the functions that pods need, which the linker puts beside each other; addresses to be adjusted
//! at the start are packed; and of the C++ library comes in what Lua needs.

use std::env;
use std::path::Path;
use std::process::Command;

/// Functions that the linker puts first; `cargo xtask link-order` writes it.
const ORDER: &str = "link-order.txt";

/// Set to keep the names of functions: what the order is made from needs them.
const SYMBOLS: &str = "TIPHYS_KEEP_SYMBOLS";

/// The first glibc that reads packed addresses.
const READS_PACKED: (u32, u32) = (2, 36);

fn main() {
    println!("cargo::rerun-if-changed={ORDER}");
    let is = |name: &str, wanted: &str| env::var(name).is_ok_and(|value| value == wanted);
    let target = "x86_64-unknown-linux-gnu";
    // The order is that of one target; its linker is rust-lld unless somebody chooses another.
    let is_known_linker = env::var_os("RUSTC_LINKER").is_none()
        && env::var_os("CARGO_ENCODED_RUSTFLAGS").is_none_or(|flags| flags.is_empty());
    if !is("PROFILE", "release") || !is("TARGET", target) || !is_known_linker {
        return;
    }
    let folder = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    println!("cargo::rustc-link-arg-bins=-Wl,--symbol-ordering-file={folder}/{ORDER}");
    // Functions that are gone, since somebody has edited them away, are no reason to complain.
    println!("cargo::rustc-link-arg-bins=-Wl,--no-warn-symbol-ordering");
    // The profile cannot strip a package that it has a level of its own for.
    println!("cargo::rerun-if-env-changed={SYMBOLS}");
    if env::var_os(SYMBOLS).is_none() {
        println!("cargo::rustc-link-arg-bins=-Wl,--strip-all");
    }
    if is("HOST", target) && glibc().is_some_and(|version| version >= READS_PACKED) {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
    if let Some(library) = output("c++", &["-print-file-name=libstdc++.a"])
        && let Some(folder) = Path::new(&library)
            .parent()
            .filter(|path| path.is_absolute())
    {
        println!("cargo::rustc-link-search=native={}", folder.display());
        println!("cargo::rustc-link-lib=static:-bundle,+verbatim=libstdc++.a");
    }
}

/// The version of the C library here.
fn glibc() -> Option<(u32, u32)> {
    let version = output("getconf", &["GNU_LIBC_VERSION"])?;
    let (major, minor) = version.strip_prefix("glibc ")?.split_once('.')?;
    Some((major.parse().ok()?, minor.split('.').next()?.parse().ok()?))
}

/// What a program prints, if it is there and content.
fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output.status.success().then(|| text.trim().to_owned())
}
