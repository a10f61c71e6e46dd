//! The graph as a Mermaid flowchart, for README files and whatever else shows Mermaid.

use std::fmt::{self, Write as _};

use crate::model::{EdgeKind, Graph, Node, NodeKind, Parts, groups, namespace_title};
use crate::text::shorten;

/// Characters of a text that a label shows; Mermaid draws no more than 50 000 in all.
const MAX_LABEL_CHARS: usize = 80;

/// Colours that can be read on light and dark backgrounds.
const CLASSES: &str = "  classDef source stroke:#0284c7,stroke-width:2px
  classDef event stroke:#d97706,stroke-width:2px
  classDef bus stroke:#7c3aed,stroke-width:2px
  classDef dependency stroke:#0d9488,stroke-width:2px
  classDef condition stroke:#db2777,stroke-width:2px
  classDef trigger stroke:#2563eb,stroke-width:2px
  classDef target stroke:#4d7c0f,stroke-width:2px
  classDef missing stroke:#dc2626,stroke-width:2px,stroke-dasharray:5 4
";

impl Graph {
    /// The graph as a Mermaid flowchart.
    pub fn to_mermaid(&self) -> String {
        let mut text = String::new();
        // Writing into a text cannot fail.
        if write(&mut text, self).is_err() {
            text.clear();
        }
        text
    }
}

fn write(text: &mut String, graph: &Graph) -> fmt::Result {
    writeln!(text, "flowchart LR")?;
    let groups = groups(graph);
    for (at, band) in groups
        .chunk_by(|a, b| a.namespace == b.namespace)
        .enumerate()
    {
        let title = Label(namespace_title(band[0].namespace));
        writeln!(text, "  subgraph namespace_{}[\"{title}\"]", at + 1)?;
        // Without it, what has no way out would be drawn from top to bottom.
        writeln!(text, "    direction LR")?;
        for group in band {
            members(text, &group.parts(graph))?;
        }
        writeln!(text, "  end")?;
    }
    for edge in &graph.edges {
        let arrow = if edge.kind == EdgeKind::Flow {
            "-->"
        } else {
            "-.->"
        };
        let (from, to) = (&edge.from, &edge.to);
        if edge.label.is_empty() {
            writeln!(text, "  {from} {arrow} {to}")?;
        } else {
            writeln!(text, "  {from} {arrow}|\"{}\"| {to}", Label(&edge.label))?;
        }
    }
    text.push_str(CLASSES);
    Ok(())
}

/// The nodes of a group, those of a sensor in a graph of its own.
fn members(text: &mut String, parts: &Parts<'_>) -> fmt::Result {
    for node in &parts.outside {
        declare(text, node, "    ")?;
    }
    for (sensor, nodes) in &parts.sensors {
        let title = Label(sensor);
        writeln!(text, "    subgraph of_{}[\"sensor {title}\"]", nodes[0].id)?;
        writeln!(text, "      direction LR")?;
        for node in nodes {
            declare(text, node, "      ")?;
        }
        writeln!(text, "    end")?;
    }
    for node in &parts.targets {
        declare(text, node, "    ")?;
    }
    Ok(())
}

fn declare(text: &mut String, node: &Node, indent: &str) -> fmt::Result {
    let (open, close) = match node.kind {
        NodeKind::Bus => ("[(", ")]"),
        NodeKind::Condition => ("{{", "}}"),
        NodeKind::Target => ("([", "])"),
        _ => ("[", "]"),
    };
    // The tag comes first: it never looks like the start of a Markdown list, as a name may.
    write!(
        text,
        "{indent}{}{open}\"{}<br/><b>{}</b>",
        node.id,
        Label(&node.tag),
        Label(&node.title)
    )?;
    for more in std::iter::once(&node.detail)
        .chain(&node.badges)
        .filter(|more| !more.is_empty())
    {
        write!(text, "<br/>{}", Label(more))?;
    }
    let class = if node.is_missing {
        "missing"
    } else {
        node.kind.name()
    };
    writeln!(text, "\"{close}:::{class}")
}

/// A text in which nothing is syntax: whatever could be is written as a character code.
struct Label<'a>(&'a str);

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in shorten(self.0, MAX_LABEL_CHARS).chars() {
            let is_plain = c.is_alphanumeric() || " -_./:,…·–←→".contains(c);
            if is_plain || !c.is_ascii() {
                f.write_char(c)?;
            } else {
                write!(f, "#{};", u32::from(c))?;
            }
        }
        Ok(())
    }
}
