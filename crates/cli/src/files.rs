//! Finds and reads manifests.

mod folder;
mod kustomization;

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use tiphys_api::Code;
use tiphys_api::manifest::{self, Content, Fault, Manifest, Object};
use tiphys_check::Checked;
use tiphys_check::report::{self, Texts};
use tiphys_live::objects::Text;

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
    /// The files.
    pub(crate) texts: Texts,
    /// Files of folders that may hold objects of ours, and were not checked.
    pub(crate) left_out: Vec<LeftOut>,
    /// They are from a cluster.
    pub(crate) is_live: bool,
}

/// An object, and what it compiles to.
#[derive(Debug)]
pub(crate) struct Loadable {
    /// The object as it was read.
    pub(crate) object: Object,
    /// What of it can run.
    pub(crate) program: Option<Program>,
    /// What of it could run, were it not for the errors of the rest.
    pub(crate) sound: Option<Program>,
    /// What is wrong with it.
    pub(crate) faults: Vec<Fault>,
}

/// A file that was not checked.
#[derive(Debug)]
pub(crate) struct LeftOut {
    /// Its name.
    pub(crate) file: PathBuf,
    /// Why.
    pub(crate) why: String,
}

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
                    loaded.add_found(found, namespace);
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
pub(crate) fn in_folder(path: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let found = folder::files(path)?;
    Ok(found.into_iter().map(|found| found.file).collect())
}

/// What is the same for all names of a file.
fn identity(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

/// Checks and compiles the objects of a namespace of a cluster.
pub(crate) fn of_cluster(texts: Vec<Text>, namespace: &str) -> Loaded {
    let mut loaded = Loaded {
        is_live: true,
        ..Loaded::default()
    };
    for Text { name, json } in texts {
        let manifest = manifest::read(&name, &json);
        loaded.add(manifest, Path::new(&name), json, namespace);
    }
    loaded
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, why } = self;
        write!(f, "{}: left out: {why}", file.display())
    }
}

impl LeftOut {
    /// Its name, as objects of it would have it.
    pub(crate) fn name(&self) -> String {
        self.file.display().to_string()
    }
}

impl Loaded {
    /// The objects that are of a kind of ours.
    pub(crate) fn ours(&self) -> impl Iterator<Item = &Loadable> {
        self.objects
            .iter()
            .filter(|o| !matches!(o.object.content, Content::Other(_)))
    }

    /// A file that was found in a folder.
    fn add_found(&mut self, folder::Found { file, is_patch }: folder::Found, namespace: &str) {
        let text = match read(&file) {
            Ok(text) => text,
            Err(error) => {
                let why = format!("{error:#}");
                return self.left_out.push(LeftOut { file, why });
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
            return self.left_out.push(left_out("a patch of a kustomization"));
        }
        if manifest::is_template(&text) {
            return self.left_out.push(left_out(TEMPLATE));
        }
        let manifest = manifest::read(&file.display().to_string(), &text);
        let is_syntax = |fault: &Fault| fault.is_error() && fault.problem.code == Code::Syntax;
        if manifest.faults.iter().any(is_syntax) {
            if text.contains("{{") {
                return self.left_out.push(left_out(TEMPLATE));
            }
            if !manifest::means_ours(&text) {
                return self
                    .left_out
                    .push(left_out("no YAML, and nothing of ours in it"));
            }
        }
        self.add(manifest, &file, text, namespace);
    }

    fn add(&mut self, manifest: Manifest, file: &Path, text: String, namespace: &str) {
        let mut faults = manifest.faults;
        for object in manifest.objects {
            let Checked {
                program,
                sound,
                problems,
            } = tiphys_check::object(&object, namespace);
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
