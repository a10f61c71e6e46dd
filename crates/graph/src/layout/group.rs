//! The nodes around one bus: event sources to its left, sensors and their targets to its right.

use std::collections::{BTreeMap, HashMap};

use crate::layout::block::{self, Block};
use crate::layout::order::integer;
use crate::layout::settle::{settle, stacked};
use crate::layout::{CARD_GAP, Drawing, Frame, Rect, frame, width};
use crate::model::NodeKind;

/// Space between two sensors.
const BOX_GAP: i64 = 18;
/// Space between the name of the bus and what goes through it.
const BUS_GAP: i64 = 10;
/// How often event sources and sensors are sorted by one another.
const ROUNDS: usize = 4;

/// What a group adds to the picture.
#[derive(Debug)]
pub(crate) struct Placed {
    pub(crate) boxes: Vec<Frame>,
    /// Heights of lanes by dependency.
    pub(crate) lanes: Vec<(usize, i64)>,
    pub(crate) bottom: i64,
}

/// An event source, with its events from top to bottom.
#[derive(Debug)]
struct Source {
    node: usize,
    events: Vec<usize>,
}

/// Nodes by what they are.
#[derive(Debug, Default)]
struct Members<'a> {
    buses: Vec<usize>,
    sources: Vec<Source>,
    sensors: Vec<(&'a str, Vec<usize>)>,
    targets: Vec<usize>,
}

/// Puts the nodes of a group on the picture, their upper border at `top`.
pub(crate) fn place(
    drawing: &Drawing<'_>,
    nodes: &[usize],
    top: i64,
    rects: &mut [Rect],
) -> Placed {
    let mut members = members(drawing, nodes);
    align(drawing, &mut members);
    let events: HashMap<usize, usize> = members
        .sources
        .iter()
        .flat_map(|source| &source.events)
        .enumerate()
        .map(|(at, &event)| (event, at))
        .collect();
    let blocks: Vec<Block> = members
        .sensors
        .iter()
        .map(|(_, nodes)| Block::new(drawing, nodes, &events))
        .collect();
    let bus_text = members
        .buses
        .iter()
        .map(|&bus| drawing.texts[bus].height)
        .max();
    let mut group = Group {
        drawing,
        top: top + bus_text.unwrap_or_default() + BUS_GAP - block::TOP,
        height: tallest(drawing, &members, &blocks),
        rects,
    };
    let tops = group.place_middle(&mut members, &blocks);
    group.place_targets(&members.targets);
    let bottom = group.top + group.height + BUS_GAP;
    for &bus in &members.buses {
        let x = drawing.columns.x(NodeKind::Bus);
        rects[bus] = Rect {
            x,
            y: top,
            width: width(NodeKind::Bus),
            height: bottom - top,
        };
    }
    let blocks = blocks.iter().zip(&tops);
    let lanes = blocks
        .clone()
        .flat_map(|(block, &top)| block.lanes(top))
        .collect();
    let boxes = blocks.zip(&members.sensors);
    let boxes = boxes.map(|((block, &top), (name, _))| sensor_box(drawing, block, top, name));
    Placed {
        boxes: boxes.collect(),
        lanes,
        bottom,
    }
}

fn sensor_box(drawing: &Drawing<'_>, block: &Block, y: i64, name: &str) -> Frame {
    let x = drawing.columns.x(NodeKind::Dependency) - block::SIDE;
    let right = drawing.columns.x(NodeKind::Trigger) + width(NodeKind::Trigger) + block::SIDE;
    let width = right - x;
    let rect = Rect {
        x,
        y,
        width,
        height: block.height,
    };
    frame(rect, width, "sensor", name)
}

