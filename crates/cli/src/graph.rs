//! `tiphys graph`.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, bail};
use clap::{Args, ValueEnum};
use tiphys_api::Code;
use tiphys_api::manifest::{Content, Fault};
use tiphys_graph::{Focus, Graph, Objects};

use crate::args::FileArgs;
use crate::files;

#[derive(Debug, Args)]
pub(crate) struct GraphArgs {
    #[command(flatten)]
    pub(crate) files: FileArgs,
    /// How it is drawn
    #[arg(short, long, value_name = "FORMAT", default_value = "svg")]
    pub(crate) output: Drawing,
    /// Only what is in this namespace
    #[arg(short, long, value_name = "NAME")]
    pub(crate) namespace: Option<String>,
    /// Only Sensors of this name, with what reaches them
    #[arg(long, value_name = "NAME")]
    pub(crate) sensor: Option<String>,
    /// Only objects of this name, with those that are joined to them
    #[arg(long, value_name = "NAME")]
    pub(crate) around: Option<String>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Drawing {
    /// A picture to look at
    Svg,
    /// Text that Markdown viewers draw
    Mermaid,
    /// Text for Graphviz
    Dot,
    /// The nodes and edges
    Json,
}

pub(crate) fn main(args: &GraphArgs) -> anyhow::Result<ExitCode> {
    let loaded = files::load(&args.files.all(), "default")?;
    let mut objects = Objects::default();
    let mut faulty = Vec::new();
    for loadable in loaded.objects {
        let errors = loadable.faults.into_iter();
        let errors: Vec<Fault> = errors.filter(is_wrong).collect();
        if !errors.is_empty() {
            faulty.push((loadable.object.content.clone(), errors));
        }
        match loadable.object.content {
            Content::EventSource(object) => objects.sources.push(*object),
            Content::EventBus(object) => objects.buses.push(*object),
            Content::Sensor(object) => objects.sensors.push(*object),
            Content::Other(_) => {}
        }
    }
    // A flow with faults is drawn all the same: seeing where it breaks is what the picture is for.
    let wrong = loaded.faults.iter().filter(|fault| is_wrong(fault));
    files::say(wrong, &loaded.texts);
    let focus = Focus {
        namespace: args.namespace.clone(),
        sensor: args.sensor.clone(),
        around: args.around.clone(),
    };
    if !focus.apply(&mut objects) {
        bail!("nothing in these files is what --namespace, --sensor and --around name");
    }
    let Objects {
        sources,
        buses,
        sensors,
    } = objects;
    let mut graph = Graph::from_objects(&sources, &buses, &sensors);
    for (content, errors) in &faulty {
        mark(&mut graph, content, errors);
    }
    let drawn = match args.output {
        Drawing::Svg => graph.to_svg(),
        Drawing::Mermaid => graph.to_mermaid(),
        Drawing::Dot => graph.to_dot(),
        Drawing::Json => graph.to_json(),
    };
    let drawn = drawn.trim_end();
    writeln!(std::io::stdout(), "{drawn}").context("write to standard output")?;
    Ok(ExitCode::SUCCESS)
}

/// Whether something is wrong: a flow may hold what this version does not run.
fn is_wrong(fault: &Fault) -> bool {
    fault.problem.is_error() && fault.problem.code != Code::NotRun
}

/// Shows the faults of an object where they are.
fn mark(graph: &mut Graph, content: &Content, errors: &[Fault]) {
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let faults = errors.iter().zip(&texts);
    let faults: Vec<_> = faults
        .map(|(fault, text)| tiphys_graph::Fault {
            field_path: &fault.problem.field_path,
            text,
        })
        .collect();
    match content {
        Content::Sensor(sensor) => graph.mark_sensor(sensor, &faults),
        Content::EventSource(source) => graph.mark_source(source, &faults),
        Content::EventBus(_) | Content::Other(_) => {}
    }
}
