//! Faults as people and programs read them: text, JSON, SARIF, annotations of GitHub.

mod github;
mod json;
mod sarif;
mod silence;
mod text;

use std::collections::BTreeMap;
use std::sync::Arc;

use tiphys_api::Code;
use tiphys_api::manifest::Fault;

/// How faults are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people: a line a fault, and the line of the file with a caret.
    Text {
        /// With the escape sequences of a terminal.
        is_coloured: bool,
    },
    /// One JSON document.
    Json,
    /// SARIF 2.1.0, as code hosts and editors read it.
    Sarif,
    /// Commands of a GitHub workflow, which become annotations of the lines.
    Github,
}

/// The content of files, by name.
pub type Texts = BTreeMap<Arc<str>, String>;

/// Faults for people: a line each that says where and what, and the line of its file with a caret. `texts`
/// are the files that have some.
pub fn in_text<'f>(
    faults: impl IntoIterator<Item = &'f Fault>,
    texts: &Texts,
    is_coloured: bool,
) -> String {
    text::render(&Vec::from_iter(faults), texts, is_coloured)
}

/// What was found in files.
#[derive(Debug, Default)]
pub struct Findings {
    faults: Vec<Fault>,
    objects: usize,
    silenced: usize,
}

impl Findings {
    /// The faults of so many objects, without those that `ignored` or a comment in their file silence.
    ///
    /// `# tiphys:ignore CODE, CODE` counts for its line, or for the next one if nothing else stands on
    /// its own; `# tiphys:ignore-file CODE` for its file. Without a code they count for all.
    pub fn new(faults: Vec<Fault>, objects: usize, ignored: &[Code], texts: &Texts) -> Self {
        let all = faults.len();
        let comments: BTreeMap<_, _> = texts
            .iter()
            .map(|(file, text)| (file, silence::Comments::find(text)))
            .collect();
        let faults: Vec<_> = faults
            .into_iter()
            .filter(|fault| {
                let comments = comments.get(&fault.file);
                !ignored.contains(&fault.problem.code)
                    && !comments.is_some_and(|comments| comments.silence(fault))
            })
            .collect();
        Self {
            objects,
            silenced: all - faults.len(),
            faults,
        }
    }

    /// How many of them are errors.
    pub fn errors(&self) -> usize {
        self.faults.iter().filter(|fault| fault.is_error()).count()
    }

    /// How many of them are warnings.
    pub fn warnings(&self) -> usize {
        self.faults.len() - self.errors()
    }

    /// How many were silenced.
    pub fn silenced(&self) -> usize {
        self.silenced
    }

    /// How many objects were checked.
    pub fn objects(&self) -> usize {
        self.objects
    }

    /// The faults in a format; `texts` are the files that have some.
    pub fn print(&self, format: Format, texts: &Texts) -> String {
        match format {
            Format::Text { is_coloured } => in_text(&self.faults, texts, is_coloured),
            Format::Json => json::render(self),
            Format::Sarif => sarif::render(&self.faults),
            Format::Github => github::render(&self.faults),
        }
    }
}

#[cfg(test)]
mod tests;
