//! `tiphys test`: tests of manifests that lie beside them.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::Args;
use jiff::Timestamp;
use tiphys_live::objects::subjects;
use tiphys_simulate::{File, Suite};

use crate::files::{self, read};
use crate::simulate::DEFAULT;

/// What the names of files of tests end with.
const ENDING: &str = ".tiphys-test.yaml";

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// Files of tests, or folders with such: `*.tiphys-test.yaml`
    #[arg(value_name = "PATH", default_value = ".")]
    pub(crate) paths: Vec<PathBuf>,
    /// Write into the files what happens, as what tests expect that fail
    #[arg(long)]
    pub(crate) update: bool,
    /// Write the results as `JUnit` XML, too
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
}

/// A test, and why it failed if it did.
struct Tested {
    name: String,
    failure: Option<String>,
    /// What would have to be expected.
    expectation: Option<String>,
}

pub(crate) fn main(args: &TestArgs) -> anyhow::Result<ExitCode> {
    let mut suites = Vec::new();
    for path in &args.paths {
        find(path, &mut suites)?;
    }
    if suites.is_empty() {
        bail!("there is no file of tests (*{ENDING}) in what is named");
    }
    let mut results = Vec::new();
    let mut out = std::io::stdout().lock();
    for path in suites {
        let mut tested = run(&path)?;
        if args.update && update(&path, &tested)? {
            tested = run(&path)?;
        }
        let text = table(&path, &tested);
        out.write_all(text.as_bytes())
            .context("write to standard output")?;
        results.push((path, tested));
    }
    if let Some(file) = &args.junit {
        fs::write(file, junit(&results)).with_context(|| format!("write {}", file.display()))?;
    }
    let tested = results.iter().flat_map(|(_, tested)| tested);
    let failed = tested.clone().filter(|one| one.failure.is_some()).count();
    eprintln!("{} tests: {failed} failed", tested.count());
    Ok(if failed > 0 {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// The files of tests that a path names, in the order of their names.
fn find(path: &Path, suites: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    if !path.is_dir() {
        suites.push(path.to_owned());
        return Ok(());
    }
    let entries = fs::read_dir(path).with_context(|| format!("read folder {}", path.display()))?;
    let mut paths = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<Vec<_>, _>>()
        .with_context(|| format!("read folder {}", path.display()))?;
    paths.sort();
    for path in paths {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        // Links to folders are not followed: they may lead in circles.
        let is_folder = path.is_dir() && !path.is_symlink() && !name.starts_with('.');
        if is_folder || path.is_file() && name.ends_with(ENDING) {
            find(&path, suites)?;
        }
    }
    Ok(())
}

fn run(path: &Path) -> anyhow::Result<Vec<Tested>> {
    let name = path.display().to_string();
    let text = read(path)?;
    let suite = Suite::read(&File {
        name: name.clone(),
        text,
    })?;
    let folder = path.parent().unwrap_or(Path::new(""));
    let manifests: Vec<PathBuf> = suite
        .manifests
        .iter()
        .map(|path| folder.join(path))
        .collect();
    let namespace = suite.namespace.as_deref();
    let loaded = files::load(&manifests, namespace.unwrap_or(DEFAULT))
        .with_context(|| format!("read the manifests of {name}"))?;
    let objects = subjects(&loaded, namespace);
    let now = Timestamp::now();
    let run = |case: &tiphys_simulate::Case| {
        let (failure, expectation) = match case.run(&objects, now) {
            Ok(verdict) => (verdict.failure, Some(verdict.expectation)),
            Err(error) => (Some(format!("{:#}", anyhow::Error::from(error))), None),
        };
        Tested {
            name: case.name.clone(),
            failure,
            expectation,
        }
    };
    Ok(suite.tests.iter().map(run).collect())
}

/// Writes what happens into a file of tests, where they fail; true if there was something to write.
fn update(path: &Path, tested: &[Tested]) -> anyhow::Result<bool> {
    let wanted = tested.iter().map(|one| {
        let expectation = one.expectation.clone();
        expectation.filter(|_| one.failure.is_some())
    });
    let wanted: Vec<Option<String>> = wanted.collect();
    let count = wanted.iter().flatten().count();
    if count == 0 {
        return Ok(false);
    }
    let name = path.display().to_string();
    let updated = tiphys_simulate::update(&name, &read(path)?, &wanted)?;
    fs::write(path, updated).with_context(|| format!("write {name}"))?;
    eprintln!("{name}: {count} expectations written");
    Ok(true)
}

fn table(path: &Path, tested: &[Tested]) -> String {
    let mut text = format!("{}\n", path.display());
    for Tested { name, failure, .. } in tested {
        let mark = if failure.is_none() {
            "  ok      "
        } else {
            "  FAILED  "
        };
        text.extend([mark, name, "\n"]);
        for line in failure.iter().flat_map(|failure| failure.lines()) {
            text.extend(["    ", line, "\n"]);
        }
    }
    text
}

/// The results as `JUnit` XML, as CIs read it.
fn junit(results: &[(PathBuf, Vec<Tested>)]) -> String {
    let mut xml = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites>\n".to_owned();
    for (path, tested) in results {
        let suite = escaped(&path.display().to_string());
        let failed = tested.iter().filter(|one| one.failure.is_some()).count();
        let count = tested.len();
        let head = format!("tests=\"{count}\" failures=\"{failed}\"");
        xml.extend(["  <testsuite name=\"", &suite, "\" ", &head, ">\n"]);
        for Tested { name, failure, .. } in tested {
            let name = escaped(name);
            xml.extend([
                "    <testcase classname=\"",
                &suite,
                "\" name=\"",
                &name,
                "\"",
            ]);
            match failure {
                None => xml.push_str("/>\n"),
                Some(failure) => xml.extend([
                    ">\n      <failure message=\"not as expected\">",
                    &escaped(failure),
                    "</failure>\n    </testcase>\n",
                ]),
            }
        }
        xml += "  </testsuite>\n";
    }
    xml + "</testsuites>\n"
}

fn escaped(text: &str) -> String {
    let mut xml = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            // XML has no other controls.
            c if c.is_control() && c != '\n' && c != '\t' => xml.push('\u{fffd}'),
            c => xml.push(c),
        }
    }
    xml
}
