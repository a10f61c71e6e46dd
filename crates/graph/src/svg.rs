//! The picture as SVG: self-contained, with the system's fonts, light or dark as the reader likes.

mod style;

use std::fmt::{self, Write as _};

use crate::layout::{Card, Frame, Layout, MARGIN, Piece, Style, Wire, layout};
use crate::model::{EdgeKind, Graph, NodeKind};
use style::icon;

pub use style::STYLE;

/// Radius of the corners of cards.
const RADIUS: i64 = 9;
/// Width of the coloured stripe at the left of a card.
const STRIPE: i64 = 4;

impl Graph {
    /// The graph as a picture.
    pub fn to_svg(&self) -> String {
        self.drawn(true)
    }

    /// The same without its style, for pages that have [`STYLE`] beside it.
    pub fn to_bare_svg(&self) -> String {
        self.drawn(false)
    }

    fn drawn(&self, is_styled: bool) -> String {
        let layout = layout(self);
        let mut svg = String::with_capacity(8192 + layout.cards.len() * 1024);
        // Writing into a text cannot fail.
        if write(&mut svg, self, &layout, is_styled).is_err() {
            svg.clear();
        }
        svg
    }
}

/// A text in which nothing is markup.
struct Escaped<'a>(&'a str);

impl fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

fn write(svg: &mut String, graph: &Graph, layout: &Layout, is_styled: bool) -> fmt::Result {
    let Layout { width, height, .. } = *layout;
    writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" role="img" aria-label="Event flow">"#
    )?;
    if is_styled {
        writeln!(svg, "<style>{STYLE}</style>")?;
    }
    definitions(svg)?;
    writeln!(
        svg,
        r#"<rect class="page" width="{width}" height="{height}"/>"#
    )?;
    header(svg, graph, layout)?;
    for band in &layout.bands {
        frame(svg, band, "band", 16)?;
    }
    for sensor in &layout.boxes {
        frame(svg, sensor, "sensor", 12)?;
    }
    for wire in &layout.wires {
        wire_path(svg, graph, wire)?;
    }
    for card in &layout.cards {
        card_group(svg, graph, layout, card)?;
    }
    for wire in &layout.wires {
        wire_label(svg, graph, wire)?;
    }
    legend(svg, layout)?;
    writeln!(svg, "</svg>")
}

fn definitions(svg: &mut String) -> fmt::Result {
    svg.push_str("<defs>\n");
    for kind in NodeKind::ALL {
        let (name, path) = (kind.name(), icon(kind));
        writeln!(svg, r#"<path id="tiphys-{name}" class="icon" d="{path}"/>"#)?;
    }
    for kind in [EdgeKind::Flow, EdgeKind::DeadLetter, EdgeKind::Broken] {
        let class = class(kind);
        writeln!(
            svg,
            r#"<marker id="tiphys-{class}" viewBox="0 0 8 8" refX="7.5" refY="4" markerWidth="8" markerHeight="8" markerUnits="userSpaceOnUse" orient="auto"><path class="tip {class}" d="M0.5 0.8L7.5 4L0.5 7.2z"/></marker>"#
        )?;
    }
    svg.push_str("</defs>\n");
    Ok(())
}

fn class(kind: EdgeKind) -> &'static str {
    match kind {
        EdgeKind::Flow => "flow",
        EdgeKind::DeadLetter => "dead-letter",
        EdgeKind::Broken => "broken",
    }
}

