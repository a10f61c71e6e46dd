//! Wires: from border to border, with room between those that meet at a card.

use std::collections::HashMap;

use crate::layout::order::integer;
use crate::layout::{Drawing, Rect, width};
use crate::model::{EdgeKind, NodeKind};
use crate::text::{Font, wrap};

/// Space between two wires at the border of a card, if it has that much.
const PORT_GAP: i64 = 12;
/// Part of a card's border that has no ports, at each end.
const CORNER: i64 = 12;
/// Space between a wire's start and its label.
const LABEL_OFFSET: i64 = 8;

/// An edge on the picture.
#[derive(Debug)]
pub(crate) struct Wire {
    /// Position in the graph's edges.
    pub(crate) edge: usize,
    /// What it consists of, end to end.
    pub(crate) pieces: Vec<Piece>,
    pub(crate) label: Option<Label>,
}

/// A part of a wire: a curve between two points that begins and ends horizontally, or a straight
/// line if they share a coordinate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub(crate) from: (i64, i64),
    pub(crate) to: (i64, i64),
}

/// What stands at a wire.
#[derive(Debug)]
pub(crate) struct Label {
    pub(crate) x: i64,
    pub(crate) y: i64,
    /// Shortened to the room there is.
    pub(crate) text: String,
}

/// The wires of all edges.
pub(crate) fn wires(
    drawing: &Drawing<'_>,
    rects: &[Rect],
    lanes: &HashMap<usize, i64>,
) -> Vec<Wire> {
    let starts = ports(drawing, rects, lanes, true);
    let ends = ports(drawing, rects, lanes, false);
    let wire = |edge: usize| {
        let (from, to) = drawing.edges[edge];
        if drawing.graph.edges[edge].kind == EdgeKind::DeadLetter {
            return down(drawing, edge, rects[from], rects[to]);
        }
        let start = (rects[from].right(), starts[edge]);
        let end = (rects[to].x, ends[edge]);
        // On the side that the wire turns away from.
        let above = if end.1 < start.1 { -13 } else { 5 };
        let place = (start.0 + LABEL_OFFSET, start.1 - above);
        let label = label(drawing, edge, place, end.0 - start.0);
        let lane = lanes
            .get(&from)
            .filter(|_| drawing.graph.nodes[to].kind == NodeKind::Trigger);
        let pieces = match lane {
            None => vec![Piece {
                from: start,
                to: end,
            }],
            Some(&y) => {
                let left = drawing.columns.x(NodeKind::Condition);
                let right = left + width(NodeKind::Condition);
                vec![
                    Piece {
                        from: start,
                        to: (left, y),
                    },
                    Piece {
                        from: (left, y),
                        to: (right, y),
                    },
                    Piece {
                        from: (right, y),
                        to: end,
                    },
                ]
            }
        };
        Wire {
            edge,
            pieces,
            label,
        }
    };
    (0..drawing.edges.len()).map(wire).collect()
}

/// What events take through each bus, from border to border of it.
pub(crate) fn routes(drawing: &Drawing<'_>, rects: &[Rect]) -> HashMap<usize, Vec<Piece>> {
    let mut routes: HashMap<usize, Vec<Piece>> = HashMap::new();
    let left = drawing.columns.x(NodeKind::Bus);
    let right = left + width(NodeKind::Bus);
    for &(bus, dependency) in &drawing.edges {
        let kind = |node: usize| drawing.graph.nodes[node].kind;
        if (kind(bus), kind(dependency)) != (NodeKind::Bus, NodeKind::Dependency) {
            continue;
        }
        routes
            .entry(bus)
            .or_default()
            .extend(drawing.routed[dependency].iter().map(|&event| Piece {
                from: (left, rects[event].middle()),
                to: (right, rects[dependency].middle()),
            }));
    }
    routes
}

/// A wire from the lower border of a trigger to the upper one of the trigger below.
fn down(drawing: &Drawing<'_>, edge: usize, from: Rect, to: Rect) -> Wire {
    let x = from.x + 36;
    let piece = Piece {
        from: (x, from.bottom()),
        to: (x, to.y),
    };
    let middle = i64::midpoint(from.bottom(), to.y);
    let label = label(
        drawing,
        edge,
        (x + LABEL_OFFSET, middle + 3),
        from.width - 44,
    );
    Wire {
        edge,
        pieces: vec![piece],
        label,
    }
}

fn label(drawing: &Drawing<'_>, edge: usize, (x, y): (i64, i64), room: i64) -> Option<Label> {
    let font = Font {
        size: 10,
        is_bold: false,
    };
    let text = wrap(&drawing.graph.edges[edge].label, font, room - 30, 1).pop()?;
    Some(Label { x, y, text })
}

/// The heights at which edges leave (or reach) their cards: around the middle of the border, in the
/// order in which they come.
fn ports(
    drawing: &Drawing<'_>,
    rects: &[Rect],
    lanes: &HashMap<usize, i64>,
    is_start: bool,
) -> Vec<i64> {
    let mut heights = vec![0; drawing.edges.len()];
    let mut by_node: HashMap<usize, Vec<(i64, usize)>> = HashMap::new();
    for (edge, &(from, to)) in drawing.edges.iter().enumerate() {
        let (here, there) = if is_start { (from, to) } else { (to, from) };
        let kind = |node: usize| drawing.graph.nodes[node].kind;
        if kind(here) == NodeKind::Bus || kind(there) == NodeKind::Bus {
            let card = if kind(here) == NodeKind::Bus {
                there
            } else {
                here
            };
            heights[edge] = rects[card].middle();
        } else if drawing.graph.edges[edge].kind != EdgeKind::DeadLetter {
            let lane = lanes.get(&from).filter(|_| kind(to) == NodeKind::Trigger);
            let towards = lane.copied().unwrap_or_else(|| rects[there].middle());
            by_node.entry(here).or_default().push((towards, edge));
        }
    }
    for (node, mut edges) in by_node {
        edges.sort_unstable();
        // Wires to the same height share a port: those of a lane run together.
        let mut ports: Vec<i64> = edges.iter().map(|(towards, _)| *towards).collect();
        ports.dedup();
        let rect = rects[node];
        let last = integer(ports.len()) - 1;
        let gap = if last > 0 {
            PORT_GAP.min((rect.height - 2 * CORNER) / last)
        } else {
            0
        };
        for (towards, edge) in edges {
            let at = integer(ports.partition_point(|&port| port < towards));
            heights[edge] = rect.middle() + (2 * at - last) * gap / 2;
        }
    }
    heights
}
