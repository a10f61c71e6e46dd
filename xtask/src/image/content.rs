//! The files of the image.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};

use super::archive::{Entry, Layer};
use super::{NAME, USER};

/// Where distributions keep the certificates of the public authorities.
const CERTIFICATES: [&str; 3] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
];

/// Where programs look for them first.
const CERTIFICATES_IN_IMAGE: &str = "etc/ssl/certs/ca-certificates.crt";

/// What a C library before glibc 2.34 loads when it is asked for a name.
const NAME_SERVICES: [&str; 2] = ["libnss_files.so.2", "libnss_dns.so.2"];

/// Everything but the program.
pub(super) fn base(binary: &Path) -> anyhow::Result<Layer> {
    let mut layer = Layer::new();
    for (path, text) in texts() {
        add(&mut layer, path, 0o644, text.into_bytes());
    }
    let certificates = CERTIFICATES
        .into_iter()
        .find(|path| Path::new(path).is_file());
    let certificates =
        certificates.context("no bundle of certificates: install ca-certificates")?;
    add(
        &mut layer,
        CERTIFICATES_IN_IMAGE,
        0o644,
        read(Path::new(certificates))?,
    );
    for library in libraries(binary)? {
        add(
            &mut layer,
            &library.to_string_lossy(),
            0o755,
            read(&library)?,
        );
    }
    layer.insert("tmp".to_owned(), Entry::Folder { mode: 0o1777 });
    Ok(layer)
}

/// The program alone.
pub(super) fn program(binary: &[u8]) -> Layer {
    let mut layer = Layer::new();
    add(&mut layer, NAME, 0o755, binary.to_vec());
    layer
}

/// What a C library looks for.
pub(super) fn texts() -> [(&'static str, String); 3] {
    [
        (
            "etc/passwd",
            format!(
                "root:x:0:0:root:/:/sbin/nologin\n\
                 nobody:x:65534:65534:nobody:/:/sbin/nologin\n\
                 nonroot:x:{USER}:{USER}:nonroot:/tmp:/sbin/nologin\n"
            ),
        ),
        (
            "etc/group",
            format!("root:x:0:\nnobody:x:65534:\nnonroot:x:{USER}:\n"),
        ),
        ("etc/nsswitch.conf", "hosts: files dns\n".to_owned()),
    ]
}

/// Adds a file, and the folders above it.
pub(super) fn add(layer: &mut Layer, path: &str, mode: u32, content: Vec<u8>) {
    let path = path.trim_start_matches('/');
    for (at, _) in path.match_indices('/') {
        let folder = Entry::Folder { mode: 0o755 };
        layer.insert(path[..at].to_owned(), folder);
    }
    layer.insert(path.to_owned(), Entry::File { mode, content });
}

pub(super) fn read(path: &Path) -> anyhow::Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("read {}", path.display()))
}

/// The shared libraries that `binary` needs, and what loads them.
pub(super) fn libraries(binary: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let output = Command::new("ldd")
        .arg(binary)
        .output()
        .context("run `ldd`")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    if !output.status.success() {
        // So it says of a static program, which needs none.
        let error = String::from_utf8_lossy(&output.stderr);
        ensure!(
            (text.clone() + &error).contains("not a dynamic executable"),
            "`ldd {}` failed: {}",
            binary.display(),
            error.trim()
        );
        return Ok(Vec::new());
    }
    let mut libraries = paths(&text)?;
    let folders: Vec<PathBuf> = libraries
        .iter()
        .filter_map(|path| Some(path.parent()?.to_owned()))
        .collect();
    for name in NAME_SERVICES {
        libraries.extend(
            folders
                .iter()
                .map(|folder| folder.join(name))
                .find(|path| path.is_file()),
        );
    }
    Ok(libraries)
}

/// The paths in the output of `ldd`: `libc.so.6 => /lib/libc.so.6 (0x…)`, `/lib64/ld-linux.so.2 (0x…)`.
fn paths(text: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut paths = Vec::new();
    for line in text.lines().map(str::trim) {
        let (name, target) = line.split_once(" => ").unwrap_or((line, line));
        ensure!(target != "not found", "the library {name} is not found");
        let path = target.split(" (").next().unwrap_or(target);
        if path.starts_with('/') {
            paths.push(PathBuf::from(path));
        }
    }
    Ok(paths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_read_from_ldd() {
        let text = "\tlinux-vdso.so.1 (0x00007ffc)\n\
                    \tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f01)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x00007f02)\n";
        assert_eq!(
            paths(text).unwrap(),
            [
                PathBuf::from("/lib/x86_64-linux-gnu/libc.so.6"),
                PathBuf::from("/lib64/ld-linux-x86-64.so.2"),
            ]
        );
    }

    #[test]
    fn a_library_that_is_not_there_is_named() {
        let error = paths("\tlibgone.so.1 => not found\n").unwrap_err();
        assert_eq!(error.to_string(), "the library libgone.so.1 is not found");
    }

    #[test]
    fn a_file_has_its_folders_above_it() {
        let mut layer = Layer::new();
        add(&mut layer, "/etc/ssl/a", 0o644, Vec::new());
        let paths: Vec<&str> = layer.keys().map(String::as_str).collect();
        assert_eq!(paths, ["etc", "etc/ssl", "etc/ssl/a"]);
    }

    #[test]
    fn the_user_of_the_image_has_a_name() {
        let [(_, passwd), ..] = texts();
        assert!(passwd.contains("nonroot:x:65532:65532:"));
    }
}
