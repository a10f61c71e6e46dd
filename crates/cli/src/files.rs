//! Finds and reads manifests.

mod folder;
mod kustomization;

use std::collections::BTreeSet;
use std::fs;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tiphys_api::Code;
use tiphys_api::manifest::{self, Fault};
use tiphys_check::report::{self, Texts};

pub(crate) use tiphys_check::{LeftOut, Loadable, Loaded, Program};

/// The largest file that is read as a manifest: twice what the API server stores of one object.
const LARGEST: u64 = 4 * 1024 * 1024;

/// Reads manifests, checks and compiles them. Objects without a namespace get `namespace`.
///
/// A file that is named has to be readable. In a folder, what belongs to other programs is passed over:
/// documents of other kinds, and silently; templates that are not rendered yet and patches, and they are
/// counted. One object of ours has to be there, or a fault.
pub(crate) fn load(paths: &[PathBuf], namespace: &str) -> anyhow::Result<Loaded> {
    let mut loaded = Loaded::default();
    // What is named, and then found in a folder as well, is read once: otherwise each object of it would
    // be in conflict with itself.
    let named = paths.iter().filter(|path| !path.is_dir());
    let named: BTreeSet<PathBuf> = named.map(|path| identity(path)).collect();
    let mut seen = BTreeSet::new();
    for path in paths {
        if path.is_dir() {
            for found in folder::files(path)? {
                let identity = identity(&found.file);
                if !named.contains(&identity) && seen.insert(identity) {
                    add_found(&mut loaded, found, namespace);
                }
            }
        } else if seen.insert(identity(path)) {
            let text = read(path)?;
            let manifest = manifest::read(&path.display().to_string(), &text);
            loaded.add(manifest, path, text, namespace);
        }
    }
    if loaded.ours().next().is_none() && loaded.faults.is_empty() {
        let named = paths.iter().map(|path| path.display().to_string());
        let mut message = format!(
            "no object of Argo Events in {}",
            named.collect::<Vec<_>>().join(", ")
        );
        message.extend(
            loaded
                .left_out
                .iter()
                .map(|left_out| format!("\n{left_out}")),
        );
        bail!(message);
    }
    let objects = loaded.objects.iter().map(|loadable| &loadable.object);
    loaded.faults.extend(tiphys_check::set(objects, namespace));
    Ok(loaded)
}

/// The files in and below a folder that may be manifests.
fn in_folder(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let found = folder::files(path)?;
    Ok(found.into_iter().map(|found| found.file).collect())
}

/// The files that are named, and those of the folders.
pub(crate) fn listed(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut listed = BTreeSet::new();
    for path in paths {
        if path.is_dir() {
            // A folder that is empty may have files again later.
            listed.extend(in_folder(path).unwrap_or_default());
        } else {
            listed.insert(path.clone());
        }
    }
    listed.into_iter().collect()
}

/// What is the same for all names of a file.
fn identity(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// Adds a file that was found in a folder.
fn add_found(loaded: &mut Loaded, found: folder::Found, namespace: &str) {
    let folder::Found { file, is_patch } = found;
    let text = match read(&file) {
        Ok(text) => text,
        Err(error) => {
            let why = format!("{error:#}");
            return loaded.left_out.push(LeftOut { file, why });
        }
    };
    if !manifest::may_be_ours(&text) {
        return;
    }
    let left_out = |why: &str| LeftOut {
        file: file.clone(),
        why: why.to_owned(),
    };
    if is_patch {
        return loaded.left_out.push(left_out("a patch of a kustomization"));
    }
    if manifest::is_template(&text) {
        return loaded.left_out.push(left_out(TEMPLATE));
    }
    let manifest = manifest::read(&file.display().to_string(), &text);
    let is_syntax = |fault: &Fault| fault.is_error() && fault.problem.code == Code::Syntax;
    if manifest.faults.iter().any(is_syntax) {
        if text.contains("{{") {
            return loaded.left_out.push(left_out(TEMPLATE));
        }
        if !manifest::means_ours(&text) {
            return loaded
                .left_out
                .push(left_out("no YAML, and nothing of ours in it"));
        }
    }
    loaded.add(manifest, &file, text, namespace);
}

/// Says on standard error what is wrong with files, as `lint` says it: with the lines of the files.
pub(crate) fn say<'f>(faults: impl IntoIterator<Item = &'f Fault>, texts: &Texts) {
    let is_coloured = is_coloured(&std::io::stderr());
    eprint!("{}", report::in_text(faults, texts, is_coloured));
}

/// Whether colours are shown where something is printed.
pub(crate) fn is_coloured(out: &impl IsTerminal) -> bool {
    out.is_terminal() && std::env::var_os("NO_COLOR").is_none()
}

const TEMPLATE: &str = "a template that is not rendered yet";

/// Reads a file, or standard input for `-`.
pub(crate) fn read(path: &Path) -> anyhow::Result<String> {
    let name = path.display();
    let mut bytes = Vec::new();
    if path == Path::new("-") {
        std::io::stdin()
            .lock()
            .take(LARGEST + 1)
            .read_to_end(&mut bytes)
    } else {
        let file = fs::File::open(path).with_context(|| format!("open {name}"))?;
        file.take(LARGEST + 1).read_to_end(&mut bytes)
    }
    .with_context(|| format!("read {name}"))?;
    if bytes.len() as u64 > LARGEST {
        bail!("{name} is larger than {} MiB", LARGEST / 1024 / 1024);
    }
    String::from_utf8(bytes).with_context(|| format!("{name} is not UTF-8"))
}
