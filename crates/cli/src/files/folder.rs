//! The files of a folder that may be manifests.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

use super::kustomization;

/// A file in or below a folder.
#[derive(Debug)]
pub(crate) struct Found {
    /// The file.
    pub(crate) file: PathBuf,
    /// A kustomization lists it as a patch: a part of an object that lies elsewhere.
    pub(crate) is_patch: bool,
}

/// The YAML and JSON files in and below a folder, sorted.
pub(super) fn files(folder: &Path) -> anyhow::Result<Vec<Found>> {
    let mut walk = Walk::default();
    walk.folder(folder)?;
    if walk.files.is_empty() {
        bail!(
            "{}: no .yaml, .yml or .json file in this folder",
            folder.display()
        );
    }
    let patches: BTreeSet<PathBuf> = walk
        .patches
        .iter()
        .filter_map(|p| p.canonicalize().ok())
        .collect();
    let found = walk.files.into_iter().map(|file| Found {
        is_patch: !patches.is_empty()
            && file
                .canonicalize()
                .is_ok_and(|file| patches.contains(&file)),
        file,
    });
    Ok(found.collect())
}

#[derive(Default)]
struct Walk {
    files: BTreeSet<PathBuf>,
    patches: Vec<PathBuf>,
}

impl Walk {
    fn folder(&mut self, folder: &Path) -> anyhow::Result<()> {
        let entries =
            fs::read_dir(folder).with_context(|| format!("read folder {}", folder.display()))?;
        for entry in entries {
            let path = entry
                .with_context(|| format!("read folder {}", folder.display()))?
                .path();
            let is_hidden = path
                .file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with('.'));
            // Libraries of other programs, with their own examples and settings.
            let is_foreign = path.ends_with("node_modules");
            if is_hidden || is_foreign {
                continue;
            }
            // Links to folders are not followed: they may lead in circles.
            if path.is_dir() && !path.is_symlink() {
                self.folder(&path)?;
            } else if has_extension(&path) && path.is_file() {
                self.file(folder, path);
            }
        }
        Ok(())
    }

    fn file(&mut self, folder: &Path, path: PathBuf) {
        // They are for kubectl; they have no kind of ours and may have none at all.
        let is_kustomization = path
            .file_stem()
            .is_some_and(|stem| stem.eq_ignore_ascii_case("kustomization"));
        if is_kustomization {
            let patches = super::read(&path).map(|text| kustomization::patches(&text));
            let patches = patches.unwrap_or_default().into_iter();
            self.patches.extend(patches.map(|patch| folder.join(patch)));
        } else {
            self.files.insert(path);
        }
    }
}

fn has_extension(path: &Path) -> bool {
    path.extension().is_some_and(|extension| {
        ["yaml", "yml", "json"]
            .iter()
            .any(|known| extension == *known)
    })
}
