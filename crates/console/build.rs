//! Packs the built pages into the program, each compressed once: a build needs no Node.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use flate2::Compression;
use flate2::write::GzEncoder;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let pages = Path::new("../../web/dist");
    println!("cargo::rerun-if-changed={}", pages.display());
    println!("cargo::rerun-if-changed=build.rs");
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo gives a folder")?);
    let mut files = vec![("index.html".to_owned(), pages.join("index.html"))];
    for file in fs::read_dir(pages.join("assets"))? {
        let file = file?;
        println!("cargo::rerun-if-changed={}", file.path().display());
        let name = file.file_name().into_string();
        let name = name.map_err(|name| format!("{} is no text", name.display()))?;
        files.push((format!("assets/{name}"), file.path()));
    }
    files.sort();
    let mut list = String::from("&[\n");
    for (number, (name, path)) in files.iter().enumerate() {
        let packed = out.join(format!("{number}.gz"));
        let mut encoder = GzEncoder::new(fs::File::create(&packed)?, Compression::best());
        encoder.write_all(&fs::read(path)?)?;
        encoder.finish()?;
        let packed = packed.to_str().ok_or("the folder's name is text")?;
        writeln!(list, "({name:?}, include_bytes!({packed:?})),")?;
    }
    list.push(']');
    fs::write(out.join("pages.rs"), list)?;
    Ok(())
}
