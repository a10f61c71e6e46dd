//! The documentation, as its readers use it: a page's shell blocks are run line by line in a folder that
//! has what the page speaks of, and print what the page shows.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tiphys_testbed::Scratch;
use tokio::io::{AsyncReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::tiphys::binary;
use crate::wait::{in_half, within};

/// Stands in a page for what is left out: as a line for lines, within one for text.
const LEFT_OUT: &str = "…";

/// The signal of Ctrl-C.
const INTERRUPT: i32 = 2;

/// One page.
#[derive(Debug)]
pub struct Page {
    /// Where it is, from the root of the repository: `docs/event.md`.
    pub name: String,
    text: String,
}

/// A command line of a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// As it stands there, in one line.
    pub command: String,
    /// What the page shows of its output; empty if it shows nothing.
    pub output: Vec<String>,
}

/// What a command line needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Needs {
    /// The program and files.
    Desk,
    /// A cluster beside them.
    Cluster,
    /// The repository and its build.
    Build,
}

impl Page {
    /// All pages for users.
    ///
    /// # Panics
    /// When they cannot be read.
    pub fn all() -> Vec<Self> {
        let root = root();
        let mut files = vec![root.join("README.md")];
        let mut folders = ["docs", "examples", "deploy"]
            .map(|name| root.join(name))
            .to_vec();
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).expect("the folder can be read") {
                let path = entry.expect("the folder can be read").path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "md") {
                    files.push(path);
                }
            }
        }
        files.sort();
        let pages = files.iter().map(|file| {
            let name = file.strip_prefix(&root).expect("it is below the root");
            Self {
                name: name.display().to_string(),
                text: fs::read_to_string(file).expect("the page can be read"),
            }
        });
        pages.collect()
    }

    /// The page of this name.
    ///
    /// # Panics
    /// When there is none.
    pub fn of(name: &str) -> Self {
        let text = fs::read_to_string(root().join(name));
        Self {
            name: name.to_owned(),
            text: text.unwrap_or_else(|error| panic!("{name}: {error}")),
        }
    }

    /// Its blocks of a language, in order.
    pub fn blocks(&self, language: &str) -> Vec<String> {
        let blocks = blocks(&self.text).into_iter();
        blocks
            .filter(|(found, _)| *found == language)
            .map(|(_, lines)| lines.join("\n") + "\n")
            .collect()
    }

    /// Its command lines, in order.
    pub fn steps(&self) -> Vec<Step> {
        let blocks = blocks(&self.text);
        blocks
            .into_iter()
            .flat_map(|(language, lines)| match language {
                "sh" | "shell" | "bash" => steps(&lines, ""),
                "console" => steps(&lines, "$ "),
                _ => Vec::new(),
            })
            .collect()
    }
}

/// The blocks of a page: language, and lines.
fn blocks(text: &str) -> Vec<(&str, Vec<&str>)> {
    let mut blocks = Vec::new();
    let mut open: Option<(&str, Vec<&str>)> = None;
    for line in text.lines() {
        match (&mut open, line.trim_start().strip_prefix("```")) {
            (None, Some(language)) => open = Some((language, Vec::new())),
            (Some(_), Some(_)) => blocks.extend(open.take()),
            (Some((_, lines)), None) => lines.push(line),
            (None, None) => {}
        }
    }
    blocks
}

/// The command lines of a block. Where they stand behind a prompt, what follows is what they print.
fn steps(lines: &[&str], prompt: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut lines = lines.iter();
    while let Some(line) = lines.next() {
        let Some(begin) = line.strip_prefix(prompt) else {
            if let Some(step) = steps.last_mut() {
                step.output.push((*line).to_owned());
            }
            continue;
        };
        let mut command = begin.trim().to_owned();
        while let Some(begin) = command.strip_suffix('\\') {
            command = begin.to_owned() + lines.next().map_or("", |line| line.trim());
        }
        if !command.is_empty() && !command.starts_with('#') {
            steps.push(Step {
                command,
                output: Vec::new(),
            });
        }
    }
    steps
}

impl Step {
    /// What it needs to be run.
    pub fn needs(&self) -> Needs {
        let begins = |program: &str| self.command.starts_with(program);
        if begins("cargo xtask ") || begins("cargo build ") {
            Needs::Build
        } else if begins("kubectl ") || self.command.contains(" -n ") {
            Needs::Cluster
        } else {
            Needs::Desk
        }
    }