fn header(svg: &mut String, graph: &Graph, layout: &Layout) -> fmt::Result {
    writeln!(
        svg,
        r#"<text class="heading" x="{MARGIN}" y="40">Event flow</text>"#
    )?;
    write!(
        svg,
        r#"<text class="summary" x="{}" y="40">{}"#,
        MARGIN + 134,
        summary(graph)
    )?;
    let missing = graph.nodes.iter().filter(|node| node.is_missing).count();
    if missing > 0 {
        write!(
            svg,
            r#" · <tspan class="warning">{missing} not found</tspan>"#
        )?;
    }
    svg.push_str("</text>\n");
    for heading in &layout.headings {
        let (x, name) = (heading.x, heading.kind.heading().to_uppercase());
        writeln!(svg, r#"<text class="column" x="{x}" y="76">{name}</text>"#)?;
    }
    Ok(())
}

fn summary(graph: &Graph) -> String {
    let count = |kind| {
        graph
            .nodes
            .iter()
            .filter(|node| node.kind == kind && !node.is_missing)
            .count()
    };
    let mut sensors: Vec<_> = graph
        .nodes
        .iter()
        .filter_map(|node| Some((&node.namespace, node.sensor.as_ref()?)))
        .collect();
    sensors.sort_unstable();
    sensors.dedup();
    let counts = [
        (count(NodeKind::Source), "event source", "event sources"),
        (count(NodeKind::Event), "event", "events"),
        (count(NodeKind::Bus), "bus", "buses"),
        (sensors.len(), "sensor", "sensors"),
        (count(NodeKind::Trigger), "trigger", "triggers"),
    ];
    let text = |(count, one, many)| format!("{count} {}", if count == 1 { one } else { many });
    counts.map(text).join(" · ")
}

fn frame(svg: &mut String, frame: &Frame, class: &str, radius: i64) -> fmt::Result {
    let rect = frame.rect;
    writeln!(
        svg,
        r#"<g class="{class}"><title>{}</title><rect x="{}" y="{}" width="{}" height="{}" rx="{radius}"/><text x="{}" y="{}">{}</text></g>"#,
        Escaped(&frame.full_title),
        rect.x,
        rect.y,
        rect.width,
        rect.height,
        rect.x + 16,
        rect.y + 24,
        Escaped(&frame.title),
    )
}

fn wire_path(svg: &mut String, graph: &Graph, wire: &Wire) -> fmt::Result {
    let edge = &graph.edges[wire.edge];
    let class = class(edge.kind);
    write!(
        svg,
        r#"<path class="wire {class}" marker-end="url(#tiphys-{class})" d=""#
    )?;
    if let Some(first) = wire.pieces.first() {
        write!(svg, "M{} {}", first.from.0, first.from.1)?;
    }
    for piece in &wire.pieces {
        curve(svg, *piece)?;
    }
    let (from, to) = (&edge.from, &edge.to);
    writeln!(svg, r#"" data-from="{from}" data-to="{to}"/>"#)
}

/// Continues a path to the end of a piece.
fn curve(svg: &mut String, piece: Piece) -> fmt::Result {
    let Piece { from, to } = piece;
    if from.1 == to.1 {
        write!(svg, "H{}", to.0)
    } else if from.0 == to.0 {
        write!(svg, "V{}", to.1)
    } else {
        let middle = i64::midpoint(from.0, to.0);
        write!(
            svg,
            "C{middle} {} {middle} {} {} {}",
            from.1, to.1, to.0, to.1
        )
    }
}

fn wire_label(svg: &mut String, graph: &Graph, wire: &Wire) -> fmt::Result {
    let Some(label) = &wire.label else {
        return Ok(());
    };
    let class = class(graph.edges[wire.edge].kind);
    let (x, y, text) = (label.x, label.y, Escaped(&label.text));
    writeln!(
        svg,
        r#"<text class="label {class}" x="{x}" y="{y}">{text}</text>"#
    )
}

fn card_group(svg: &mut String, graph: &Graph, layout: &Layout, card: &Card) -> fmt::Result {
    let node = &graph.nodes[card.node];
    let (rect, kind) = (card.rect, node.kind.name());
    let missing = if node.is_missing { " missing" } else { "" };
    write!(
        svg,
        r#"<g class="card {kind}{missing}" id="{}" transform="translate({} {})"><title>{}"#,
        // It has letters, digits and `_` alone.
        node.id,
        rect.x,
        rect.y,
        Escaped(&node.tag),
    )?;
    let more = std::iter::once(&node.title)
        .chain([&node.detail])
        .chain(&node.badges)
        .chain(&node.faults);
    for text in more.filter(|text| !text.is_empty()) {
        write!(svg, "\n{}", Escaped(text))?;
    }
    let (width, height) = (rect.width, rect.height);
    write!(
        svg,
        r#"</title><rect class="face" width="{width}" height="{height}" rx="{RADIUS}"/>"#
    )?;
    if !node.is_missing {
        stripe(svg, height)?;
    }
    if node.kind == NodeKind::Bus {
        routes(svg, layout, card)?;
    }
    write!(svg, r##"<use href="#tiphys-{kind}" x="16" y="11"/>"##)?;
    // An inner picture shows nothing outside of itself: no font is so wide that texts leave a card.
    write!(svg, r#"<svg width="{}" height="{height}">"#, width - 4)?;
    texts(svg, card)?;
    svg.push_str("</svg></g>\n");
    Ok(())
}

/// The left part of a card's outline, filled.
fn stripe(svg: &mut String, height: i64) -> fmt::Result {
    let low = height - RADIUS;
    write!(
        svg,
        r#"<path class="stripe" d="M{RADIUS} 0A{RADIUS} {RADIUS} 0 0 0 0 {RADIUS}V{low}A{RADIUS} {RADIUS} 0 0 0 {RADIUS} {height}A{STRIPE} {RADIUS} 0 0 1 {STRIPE} {low}V{RADIUS}A{STRIPE} {RADIUS} 0 0 1 {RADIUS} 0z"/>"#
    )
}

fn texts(svg: &mut String, card: &Card) -> fmt::Result {
    for line in &card.text.lines {
        let class = match line.style {
            Style::Tag => "tag",
            Style::Title => "title",
            Style::Detail => "detail",
        };
        let (x, y, text) = (line.x, line.y, Escaped(&line.text));
        write!(
            svg,
            r#"<text class="{class}" x="{x}" y="{y}">{text}</text>"#
        )?;
    }
    for badge in &card.text.badges {
        write!(
            svg,
            r#"<rect class="badge" x="{}" y="{}" width="{}" height="18" rx="9"/><text class="badge" x="{}" y="{}">{}</text>"#,
            badge.x,
            badge.y,
            badge.width,
            badge.x + 7,
            badge.y + 13,
            Escaped(&badge.text),
        )?;
    }
    Ok(())
}

/// What goes through a bus, relative to its upper left corner.
fn routes(svg: &mut String, layout: &Layout, bus: &Card) -> fmt::Result {
    let at = |(x, y): (i64, i64)| (x - bus.rect.x, y - bus.rect.y);
    for route in layout.routes.get(&bus.node).into_iter().flatten() {
        let piece = Piece {
            from: at(route.from),
            to: at(route.to),
        };
        write!(
            svg,
            r#"<path class="route" d="M{} {}"#,
            piece.from.0, piece.from.1
        )?;
        curve(svg, piece)?;
        svg.push_str("\"/>");
    }
    Ok(())
}

fn legend(svg: &mut String, layout: &Layout) -> fmt::Result {
    let y = layout.height - 28;
    let mut x = MARGIN;
    for kind in NodeKind::ALL {
        let name = kind.name();
        writeln!(
            svg,
            r##"<g class="legend {name}"><use href="#tiphys-{name}" x="{x}" y="{}"/><text x="{}" y="{y}">{name}</text></g>"##,
            y - 12,
            x + 22,
        )?;
        x += 40 + 8 * i64::try_from(name.len()).unwrap_or_default();
    }
    for (kind, text, room) in [
        (EdgeKind::DeadLetter, "on failure", 122),
        (EdgeKind::Broken, "not found", 0),
    ] {
        let class = class(kind);
        writeln!(
            svg,
            r#"<g class="legend"><path class="wire {class}" d="M{x} {}h28"/><text x="{}" y="{y}">{text}</text></g>"#,
            y - 4,
            x + 36,
        )?;
        x += room;
    }
    Ok(())
}
