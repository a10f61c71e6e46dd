//! `tiphys graph`.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, ValueEnum};
use tiphys_graph::Focus;
use tiphys_live::flow;

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
    let wrong = loaded.faults.iter().filter(|fault| flow::is_wrong(fault));
    files::say(wrong, &loaded.texts);
    let focus = Focus {
        namespace: args.namespace.clone(),
        sensor: args.sensor.clone(),
        around: args.around.clone(),
    };
    let graph = flow::graph(&loaded, &focus)
        .context("nothing in these files is what --namespace, --sensor and --around name")?;
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