fn members<'a>(drawing: &Drawing<'a>, nodes: &[usize]) -> Members<'a> {
    let mut members = Members::default();
    let mut sensors: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for &node in nodes {
        let known = &drawing.graph.nodes[node];
        match known.kind {
            NodeKind::Bus => members.buses.push(node),
            NodeKind::Source => {
                let events = drawing.leaving[node]
                    .iter()
                    .map(|&edge| drawing.edges[edge].1);
                members.sources.push(Source {
                    node,
                    events: events.collect(),
                });
            }
            NodeKind::Event => {}
            NodeKind::Target => members.targets.push(node),
            NodeKind::Dependency | NodeKind::Condition | NodeKind::Trigger => {
                sensors
                    .entry(known.sensor.as_deref().unwrap_or_default())
                    .or_default()
                    .push(node);
            }
        }
    }
    members.sensors = sensors.into_iter().collect();
    members
}

/// Brings event sources and sensors into orders that let what belongs together stand side by side.
fn align(drawing: &Drawing<'_>, members: &mut Members<'_>) {
    for _ in 0..ROUNDS {
        let mut places = HashMap::new();
        for event in members.sources.iter().flat_map(|source| &source.events) {
            places.insert(*event, integer(places.len()));
        }
        members
            .sensors
            .sort_by_cached_key(|(_, nodes)| mean_routed(drawing, nodes, &places));
        places.clear();
        for (at, (_, nodes)) in members.sensors.iter().enumerate() {
            places.extend(nodes.iter().map(|&node| (node, integer(at))));
        }
        for source in &mut members.sources {
            source
                .events
                .sort_by_cached_key(|&event| mean_routed(drawing, &[event], &places));
        }
        members
            .sources
            .sort_by_cached_key(|source| mean_routed(drawing, &source.events, &places));
    }
}

/// Where on the mean those stand that nodes are connected with over the bus; last if there are none.
fn mean_routed(drawing: &Drawing<'_>, nodes: &[usize], places: &HashMap<usize, i64>) -> i64 {
    let routed = nodes.iter().flat_map(|&node| &drawing.routed[node]);
    mean(
        routed
            .filter_map(|other| places.get(other).copied())
            .map(|place| place * 1024),
    )
    .unwrap_or(i64::MAX)
}

fn mean(numbers: impl Iterator<Item = i64>) -> Option<i64> {
    let (sum, count) = numbers.fold((0, 0), |(sum, count), number| (sum + number, count + 1));
    (count > 0).then(|| sum / count)
}

/// Height of the highest column.
fn tallest(drawing: &Drawing<'_>, members: &Members<'_>, blocks: &[Block]) -> i64 {
    let cards = |nodes: &mut dyn Iterator<Item = usize>| {
        let heights: Vec<_> = nodes.map(|node| drawing.texts[node].height).collect();
        stacked(&heights, CARD_GAP)
    };
    let sources = members.sources.iter();
    let mut events = sources
        .clone()
        .flat_map(|source| source.events.iter().copied());
    let boxes: Vec<_> = blocks.iter().map(|block| block.height).collect();
    cards(&mut sources.map(|source| source.node))
        .max(block::TOP + cards(&mut events))
        .max(cards(&mut members.targets.iter().copied()))
        .max(stacked(&boxes, BOX_GAP))
}

/// A group whose room is known.
struct Group<'d, 'g, 'r> {
    drawing: &'d Drawing<'g>,
    /// Where sensors may begin: their headings stand beside the name of the bus.
    top: i64,
    height: i64,
    rects: &'r mut [Rect],
}