    /// Whether it goes on until it is interrupted.
    pub fn follows(&self) -> bool {
        let words: Vec<&str> = self.command.split(' ').collect();
        let has = |word| words.contains(&word);
        let is = |command| words.get(1) == Some(&command);
        has("--watch")
            || has("run")
            || is("console")
            || is("port-forward")
            || is("tail") && !has("--no-follow")
    }

    /// The first line of the page's output that is not in `output`, in order, and what is in its place.
    pub fn difference(&self, output: &str) -> Option<String> {
        let mut printed = output.lines().filter(|line| !line.trim().is_empty());
        let mut skips = false;
        for line in self.output.iter().filter(|line| !line.trim().is_empty()) {
            if line.trim() == LEFT_OUT {
                skips = true;
                continue;
            }
            let mut found = printed.next();
            while skips && found.is_some_and(|found| !is_alike(line, found)) {
                found = printed.next();
            }
            skips = false;
            if !found.is_some_and(|found| is_alike(line, found)) {
                return Some(format!(
                    "wanted: {line}\nfound:  {}",
                    found.unwrap_or("nothing more")
                ));
            }
        }
        let rest = printed.next().filter(|_| !skips && !self.output.is_empty());
        rest.map(|rest| format!("not in the page: {rest}"))
    }
}

/// Whether two lines have the same words: those with digits are figures, ids and times, which are
/// others each time.
fn is_alike(wanted: &str, found: &str) -> bool {
    let is_figure = |word: &str| word.contains(|c: char| c.is_ascii_digit());
    let mut found = found.split_whitespace();
    for word in wanted.split_whitespace() {
        if word == LEFT_OUT {
            return true;
        }
        let Some(other) = found.next() else {
            return false;
        };
        if word != other && !(is_figure(word) && is_figure(other)) {
            return false;
        }
    }
    found.next().is_none()
}

/// Where command lines are run: a folder with `examples` and `deploy`, and with the programs.
#[derive(Debug)]
pub struct Shell {
    scratch: Scratch,
    environment: BTreeMap<String, OsString>,
}

impl Shell {
    /// A shell that knows no program beside the system's but `tiphys`.
    ///
    /// # Panics
    /// When its folder cannot be made.
    pub fn new() -> Self {
        let scratch = Scratch::new("page").expect("a folder can be made");
        let folder = scratch.path();
        fs::create_dir(folder.join("bin")).expect("a folder can be made");
        for name in ["examples", "deploy"] {
            symlink(root().join(name), folder.join(name)).expect("a link can be made");
        }
        let shell = Self {
            environment: BTreeMap::from([("HOME".to_owned(), folder.into())]),
            scratch,
        };
        shell.program("tiphys", binary());
        shell
    }

    /// Makes a program known.
    ///
    /// # Panics
    /// When there is one of this name already.
    pub fn program(&self, name: &str, path: &Path) {
        let link = self.path(&format!("bin/{name}"));
        symlink(path, link).expect("a link can be made");
    }

    /// Sets a variable.
    #[must_use]
    pub fn variable(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.insert(name.to_owned(), value.into());
        self
    }

    /// The path of a file in its folder.
    pub fn path(&self, name: &str) -> PathBuf {
        self.scratch.path().join(name)
    }

