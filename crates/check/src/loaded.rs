//! Objects of several documents, each checked and compiled.

use std::fmt;
use std::path::{Path, PathBuf};

use tiphys_api::manifest::{Content, Fault, Manifest, Object};

use crate::report::Texts;
use crate::{Checked, Program};

/// All objects of the files, with every fault that reading, the static rules and compiling found.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The objects, with what was compiled of those that can run.
    pub objects: Vec<Loadable>,
    /// The faults, by file and line.
    pub faults: Vec<Fault>,
    /// The files.
    pub texts: Texts,
    /// Files of folders that may hold objects of ours, and were not checked.
    pub left_out: Vec<LeftOut>,
    /// They are from a cluster.
    pub is_live: bool,
}

/// An object, and what it compiles to.
#[derive(Debug)]
pub struct Loadable {
    /// The object as it was read.
    pub object: Object,
    /// What of it can run.
    pub program: Option<Program>,
    /// What of it could run, were it not for the errors of the rest.
    pub sound: Option<Program>,
    /// What is wrong with it.
    pub faults: Vec<Fault>,
}

/// A file that was not checked.
#[derive(Debug)]
pub struct LeftOut {
    /// Its name.
    pub file: PathBuf,
    /// Why.
    pub why: String,
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, why } = self;
        write!(f, "{}: left out: {why}", file.display())
    }
}

impl LeftOut {
    /// Its name, as objects of it would have it.
    pub fn name(&self) -> String {
        self.file.display().to_string()
    }
}

impl Loaded {
    /// The objects that are of a kind of ours.
    pub fn ours(&self) -> impl Iterator<Item = &Loadable> {
        self.objects
            .iter()
            .filter(|o| !matches!(o.object.content, Content::Other(_)))
    }

    /// Checks and compiles what was read of a document. Objects without a namespace get `namespace`.
    pub fn add(&mut self, manifest: Manifest, file: &Path, text: String, namespace: &str) {
        let mut faults = manifest.faults;
        for object in manifest.objects {
            let Checked {
                program,
                sound,
                problems,
            } = crate::object(&object, namespace);
            let problems = object.broken.iter().cloned().chain(problems);
            let own: Vec<Fault> = problems.map(|problem| object.fault(problem)).collect();
            faults.extend(own.iter().cloned());
            self.objects.push(Loadable {
                object,
                program,
                sound,
                faults: own,
            });
        }
        faults.sort_by_key(|fault| (fault.line, fault.column, fault.problem.severity));
        faults.dedup();
        self.faults.append(&mut faults);
        self.texts.insert(file.display().to_string().into(), text);
    }
}
