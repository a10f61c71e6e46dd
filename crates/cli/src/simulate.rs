//! `tiphys simulate`: follows events through sensors, offline.

use std::collections::HashSet;
use std::io::Write;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use jiff::Timestamp;
use tiphys_api::manifest::Fault;
use tiphys_api::{Code, EventSourceKind, ResourceEventType};
use tiphys_simulate::{Expected, File, Format, Question, Simulation, What};

use crate::args::{As, SimulateArgs};
use crate::files::{self, Loaded};

pub(crate) use tiphys_live::objects::DEFAULT;

pub(crate) fn main(args: &SimulateArgs) -> anyhow::Result<ExitCode> {
    let files = args.files.all();
    let others = [&args.old, &args.expect, &args.body].into_iter().flatten();
    let several = files.iter().chain(&args.event).chain(&args.object);
    let inputs = several.chain(others);
    let is_read = matches!(args.r#as, Some(As::Kind(_))) && args.body.is_none();
    let named = inputs.filter(|path| path.as_os_str() == "-").count();
    if named + usize::from(is_read) > 1 {
        bail!("only one of the files can be standard input");
    }
    let namespace = args.namespace.as_deref();
    let loaded = files::load(&files, namespace.unwrap_or(DEFAULT))?;
    let question = Question::new(&args.explain)?;
    let expected = args.expect.as_deref().map(file).transpose()?;
    let expected = expected.as_ref().map(Expected::read).transpose()?;
    let now = args.time.unwrap_or_else(Timestamp::now);
    let objects = tiphys_live::objects::subjects(&loaded, namespace);
    let simulation = Simulation::new(&what(args)?, &objects, now)?;
    let refused = say(&loaded);
    let format = args.output.format();
    let succeeded = match expected {
        Some(expected) => compare(simulation, expected, format)?,
        None => show(simulation, &question, format)?,
    };
    Ok(if refused || !succeeded {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// The events that the arguments name.
fn what(args: &SimulateArgs) -> anyhow::Result<What> {
    if !args.event.is_empty() {
        let files = args.event.iter().map(|path| file(path));
        return Ok(What::Events(files.collect::<Result<_, _>>()?));
    }
    match (&args.object[..], args.r#as) {
        (objects @ [_, ..], None | Some(As::Object(_))) => {
            let event_type = match args.r#as {
                Some(As::Object(event_type)) => event_type,
                _ if args.old.is_some() => ResourceEventType::Update,
                _ => ResourceEventType::Add,
            };
            if args.old.is_some() && event_type != ResourceEventType::Update {
                bail!("--old goes with --as UPDATE");
            }
            let files = objects.iter().map(|path| file(path));
            Ok(What::Objects {
                files: files.collect::<Result<_, _>>()?,
                event_type,
                old: args.old.as_deref().map(file).transpose()?,
            })
        }
        ([], Some(As::Kind(kind))) => Ok(What::Body {
            body: match (args.body.as_deref(), kind) {
                // Nobody sends it anything.
                (None, EventSourceKind::Calendar) => None,
                (body, _) => Some(file(body.unwrap_or(Path::new("-")))?),
            },
            headers: args.header.clone(),
            kind,
            source: args.event_source.clone(),
        }),
        ([_, ..], Some(As::Kind(_))) => bail!("an object is there --as ADD, UPDATE or DELETE"),
        ([], Some(As::Object(_))) => bail!("--as ADD, UPDATE or DELETE goes with --object"),
        ([], None) => bail!("either --event, or --object, or --as KIND is needed"),
    }
}

fn file(path: &Path) -> anyhow::Result<File> {
    Ok(File {
        name: path.display().to_string(),
        text: files::read(path)?,
    })
}

/// Prints what became of each event, or what paths find in it.
fn show(simulation: Simulation<'_>, question: &Question, format: Format) -> anyhow::Result<bool> {
    let mut out = std::io::stdout().lock();
    for report in simulation {
        let text = if question.is_empty() {
            report.print(format)?
        } else {
            question.print(&report, format)?
        };
        out.write_all(text.as_bytes())
            .context("write to standard output")?;
    }
    Ok(true)
}

/// Prints what is not as expected; false if there is something.
fn compare(simulation: Simulation<'_>, expected: Expected, format: Format) -> anyhow::Result<bool> {
    let comparison = simulation.compare(expected)?;
    std::io::stdout()
        .lock()
        .write_all(comparison.print(format)?.as_bytes())
        .context("write to standard output")?;
    let is_equal = comparison.is_equal();
    if is_equal {
        let actions = comparison.actions();
        let s = if actions == 1 { "" } else { "s" };
        eprintln!("{actions} action{s}, as expected");
    } else {
        eprintln!("not as expected; without --expect, every stage is shown");
    }
    Ok(is_equal)
}

/// Says what is wrong with the files; true if a part of them has errors. What is only not run here has none:
/// events are given, and actions are pretended.
pub(crate) fn say(loaded: &Loaded) -> bool {
    let faults = loaded.faults.iter();
    let (not_run, faults): (Vec<_>, Vec<_>) =
        faults.partition(|fault| fault.problem.code == Code::NotRun);
    let has_errors = faults.iter().any(|fault| fault.problem.is_error());
    files::say(faults, &loaded.texts);
    let mut said = HashSet::new();
    for Fault { problem, .. } in not_run {
        if said.insert(&problem.message) {
            eprintln!("note: {}", problem.message);
        }
    }
    has_errors
}
