//! The controller's configuration file.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use anyhow::{Context, ensure};
use tiphys_controller::settings::Configuration;

/// The largest file that is read.
const LARGEST: usize = 1024 * 1024;

/// A file in Argo Events' format; without it the built-in settings count.
pub(super) struct File {
    path: PathBuf,
    /// What it said last.
    last: Option<String>,
}

impl File {
    /// Nothing is read yet.
    pub(super) fn new(path: PathBuf) -> Self {
        Self { path, last: None }
    }

    /// Reads it.
    pub(super) fn read(&mut self) -> anyhow::Result<Configuration> {
        self.last = self.text()?;
        self.parse()
    }

    /// Reads it again; `None` if it says what it said before.
    pub(super) fn changed(&mut self) -> anyhow::Result<Option<Configuration>> {
        let text = self.text()?;
        if text == self.last {
            return Ok(None);
        }
        self.last = text;
        self.parse().map(Some)
    }

    fn parse(&self) -> anyhow::Result<Configuration> {
        match &self.last {
            Some(text) => {
                Configuration::parse(text).with_context(|| format!("use {}", self.path.display()))
            }
            None => Ok(Configuration::builtin()),
        }
    }

    fn text(&self) -> anyhow::Result<Option<String>> {
        let text = match fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => {
                return Err(error).with_context(|| format!("read {}", self.path.display()));
            }
        };
        ensure!(
            text.len() <= LARGEST,
            "{} is too large",
            self.path.display()
        );
        Ok(Some(text))
    }
}
