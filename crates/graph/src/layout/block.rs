//! The box of one sensor: dependencies, conditions and triggers.
//!
//! A dependency that triggers by itself gets a lane through the column of conditions, so that its
//! wires do not run over cards. Triggers that step in stand right below the one that fails.

use std::collections::{HashMap, HashSet};

use crate::layout::order::{self, integer};
use crate::layout::settle::{settle, stacked};
use crate::layout::{CARD_GAP, Drawing, Rect, width};
use crate::model::{EdgeKind, NodeKind};

/// Room of a lane.
const LANE: i64 = 10;
/// Space between a trigger and the one that steps in for it: an arrow and its label.
const STEP_GAP: i64 = 34;
pub(crate) const SIDE: i64 = 16;
pub(crate) const TOP: i64 = 36;
pub(crate) const BOTTOM: i64 = 16;
/// How often members are put between their neighbours.
const PASSES: usize = 4;

/// A sensor, laid out with its upper border at 0.
#[derive(Debug)]
pub(crate) struct Block {
    columns: [Vec<Item>; 3],
    pub(crate) height: i64,
    has_conditions: bool,
}

/// A member of a column: cards that stay together, or a lane.
#[derive(Clone, Debug, Default)]
struct Item {
    nodes: Vec<usize>,
    /// The dependency whose lane this is.
    lane: Option<usize>,
    height: i64,
    y: i64,
}

impl Block {
    /// Lays out the nodes of a sensor; `events` are the positions of events in their column.
    pub(crate) fn new(
        drawing: &Drawing<'_>,
        nodes: &[usize],
        events: &HashMap<usize, usize>,
    ) -> Self {
        let mut columns = items(drawing, nodes);
        let (links, has_conditions) = links(drawing, &mut columns);
        let arriving = columns[0].iter().enumerate().flat_map(|(at, item)| {
            let routed = item.nodes.iter().flat_map(|&node| &drawing.routed[node]);
            routed.filter_map(move |event| Some((*events.get(event)?, at)))
        });
        let columns_to_order = order::Columns {
            sizes: columns.iter().map(Vec::len).collect(),
            arriving: arriving.collect(),
            links: links.to_vec(),
        };
        let orders = columns_to_order.ordered();
        let inner = columns
            .iter()
            .map(|items| stacked(&heights(items), CARD_GAP))
            .max();
        let mut block = Self {
            columns,
            height: TOP + inner.unwrap_or_default() + BOTTOM,
            has_conditions,
        };
        block.straighten(&orders, &links);
        block
    }

    /// Puts members between those they are connected with, a few times over.
    fn straighten(&mut self, orders: &[Vec<usize>], links: &[Vec<(usize, usize)>; 2]) {
        for (at, order) in orders.iter().enumerate() {
            self.move_column(at, order, &vec![None; order.len()]);
        }
        for pass in 0..PASSES {
            let order = if pass % 2 == 0 { [0, 1, 2] } else { [2, 1, 0] };
            for at in order {
                let middles = self.neighbour_middles(at, links);
                self.move_column(at, &orders[at], &middles);
            }
        }
    }

    fn neighbour_middles(&self, at: usize, links: &[Vec<(usize, usize)>; 2]) -> Vec<Option<i64>> {
        let mut sums = vec![(0, 0); self.columns[at].len()];
        let mut add = |member: usize, other: &Item| {
            sums[member].0 += other.y + other.height / 2;
            sums[member].1 += 1;
        };
        if at > 0 {
            links[at - 1]
                .iter()
                .for_each(|&(l, r)| add(r, &self.columns[at - 1][l]));
        }
        if at < 2 {
            links[at]
                .iter()
                .for_each(|&(l, r)| add(l, &self.columns[at + 1][r]));
        }
        sums.into_iter()
            .map(|(sum, count)| (count > 0).then(|| sum / count))
            .collect()
    }

    fn move_column(&mut self, at: usize, order: &[usize], middles: &[Option<i64>]) {
        let (top, bottom) = (TOP, self.height - BOTTOM);
        let items = &mut self.columns[at];
        let heights: Vec<_> = order.iter().map(|&item| items[item].height).collect();
        let mut next = top + (bottom - top - stacked(&heights, CARD_GAP)) / 2;
        let mut wishes = Vec::with_capacity(order.len());
        for &item in order {
            let wish = middles[item].map_or(next, |middle| middle - items[item].height / 2);
            next = wish + items[item].height + CARD_GAP;
            wishes.push(wish);
        }
        let places = settle(&wishes, &heights, CARD_GAP, (top, bottom));
        for (&item, y) in order.iter().zip(places) {
            items[item].y = y;
        }
    }

