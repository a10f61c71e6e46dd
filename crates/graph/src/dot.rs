//! The graph in the DOT language, for Graphviz and its relatives.

use std::fmt::{self, Write as _};

use crate::model::{EdgeKind, Graph, Node, NodeKind, Parts, groups, namespace_title};
use crate::text::shorten;

/// Characters of a text that a label shows.
const MAX_LABEL_CHARS: usize = 80;

const HEAD: &str = r##"digraph tiphys {
  rankdir=LR
  graph [fontname="sans-serif" fontsize=12 style=rounded color="#cbd5e1" ranksep=0.8]
  node [fontname="sans-serif" fontsize=11 shape=box style=rounded]
  edge [fontname="sans-serif" fontsize=10 color="#64748b"]
"##;

impl Graph {
    /// The graph in the DOT language.
    pub fn to_dot(&self) -> String {
        let mut text = String::new();
        // Writing into a text cannot fail.
        if write(&mut text, self).is_err() {
            text.clear();
        }
        text
    }
}

fn write(text: &mut String, graph: &Graph) -> fmt::Result {
    text.push_str(HEAD);
    let groups = groups(graph);
    for (at, band) in groups
        .chunk_by(|a, b| a.namespace == b.namespace)
        .enumerate()
    {
        let title = Label(namespace_title(band[0].namespace));
        writeln!(
            text,
            "  subgraph cluster_{} {{\n    label=\"{title}\"",
            at + 1
        )?;
        for group in band {
            members(text, &group.parts(graph))?;
        }
        writeln!(text, "  }}")?;
    }
    for edge in &graph.edges {
        let (from, to, label) = (&edge.from, &edge.to, Label(&edge.label));
        write!(text, "  {from} -> {to}")?;
        match edge.kind {
            EdgeKind::Flow if edge.label.is_empty() => writeln!(text)?,
            EdgeKind::Flow => writeln!(text, " [label=\"{label}\"]")?,
            EdgeKind::DeadLetter | EdgeKind::Broken => {
                writeln!(text, " [label=\"{label}\" style=dashed color=\"#dc2626\"]")?;
            }
        }
    }
    text.push_str("}\n");
    Ok(())
}

/// The nodes of a group, those of a sensor in a cluster of their own.
fn members(text: &mut String, parts: &Parts<'_>) -> fmt::Result {
    for node in &parts.outside {
        declare(text, node, "    ")?;
    }
    for (sensor, nodes) in &parts.sensors {
        let (id, title) = (&nodes[0].id, Label(sensor));
        writeln!(
            text,
            "    subgraph cluster_of_{id} {{\n      label=\"sensor {title}\""
        )?;
        for node in nodes {
            declare(text, node, "      ")?;
        }
        writeln!(text, "    }}")?;
    }
    for node in &parts.targets {
        declare(text, node, "    ")?;
    }
    Ok(())
}

fn declare(text: &mut String, node: &Node, indent: &str) -> fmt::Result {
    write!(
        text,
        "{indent}{} [label=\"{}\\n{}",
        node.id,
        Label(&node.tag),
        Label(&node.title)
    )?;
    for more in std::iter::once(&node.detail)
        .chain(&node.badges)
        .filter(|more| !more.is_empty())
    {
        write!(text, "\\n{}", Label(more))?;
    }
    let (shape, color) = match node.kind {
        NodeKind::Source => ("", "#0284c7"),
        NodeKind::Event => ("", "#d97706"),
        NodeKind::Bus => (" shape=cylinder", "#7c3aed"),
        NodeKind::Dependency => ("", "#0d9488"),
        NodeKind::Condition => (" shape=diamond", "#db2777"),
        NodeKind::Trigger => ("", "#2563eb"),
        NodeKind::Target => (" shape=ellipse", "#4d7c0f"),
    };
    let style = if node.is_missing {
        " style=\"rounded,dashed\""
    } else {
        ""
    };
    let color = if node.is_missing { "#dc2626" } else { color };
    writeln!(text, "\"{shape} color=\"{color}\"{style}]")
}

/// A text in a string in quotes, in which nothing is syntax, an escape or an entity.
struct Label<'a>(&'a str);

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in shorten(self.0, MAX_LABEL_CHARS).chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '&' => f.write_str("&amp;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}
