//! Where everything in the picture goes: columns by stage, cards in an order with few crossings,
//! wires between their borders.
//!
//! Nodes of one namespace share a band, those of one sensor a box. The bus is as tall as everything
//! it connects, so that events go in and come out on straight lines. All numbers are whole pixels:
//! the same graph gives the same picture everywhere.

mod block;
mod card;
mod group;
mod order;
mod settle;
mod wire;

use std::collections::HashMap;

use crate::model::{Graph, NodeKind, groups, namespace_title};
use crate::text::{Font, wrap};
pub(crate) use card::{CardText, Style};
pub(crate) use wire::{Piece, Wire};

/// Space around the picture.
pub(crate) const MARGIN: i64 = 28;
/// Space above the first band: the title, and the headings of the columns.
const HEADER: i64 = 92;
/// Space below the last band, for the legend.
const FOOTER: i64 = 56;
/// Space between the border of a band and what it holds.
const BAND_PADDING: i64 = 22;
/// Space between the upper border of a band and its first bus, which stands beside the heading.
const BUS_INSET: i64 = 16;
const BAND_GAP: i64 = 24;
/// Space between the buses of a namespace.
const GROUP_GAP: i64 = 28;
/// Space between two cards in a column.
pub(crate) const CARD_GAP: i64 = 16;
/// Room of a legend that no column is too narrow for.
const MIN_WIDTH: i64 = 860;

/// A rectangle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rect {
    pub(crate) x: i64,
    pub(crate) y: i64,
    pub(crate) width: i64,
    pub(crate) height: i64,
}

impl Rect {
    pub(crate) fn right(&self) -> i64 {
        self.x + self.width
    }

    pub(crate) fn bottom(&self) -> i64 {
        self.y + self.height
    }

    pub(crate) fn middle(&self) -> i64 {
        self.y + self.height / 2
    }
}

/// Everything with its place.
#[derive(Debug, Default)]
pub(crate) struct Layout {
    pub(crate) width: i64,
    pub(crate) height: i64,
    pub(crate) headings: Vec<Heading>,
    /// Namespaces.
    pub(crate) bands: Vec<Frame>,
    /// Sensors.
    pub(crate) boxes: Vec<Frame>,
    pub(crate) cards: Vec<Card>,
    pub(crate) wires: Vec<Wire>,
    /// What events take through a bus, drawn inside of it, by the bus.
    pub(crate) routes: HashMap<usize, Vec<Piece>>,
}

/// The name of a column.
#[derive(Debug)]
pub(crate) struct Heading {
    pub(crate) x: i64,
    pub(crate) kind: NodeKind,
}

/// A frame around cards.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) rect: Rect,
    /// What it is called, shortened to its width.
    pub(crate) title: String,
    pub(crate) full_title: String,
}

/// A node on the picture.
#[derive(Debug)]
pub(crate) struct Card {
    /// Position in [`Graph::nodes`].
    pub(crate) node: usize,
    pub(crate) rect: Rect,
    pub(crate) text: CardText,
}

/// The left borders of the columns.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Columns {
    x: [i64; 7],
    right: i64,
}

impl Columns {
    fn new(graph: &Graph) -> Self {
        let mut x = [0; 7];
        let mut right = MARGIN + BAND_PADDING;
        for (at, kind) in NodeKind::ALL.into_iter().enumerate() {
            x[at] = right;
            if graph.nodes.iter().any(|node| node.kind == kind) {
                right += width(kind) + gap_behind(kind);
            }
        }
        let last = graph.nodes.iter().map(|node| node.kind).max();
        Self {
            x,
            right: right - last.map_or(0, gap_behind),
        }
    }

    pub(crate) fn x(&self, kind: NodeKind) -> i64 {
        self.x[kind as usize]
    }
}

/// Width of the cards of a kind.
pub(crate) fn width(kind: NodeKind) -> i64 {
    match kind {
        NodeKind::Source | NodeKind::Condition => 178,
        NodeKind::Bus => 168,
        NodeKind::Event | NodeKind::Dependency | NodeKind::Trigger => 190,
        NodeKind::Target => 248,
    }
}

/// Space between a column and the next one: wires need it, and some of their labels.
fn gap_behind(kind: NodeKind) -> i64 {
    match kind {
        NodeKind::Source => 44,
        NodeKind::Event => 40,
        NodeKind::Bus => 64,
        NodeKind::Dependency | NodeKind::Condition => 52,
        NodeKind::Trigger => 116,
        NodeKind::Target => 0,
    }
}