    /// Puts the cards on the picture, the upper border of the box at `top`.
    pub(crate) fn place(&self, drawing: &Drawing<'_>, top: i64, rects: &mut [Rect]) {
        for item in self.columns.iter().flatten() {
            let mut y = top + item.y;
            for &node in &item.nodes {
                let kind = drawing.graph.nodes[node].kind;
                let height = drawing.texts[node].height;
                rects[node] = Rect {
                    x: drawing.columns.x(kind),
                    y,
                    width: width(kind),
                    height,
                };
                y += height + STEP_GAP;
            }
        }
    }

    /// The lanes through the conditions: their dependencies and heights.
    pub(crate) fn lanes(&self, top: i64) -> impl Iterator<Item = (usize, i64)> {
        let lanes = self.columns[1].iter().filter(|_| self.has_conditions);
        lanes.filter_map(move |item| Some((item.lane?, top + item.y + item.height / 2)))
    }
}

fn heights(items: &[Item]) -> Vec<i64> {
    items.iter().map(|item| item.height).collect()
}

/// The members of the three columns, without lanes.
fn items(drawing: &Drawing<'_>, nodes: &[usize]) -> [Vec<Item>; 3] {
    let mut columns: [Vec<Item>; 3] = Default::default();
    let followers: HashSet<usize> = nodes
        .iter()
        .filter_map(|&node| stepping_in_for(drawing, node))
        .collect();
    for &node in nodes {
        let kind = drawing.graph.nodes[node].kind;
        let column = match kind {
            NodeKind::Dependency => 0,
            NodeKind::Condition => 1,
            _ => 2,
        };
        let mut chain = vec![node];
        if kind == NodeKind::Trigger {
            if followers.contains(&node) {
                continue;
            }
            let next = |&node: &usize| stepping_in_for(drawing, node);
            chain = std::iter::successors(Some(node), next).collect();
        }
        let cards: i64 = chain.iter().map(|&node| drawing.texts[node].height).sum();
        let height = cards + (integer(chain.len()) - 1) * STEP_GAP;
        columns[column].push(Item {
            nodes: chain,
            height,
            ..Item::default()
        });
    }
    columns
}

/// The trigger that steps in when one fails.
fn stepping_in_for(drawing: &Drawing<'_>, trigger: usize) -> Option<usize> {
    let edges = drawing.leaving[trigger].iter();
    let dead_letter = edges.filter(|&&edge| drawing.graph.edges[edge].kind == EdgeKind::DeadLetter);
    dead_letter.map(|&edge| drawing.edges[edge].1).next()
}

/// What connects the columns; adds lanes where wires skip one. Says whether there are conditions.
fn links(drawing: &Drawing<'_>, columns: &mut [Vec<Item>; 3]) -> ([Vec<(usize, usize)>; 2], bool) {
    let has_conditions = !columns[1].is_empty();
    let mut places = HashMap::new();
    for items in &*columns {
        for (at, item) in items.iter().enumerate() {
            places.extend(item.nodes.first().map(|&node| (node, at)));
        }
    }
    let mut links: [Vec<(usize, usize)>; 2] = Default::default();
    for left in 0..columns[0].len() {
        let node = columns[0][left].nodes[0];
        let mut lane = None;
        for &edge in &drawing.leaving[node] {
            let to = drawing.edges[edge].1;
            let Some(&right) = places.get(&to) else {
                continue;
            };
            if drawing.graph.nodes[to].kind == NodeKind::Condition {
                links[0].push((left, right));
                continue;
            }
            let at = *lane.get_or_insert_with(|| {
                let height = if has_conditions {
                    LANE
                } else {
                    drawing.texts[node].height
                };
                columns[1].push(Item {
                    lane: Some(node),
                    height,
                    ..Item::default()
                });
                links[0].push((left, columns[1].len() - 1));
                columns[1].len() - 1
            });
            links[1].push((at, right));
        }
    }
    for (at, item) in columns[1].iter().enumerate() {
        for &edge in item.nodes.iter().flat_map(|&node| &drawing.leaving[node]) {
            links[1].extend(places.get(&drawing.edges[edge].1).map(|&right| (at, right)));
        }
    }
    (links, has_conditions)
}
