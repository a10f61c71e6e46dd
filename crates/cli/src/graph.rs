//! `tiphys graph`.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use tiphys_api::manifest::Content;
use tiphys_graph::Graph;

use crate::args::{Drawing, GraphArgs};
use crate::files;

pub(crate) fn main(args: &GraphArgs) -> anyhow::Result<ExitCode> {
    let loaded = files::load(&args.files, "default")?;
    let (mut sources, mut buses, mut sensors) = (Vec::new(), Vec::new(), Vec::new());
    for loadable in loaded.objects {
        match loadable.object.content {
            Content::EventSource(object) => sources.push(*object),
            Content::EventBus(object) => buses.push(*object),
            Content::Sensor(object) => sensors.push(*object),
            Content::Other(_) => {}
        }
    }
    // A flow with faults is drawn all the same: seeing where it breaks is what the picture is for.
    for fault in loaded
        .faults
        .iter()
        .filter(|fault| fault.problem.is_error())
    {
        eprintln!("{fault}");
    }
    let graph = Graph::from_objects(&sources, &buses, &sensors);
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
