//! Finds and reads manifests.

use std::collections::BTreeSet;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tiphys_api::manifest::{self, Fault, Object};
use tiphys_check::Checked;

pub(crate) use tiphys_check::Program;

/// The largest file that is read as a manifest: twice what the API server stores of one object.
const LARGEST: u64 = 4 * 1024 * 1024;

/// All objects of the files, with every fault that reading, the static rules and compiling found.
#[derive(Debug, Default)]
pub(crate) struct Loaded {
    /// The objects, with what was compiled of those that can run.
    pub(crate) objects: Vec<Loadable>,
    /// The faults, by file and line.
    pub(crate) faults: Vec<Fault>,
}

/// An object, and what it compiles to.
#[derive(Debug)]
pub(crate) struct Loadable {
    /// The object as it was read.
    pub(crate) object: Object,
    /// What of it can run.
    pub(crate) program: Option<Program>,
}

/// Reads manifests, checks and compiles them. Objects without a namespace get `namespace`.
pub(crate) fn load(paths: &[PathBuf], namespace: &str) -> anyhow::Result<Loaded> {
    let mut loaded = Loaded::default();
    for path in expand(paths)? {
        let text = read(&path)?;
        let manifest = manifest::read(&path.display().to_string(), &text);
        let mut faults = manifest.faults;
        for object in manifest.objects {
            let Checked { program, problems } = tiphys_check::object(&object, namespace);
            faults.extend(problems.into_iter().map(|problem| object.fault(problem)));
            loaded.objects.push(Loadable { object, program });
        }
        faults.sort_by_key(|fault| (fault.line, fault.column, fault.problem.severity));
        faults.dedup();
        loaded.faults.append(&mut faults);
    }
    let objects = loaded.objects.iter().map(|loadable| &loadable.object);
    loaded.faults.extend(tiphys_check::set(objects, namespace));
    Ok(loaded)
}

/// The files that the paths name: folders stand for the YAML and JSON files in and below them.
fn expand(paths: &[PathBuf]) -> anyhow::Result<BTreeSet<PathBuf>> {
    let mut files = BTreeSet::new();
    for path in paths {
        if path.is_dir() {
            let before = files.len();
            walk(path, &mut files)?;
            if files.len() == before {
                bail!(
                    "{}: no .yaml, .yml or .json file in this folder",
                    path.display()
                );
            }
        } else {
            files.insert(path.clone());
        }
    }
    Ok(files)
}

fn walk(folder: &Path, files: &mut BTreeSet<PathBuf>) -> anyhow::Result<()> {
    let entries =
        fs::read_dir(folder).with_context(|| format!("read folder {}", folder.display()))?;
    for entry in entries {
        let path = entry
            .with_context(|| format!("read folder {}", folder.display()))?
            .path();
        let is_manifest = path.extension().is_some_and(|extension| {
            ["yaml", "yml", "json"]
                .iter()
                .any(|known| extension == *known)
        });
        let is_hidden = path
            .file_name()
            .is_some_and(|name| name.to_string_lossy().starts_with('.'));
        // Kustomizations are for kubectl; they have no kind of ours and may have none at all.
        let is_kustomization = path
            .file_stem()
            .is_some_and(|stem| stem.eq_ignore_ascii_case("kustomization"));
        if is_hidden || is_kustomization {
            continue;
        }
        // Links to folders are not followed: they may lead in circles.
        if path.is_dir() && !path.is_symlink() {
            walk(&path, files)?;
        } else if is_manifest && path.is_file() {
            files.insert(path);
        }
    }
    Ok(())
}

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