    /// Writes a file, and the folders above it.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn file(&self, name: &str, text: &str) {
        let path = self.path(name);
        let folder = path.parent().expect("it is in the folder");
        fs::create_dir_all(folder).expect("the folder can be made");
        fs::write(path, text).expect("the file can be written");
    }

    /// Runs a command line to its end; what it prints, and its exit code.
    ///
    /// # Panics
    /// When it does not end in time.
    pub async fn run(&self, command: &str) -> (String, Option<i32>) {
        let child = self.spawn(command, Stdio::piped());
        let output = within(command, child.wait_with_output()).await;
        let output = output.expect("the shell ends");
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        (text, output.status.code())
    }

    /// Removes a file, if there is one.
    pub fn remove(&self, name: &str) {
        drop(fs::remove_file(self.path(name)));
    }

    /// Runs a command line until it has printed something, and interrupts it.
    ///
    /// # Errors
    /// If it ends of itself, or by a failure.
    ///
    /// # Panics
    /// When it prints nothing, or does not end, in time.
    pub async fn interrupt(&self, command: &str) -> Result<(), String> {
        let mut has_tried = false;
        let (mut child, mut stdout) = loop {
            // The shell gives way to the program, which gets the signal.
            let mut child = self.spawn(&format!("exec {command} 2>&1"), Stdio::inherit());
            let stdout = child.stdout.take().expect("it has an output");
            let mut stdout = BufReader::new(stdout);
            if let Some(first) = in_half(stdout.read_u8()).await {
                first.unwrap_or_else(|error| panic!("{command} prints nothing: {error}"));
                break (child, stdout);
            }
            // A `tail` has been silent twice in months, on a machine with much to do, and nobody knows why: what it
            // waits for is kept for who finds out.
            eprintln!("{command} prints nothing: {}", waits_for(child.id()));
            assert!(!has_tried, "{command} prints nothing, twice");
            has_tried = true;
        };
        let id = child.id().expect("it runs").to_string();
        let interrupted = Command::new("kill").args(["-INT", &id]).status().await;
        interrupted.expect("it can be interrupted");
        let mut rest = Vec::new();
        let ended = async {
            drop(stdout.read_to_end(&mut rest).await);
            child.wait().await
        };
        let status = within(command, ended).await.expect("it ends");
        if status.success() || status.signal() == Some(INTERRUPT) {
            return Ok(());
        }
        Err(format!("{status}\n{}", String::from_utf8_lossy(&rest)))
    }

    fn spawn(&self, command: &str, stderr: Stdio) -> Child {
        let system = std::env::var("PATH").unwrap_or_default();
        let path = format!("{}:{system}", self.path("bin").display());
        let mut shell = Command::new("/bin/sh");
        shell
            .args(["-e", "-c", command])
            .current_dir(self.scratch.path())
            .env_clear()
            .env("PATH", path)
            .envs(&self.environment)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .kill_on_drop(true);
        shell.spawn().expect("a shell can be started")
    }
}

impl Default for Shell {
    fn default() -> Self {
        Self::new()
    }
}

fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("tests has a parent").to_owned()
}

/// What the threads of a process wait in, and its connections.
fn waits_for(id: Option<u32>) -> String {
    let Some(id) = id else {
        return "it has ended".to_owned();
    };
    let tasks = fs::read_dir(format!("/proc/{id}/task"))
        .into_iter()
        .flatten();
    let waits = tasks.flatten().map(|task| {
        let read = |name| fs::read_to_string(task.path().join(name)).unwrap_or_default();
        format!("{} {}", read("comm").trim(), read("wchan"))
    });
    let waits: Vec<_> = waits.collect();
    let connections = std::process::Command::new("ss").arg("-tnpoi").output();
    let connections = connections.map(|output| output.stdout).unwrap_or_default();
    let connections = String::from_utf8_lossy(&connections).into_owned();
    let lines: Vec<&str> = connections.lines().collect();
    let own = lines
        .windows(2)
        .filter(|pair| pair[0].contains(&format!("pid={id},")));
    let own: Vec<_> = own.flatten().copied().collect();
    format!("{waits:?}\n{}", own.join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# A page\n\n```console\n$ tiphys lint \\\n  a\n0 faults\n$ tiphys run -f a\n```\n\n```sh\n# all\n\nkubectl get es -o yaml | tiphys lint -   # of a namespace\n```\n";

    #[test]
    fn commands_have_what_they_print() {
        let page = Page {
            name: "a.md".to_owned(),
            text: TEXT.to_owned(),
        };
        let steps = page.steps();
        let commands: Vec<&str> = steps.iter().map(|step| &*step.command).collect();
        assert_eq!(
            commands,
            [
                "tiphys lint a",
                "tiphys run -f a",
                "kubectl get es -o yaml | tiphys lint -   # of a namespace",
            ]
        );
        assert_eq!(steps[0].output, ["0 faults"]);
        assert_eq!(
            steps.iter().map(Step::needs).collect::<Vec<_>>(),
            [Needs::Desk, Needs::Desk, Needs::Cluster]
        );
        assert!(steps[1].follows());
    }

    #[test]
    fn what_is_printed_is_compared_by_words() {
        let step = Step {
            command: String::new(),
            output: ["event … (webhook)", "  …", "age 21s", "…"]
                .map(str::to_owned)
                .to_vec(),
        };
        assert_eq!(
            step.difference("event 4f1 (webhook)\na\nb\nage   7m2s\nmore"),
            None
        );
        let missing = step.difference("event 4f1 (webhook)\nage ?\n");
        assert_eq!(
            missing.as_deref(),
            Some("wanted: age 21s\nfound:  nothing more")
        );
        let whole = Step {
            command: String::new(),
            output: vec!["a".to_owned()],
        };
        assert_eq!(
            whole.difference("a\nb").as_deref(),
            Some("not in the page: b")
        );
    }
}
