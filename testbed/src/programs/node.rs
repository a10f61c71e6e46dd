//! The programs of a node, which have to be of the versions in `go.mod`: what the environment names
//! or `PATH` has may not go together.

use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use super::program::Program;
use super::settings::{Settings, cache_folder};
use super::{cached, cached_or_got};
use crate::Progress;

/// The programs that a node consists of.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct NodePrograms {
    programs: Vec<(&'static str, PathBuf)>,
}

impl NodePrograms {
    /// Finds the programs in the cache, and gets the missing ones.
    ///
    /// # Errors
    /// When one cannot be got: with each attempt and the line that installs it.
    pub fn locate(progress: Progress) -> anyhow::Result<Self> {
        let settings = Settings::from_environment()?;
        let paths = cached_or_got(Program::NODE, &settings, progress)?;
        let names = Program::NODE.map(Program::name);
        Ok(Self {
            programs: names.into_iter().zip(paths).collect(),
        })
    }

    /// True if none need be built.
    pub fn are_cached() -> bool {
        let is_cached = |settings: &Settings, program| {
            cached(program, settings).is_ok_and(|path| path.is_some())
        };
        Settings::from_environment().is_ok_and(|settings| {
            Program::NODE
                .into_iter()
                .all(|program| is_cached(&settings, program))
        })
    }

    /// Where a node keeps its state, beside the programs in the user's cache.
    ///
    /// # Errors
    /// When the user has no home folder.
    pub fn home() -> anyhow::Result<PathBuf> {
        Ok(cache_folder()?.with_file_name("node"))
    }

    /// Makes a link to each program, under its own name, in `folder`.
    ///
    /// # Errors
    /// When the folder cannot be written to.
    pub fn link_into(&self, folder: &Path) -> anyhow::Result<()> {
        std::fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        for (name, program) in &self.programs {
            replace_link(program, &folder.join(name))
                .with_context(|| format!("link to {}", program.display()))?;
        }
        Ok(())
    }
}

/// Whoever starts the program meanwhile finds the old one or the new one.
fn replace_link(program: &Path, link: &Path) -> std::io::Result<()> {
    if std::fs::read_link(link).is_ok_and(|target| target == program) {
        return Ok(());
    }
    let fresh = link.with_extension(format!("{}.new", std::process::id()));
    symlink(program, &fresh)?;
    std::fs::rename(&fresh, link)
}
