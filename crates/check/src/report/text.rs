//! Faults for people: a line that says where and what, and the line of the file under it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Group, Level, Renderer, Snippet};
use tiphys_api::Severity;
use tiphys_api::manifest::Fault;

use super::Texts;

/// The longest line of a file that is shown: of a minified one nobody sees the place anyhow.
const LONGEST: usize = 500;

/// The faults, each with its line of the file.
pub(super) fn render(faults: &[&Fault], texts: &Texts, is_coloured: bool) -> String {
    let renderer = if is_coloured {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let shown: BTreeSet<&Arc<str>> = faults.iter().map(|fault| &fault.file).collect();
    let lines: BTreeMap<&Arc<str>, Vec<&str>> = texts
        .iter()
        .filter(|(file, _)| shown.contains(file))
        .map(|(file, text)| (file, text.lines().collect()))
        .collect();
    let line = |fault: &Fault| -> Option<&str> {
        let lines = lines.get(&fault.file)?;
        lines.get(fault.line.checked_sub(1)?).copied()
    };
    let render = |fault: &&Fault| {
        let source = line(fault).filter(|source| source.len() <= LONGEST);
        match source {
            Some(source) => format!(
                "{}\n{}\n",
                sentence(fault, is_coloured),
                snippet(&renderer, fault, source)
            ),
            None => sentence(fault, is_coloured) + "\n",
        }
    };
    faults.iter().map(render).collect()
}

/// Where and what.
fn sentence(fault: &Fault, is_coloured: bool) -> String {
    let Fault {
        file,
        line,
        column,
        problem,
    } = fault;
    let (colour, reset) = match (is_coloured, problem.severity) {
        (false, _) => ("", ""),
        (true, Severity::Error) => ("\u{1b}[1;31m", "\u{1b}[0m"),
        (true, Severity::Warning) => ("\u{1b}[1;33m", "\u{1b}[0m"),
    };
    let (severity, text, code) = (problem.severity, problem.text(), problem.code);
    format!("{file}:{line}:{column}: {colour}{severity}{reset}: {text} [{code}]")
}

/// The line, with what the fault is about underlined: from its column to the end of what stands there.
fn snippet(renderer: &Renderer, fault: &Fault, source: &str) -> String {
    let begin = source
        .char_indices()
        .nth(fault.column - 1)
        .map_or(source.len(), |(at, _)| at);
    let length = source[begin..]
        .find(|c: char| c.is_whitespace() || matches!(c, ',' | ']' | '}' | ':'))
        .unwrap_or(source.len() - begin);
    let level = if fault.is_error() {
        Level::ERROR
    } else {
        Level::WARNING
    };
    let place =
        AnnotationKind::Primary.span(begin..begin + length.max(1).min(source.len() - begin));
    let snippet = Snippet::source(source)
        .line_start(fault.line)
        .annotation(place);
    renderer.render(&[Group::with_level(level).element(snippet)])
}