impl Group<'_, '_, '_> {
    /// Places sensors and events with regard to one another, then the event sources. Returns where
    /// the sensors begin.
    fn place_middle(&mut self, members: &mut Members<'_>, blocks: &[Block]) -> Vec<i64> {
        let heights: Vec<_> = blocks.iter().map(|block| block.height).collect();
        let mut tops = vec![self.top; blocks.len()];
        let mut next = self.top + (self.height - stacked(&heights, BOX_GAP)) / 2;
        for (top, height) in tops.iter_mut().zip(&heights) {
            *top = next;
            next += height + BOX_GAP;
        }
        for _ in 0..2 {
            for (block, &top) in blocks.iter().zip(&tops) {
                block.place(self.drawing, top, self.rects);
            }
            self.place_events(&mut members.sources);
            let wishes: Vec<_> = members
                .sensors
                .iter()
                .zip(&tops)
                .map(|((_, nodes), &top)| top + self.distance_to_events(nodes))
                .collect();
            tops = settle(&wishes, &heights, BOX_GAP, self.room());
        }
        for (block, &top) in blocks.iter().zip(&tops) {
            block.place(self.drawing, top, self.rects);
        }
        self.place_events(&mut members.sources);
        self.place_sources(&members.sources);
        tops
    }

    fn room(&self) -> (i64, i64) {
        (self.top, self.top + self.height)
    }

    /// How far below the dependencies of a sensor its events are.
    fn distance_to_events(&self, nodes: &[usize]) -> i64 {
        let distances = nodes.iter().flat_map(|&node| {
            let events = self.drawing.routed[node].iter();
            events.map(move |&event| self.rects[event].middle() - self.rects[node].middle())
        });
        mean(distances).unwrap_or_default()
    }

    fn place_events(&mut self, sources: &mut [Source]) {
        let wish = |event: usize, rects: &[Rect]| {
            let dependencies = self.drawing.routed[event].iter();
            mean(dependencies.map(|&node| rects[node].middle()))
        };
        for source in &mut *sources {
            let rects = &*self.rects;
            source
                .events
                .sort_by_cached_key(|&event| wish(event, rects).unwrap_or(i64::MAX));
        }
        sources.sort_by_cached_key(|source| {
            let wishes = source
                .events
                .iter()
                .filter_map(|&event| wish(event, self.rects));
            mean(wishes).unwrap_or(i64::MAX)
        });
        let events: Vec<_> = sources
            .iter()
            .flat_map(|source| source.events.clone())
            .collect();
        let wishes: Vec<_> = events
            .iter()
            .map(|&event| wish(event, self.rects))
            .collect();
        self.place_column(NodeKind::Event, &events, &wishes);
    }

    fn place_sources(&mut self, sources: &[Source]) {
        let nodes: Vec<_> = sources.iter().map(|source| source.node).collect();
        let wishes: Vec<_> = sources
            .iter()
            .map(|source| {
                mean(
                    source
                        .events
                        .iter()
                        .map(|&event| self.rects[event].middle()),
                )
            })
            .collect();
        self.place_column(NodeKind::Source, &nodes, &wishes);
    }

    fn place_targets(&mut self, targets: &[usize]) {
        let wish = |target: &usize| {
            let edges = self.drawing.arriving[*target].iter();
            mean(edges.map(|&edge| self.rects[self.drawing.edges[edge].0].middle()))
        };
        let mut targets = targets.to_vec();
        targets.sort_by_key(|target| wish(target).unwrap_or(i64::MAX));
        let wishes: Vec<_> = targets.iter().map(wish).collect();
        self.place_column(NodeKind::Target, &targets, &wishes);
    }

    /// Places cards around the heights they want to be at; those without a wish follow the others.
    fn place_column(&mut self, kind: NodeKind, nodes: &[usize], middles: &[Option<i64>]) {
        let heights: Vec<_> = nodes
            .iter()
            .map(|&node| self.drawing.texts[node].height)
            .collect();
        let mut next = self.top;
        let mut wishes = Vec::with_capacity(nodes.len());
        for (height, middle) in heights.iter().zip(middles) {
            let wish = middle.map_or(next, |middle| middle - height / 2);
            next = wish + height + CARD_GAP;
            wishes.push(wish);
        }
        let (mut top, bottom) = self.room();
        if kind == NodeKind::Event {
            // What goes into the bus has to stay below its name, as the dependencies do.
            top += block::TOP;
        }
        let places = settle(&wishes, &heights, CARD_GAP, (top, bottom));
        for ((&node, y), &height) in nodes.iter().zip(places).zip(&heights) {
            let x = self.drawing.columns.x(kind);
            self.rects[node] = Rect {
                x,
                y,
                width: width(kind),
                height,
            };
        }
    }
}