/// A graph to lay out, with what is looked up all the time.
pub(crate) struct Drawing<'a> {
    pub(crate) graph: &'a Graph,
    pub(crate) columns: Columns,
    /// Texts by node.
    pub(crate) texts: Vec<CardText>,
    /// The ends of each edge, as positions of nodes.
    pub(crate) edges: Vec<(usize, usize)>,
    /// Positions of edges by the node they begin at.
    pub(crate) leaving: Vec<Vec<usize>>,
    /// Positions of edges by the node they end at.
    pub(crate) arriving: Vec<Vec<usize>>,
    /// Positions of dependencies by event, and of events by dependency.
    pub(crate) routed: Vec<Vec<usize>>,
}

impl<'a> Drawing<'a> {
    fn new(graph: &'a Graph) -> Self {
        let places: HashMap<&str, usize> = graph
            .nodes
            .iter()
            .enumerate()
            .map(|(at, node)| (node.id.as_str(), at))
            .collect();
        let place = |id: &str| places.get(id).copied();
        let nodes = graph.nodes.len();
        let ends = |from: &str, to: &str| Some((place(from)?, place(to)?));
        let edges = graph
            .edges
            .iter()
            .filter_map(|edge| ends(&edge.from, &edge.to));
        let edges: Vec<_> = edges.collect();
        let (mut leaving, mut arriving) = (vec![Vec::new(); nodes], vec![Vec::new(); nodes]);
        for (at, &(from, to)) in edges.iter().enumerate() {
            leaving[from].push(at);
            arriving[to].push(at);
        }
        let mut routed = vec![Vec::new(); nodes];
        for route in &graph.routes {
            let Some((event, dependency)) = ends(&route.event, &route.dependency) else {
                continue;
            };
            routed[event].push(dependency);
            routed[dependency].push(event);
        }
        let columns = Columns::new(graph);
        let texts = graph.nodes.iter().map(CardText::new).collect();
        Self {
            graph,
            columns,
            texts,
            edges,
            leaving,
            arriving,
            routed,
        }
    }
}

/// Lays out a graph.
pub(crate) fn layout(graph: &Graph) -> Layout {
    let drawing = Drawing::new(graph);
    let mut layout = Layout {
        width: (drawing.columns.right + BAND_PADDING + MARGIN).max(MIN_WIDTH),
        ..Layout::default()
    };
    let mut rects = vec![Rect::default(); graph.nodes.len()];
    let mut lanes = HashMap::new();
    let mut y = HEADER;
    let groups = groups(graph);
    for band in groups.chunk_by(|a, b| a.namespace == b.namespace) {
        let top = y;
        y += BUS_INSET;
        for (at, members) in band.iter().enumerate() {
            y += if at > 0 { GROUP_GAP } else { 0 };
            let group = group::place(&drawing, &members.nodes, y, &mut rects);
            lanes.extend(group.lanes);
            layout.boxes.extend(group.boxes);
            y = group.bottom;
        }
        y += BAND_PADDING;
        let rect = Rect {
            x: MARGIN,
            y: top,
            width: layout.width - 2 * MARGIN,
            height: y - top,
        };
        let room = drawing.columns.x(NodeKind::Bus) - rect.x;
        let name = namespace_title(band[0].namespace);
        layout.bands.push(frame(rect, room, "namespace", name));
        y += BAND_GAP;
    }
    layout.height = y + FOOTER;
    layout.headings = headings(graph, drawing.columns);
    layout.wires = wire::wires(&drawing, &rects, &lanes);
    layout.routes = wire::routes(&drawing, &rects);
    let cards = rects.into_iter().zip(drawing.texts).enumerate();
    layout.cards = cards
        .map(|(node, (rect, text))| Card { node, rect, text })
        .collect();
    layout
}

fn headings(graph: &Graph, columns: Columns) -> Vec<Heading> {
    let shown = NodeKind::ALL.into_iter();
    let shown = shown.filter(|kind| graph.nodes.iter().any(|node| node.kind == *kind));
    shown
        .map(|kind| Heading {
            x: columns.x(kind),
            kind,
        })
        .collect()
}

/// A frame with a title that fits into a room at its left.
pub(crate) fn frame(rect: Rect, room: i64, what: &str, name: &str) -> Frame {
    let full_title = format!("{what} {name}");
    let font = Font {
        size: 12,
        is_bold: true,
    };
    let title = wrap(&full_title, font, room - 32, 1)
        .pop()
        .unwrap_or_default();
    Frame {
        rect,
        title,
        full_title,
    }
}

#[cfg(test)]
pub(crate) mod tests;
