//! `tiphys lint`.

use std::io::Write;
use std::process::ExitCode;

use anyhow::Context;
use clap::builder::{PossibleValue, TypedValueParser};
use clap::{Args, ValueEnum};
use tiphys_api::Code;
use tiphys_check::report::{Findings, Format};

use crate::args::{FileArgs, one_of};
use crate::files::{self, Loaded};

#[derive(Debug, Args)]
pub(crate) struct LintArgs {
    #[command(flatten)]
    pub(crate) files: FileArgs,
    /// How faults are written
    #[arg(short, long, value_name = "FORMAT", default_value = "text")]
    pub(crate) output: Faults,
    /// Warnings count as errors
    #[arg(long)]
    pub(crate) strict: bool,
    /// Leave out faults of these sorts; several are separated by commas. In a file, `# tiphys:ignore CODE`
    /// does it for its line or the next one, `# tiphys:ignore-file CODE` for the whole file
    #[arg(long, value_name = "CODE", value_delimiter = ',', value_parser = codes())]
    pub(crate) ignore: Vec<Code>,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Faults {
    /// For people, with the line of the file
    Text,
    /// One JSON document
    Json,
    /// SARIF 2.1.0, for code hosts and editors
    Sarif,
    /// Commands of a GitHub workflow: annotations of the lines
    Github,
}

/// The codes, as values of an option.
fn codes() -> impl TypedValueParser<Value = Code> {
    one_of(Code::ALL, |code| {
        PossibleValue::new(code.name()).help(code.meaning())
    })
}

pub(crate) fn main(args: &LintArgs) -> anyhow::Result<ExitCode> {
    let loaded = files::load(&args.files.all(), "default")?;
    let mut out = std::io::stdout().lock();
    let format = match args.output {
        Faults::Text => Format::Text {
            is_coloured: files::is_coloured(&out),
        },
        Faults::Json => Format::Json,
        Faults::Sarif => Format::Sarif,
        Faults::Github => Format::Github,
    };
    let objects = loaded.ours().count();
    let Loaded {
        faults,
        texts,
        left_out,
        ..
    } = loaded;
    let findings = Findings::new(faults, objects, &args.ignore, &texts);
    out.write_all(findings.print(format, &texts).as_bytes())
        .context("write to standard output")?;
    for left_out in &left_out {
        eprintln!("{left_out}");
    }
    eprintln!("{}", summary(&findings));
    let failed = findings.errors() > 0 || (args.strict && findings.warnings() > 0);
    Ok(if failed {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn summary(findings: &Findings) -> String {
    let count = |n: usize, what: &str| match n {
        1 => format!("1 {what}"),
        n => format!("{n} {what}s"),
    };
    let silenced = match findings.silenced() {
        0 => String::new(),
        n => format!(", {n} ignored"),
    };
    format!(
        "{} checked: {}, {}{silenced}",
        count(findings.objects(), "object"),
        count(findings.errors(), "error"),
        count(findings.warnings(), "warning"),
    )
}
