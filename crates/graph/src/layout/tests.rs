//! What holds for every picture: nothing overlaps, nothing sticks out, every wire has two ends.

use std::fmt::Write as _;

use super::{Layout, Rect, layout};
use crate::model::{EdgeKind, Graph};
use crate::tests::{graph, harbour, story};
use crate::text::width;

/// Numbers that look random and are the same every time.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % bound.max(1)
    }
}

/// A flow of about `size` nodes.
pub(crate) fn generated(size: usize, seed: u64) -> Graph {
    let mut numbers = Numbers(seed);
    let namespaces = 1 + numbers.below(3);
    let units = (size / 8).max(1);
    let mut flow = String::new();
    for unit in 0..units {
        let namespace = unit % namespaces;
        let bus = numbers.below(2);
        write!(
            flow,
            "---\napiVersion: argoproj.io/v1alpha1\nkind: EventSource\nmetadata: {{name: es-{unit}, namespace: ns-{namespace}}}\n\
             spec: {{eventBusName: bus-{bus}, webhook: {{a: {{port: '1', endpoint: /a}}, b: {{port: '2', endpoint: /b}}}}}}\n\
             ---\napiVersion: argoproj.io/v1alpha1\nkind: Sensor\nmetadata: {{name: sn-{unit}, namespace: ns-{namespace}}}\n\
             spec:\n  eventBusName: bus-{bus}\n  dependencies:\n"
        )
        .unwrap();
        let dependencies = 1 + numbers.below(3);
        for dependency in 0..dependencies {
            let source = numbers.below(units);
            let event = ["a", "b", "'*'", "c"][numbers.below(4)];
            writeln!(
                flow,
                "  - {{name: d{dependency}, eventSourceName: es-{source}, eventName: {event}}}"
            )
            .unwrap();
        }
        flow.push_str("  triggers:\n");
        for trigger in 0..=numbers.below(3) {
            let other = numbers.below(dependencies + 1);
            let conditions = ["''", "d0", "d0 || d1", "d0 && dX"][numbers.below(4)]
                .replace('X', &other.to_string());
            let action = [
                "log: {}",
                "http: {url: 'http://a'}",
                "nats: {url: nats, subject: s}",
            ][numbers.below(3)];
            writeln!(
                flow,
                "  - template: {{name: t{trigger}, conditions: {conditions}, {action}}}"
            )
            .unwrap();
            if numbers.below(4) == 0 {
                writeln!(
                    flow,
                    "    dlqTrigger: {{template: {{name: f{trigger}, log: {{}}}}}}"
                )
                .unwrap();
            }
        }
    }
    graph(&[&flow])
}

/// Names that no picture was made for.
pub(crate) fn hostile() -> Graph {
    let names = [
        "</svg><script>alert(1)</script>",
        "\\\"]; end\\n subgraph x",
        "漢字の非常に長い名前がここにあります漢字の非常に長い名前がここにあります",
        "W".repeat(300).as_str(),
        "🚢🚢🚢👨‍👩‍👧‍👦🚢🚢🚢🚢🚢🚢🚢🚢🚢🚢🚢🚢",
        "\\u202egnp.exe ﷽﷽﷽﷽﷽﷽﷽ ⸻⸻⸻",
    ]
    .map(str::to_owned);
    let mut flow = String::new();
    for name in &names {
        write!(
            flow,
            "---\napiVersion: argoproj.io/v1alpha1\nkind: EventSource\nmetadata: {{name: \"{name}\", namespace: \"{name}\"}}\n\
             spec: {{webhook: {{\"{name}\": {{port: \"{name}\", endpoint: \"{name}\"}}}}}}\n\
             ---\napiVersion: argoproj.io/v1alpha1\nkind: Sensor\nmetadata: {{name: \"{name}\", namespace: \"{name}\"}}\n\
             spec:\n  dependencies: [{{name: \"{name}\", eventSourceName: \"{name}\", eventName: \"{name}\"}}, {{name: b, eventSourceName: \"{name}\", eventName: x}}]\n\
             \x20 triggers: [{{template: {{name: \"{name}\", http: {{url: \"{name}\", method: \"{name}\"}}}}}}]\n"
        )
        .unwrap();
    }
    graph(&[&flow])
}

fn overlap(a: Rect, b: Rect) -> bool {
    a.x < b.right() && b.x < a.right() && a.y < b.bottom() && b.y < a.bottom()
}

fn holds(outer: Rect, inner: Rect) -> bool {
    outer.x <= inner.x
        && outer.y <= inner.y
        && inner.right() <= outer.right()
        && inner.bottom() <= outer.bottom()
}

/// What has to be true of any picture.
#[track_caller]
fn check(graph: &Graph) {
    let layout = layout(graph);
    nothing_overlaps(graph, &layout);
    wires_end_at_borders(graph, &layout);
    texts_fit(&layout);
    let page = Rect {
        x: 0,
        y: 0,
        width: layout.width,
        height: layout.height,
    };
    for rect in layout.cards.iter().map(|card| card.rect) {
        assert!(
            layout.bands.iter().any(|band| holds(band.rect, rect)),
            "{rect:?}"
        );
    }
    for frame in layout.bands.iter().chain(&layout.boxes) {
        assert!(holds(page, frame.rect), "{frame:?}");
    }
}

fn nothing_overlaps(graph: &Graph, layout: &Layout) {
    let cards = &layout.cards;
    for (at, a) in cards.iter().enumerate() {
        for b in &cards[at + 1..] {
            assert!(
                !overlap(a.rect, b.rect),
                "{:?} {:?}",
                graph.nodes[a.node],
                graph.nodes[b.node]
            );
        }
    }
    for (at, a) in layout.boxes.iter().enumerate() {
        assert!(
            layout.boxes[at + 1..]
                .iter()
                .all(|b| !overlap(a.rect, b.rect)),
            "{a:?}"
        );
        for card in cards.iter().filter(|card| overlap(card.rect, a.rect)) {
            assert!(graph.nodes[card.node].sensor.is_some(), "{card:?}");
            assert!(holds(a.rect, card.rect), "{card:?}");
        }
    }
    let in_boxes = cards
        .iter()
        .filter(|card| graph.nodes[card.node].sensor.is_some());
    for card in in_boxes {
        assert!(
            layout
                .boxes
                .iter()
                .any(|frame| holds(frame.rect, card.rect)),
            "{card:?}"
        );
    }
    // Lanes keep clear of cards.
    for lane in layout
        .wires
        .iter()
        .filter(|wire| wire.pieces.len() == 3)
        .map(|wire| wire.pieces[1])
    {
        let rect = Rect {
            x: lane.from.0,
            y: lane.from.1,
            width: lane.to.0 - lane.from.0,
            height: 1,
        };
        assert!(
            cards.iter().all(|card| !overlap(card.rect, rect)),
            "{lane:?}"
        );
    }
}

fn wires_end_at_borders(graph: &Graph, layout: &Layout) {
    let card = |id: &str| {
        layout
            .cards
            .iter()
            .find(|card| graph.nodes[card.node].id == id)
            .unwrap()
            .rect
    };
    assert_eq!(layout.wires.len(), graph.edges.len());
    for wire in &layout.wires {
        let edge = &graph.edges[wire.edge];
        let (from, to) = (card(&edge.from), card(&edge.to));
        let (start, end) = (
            wire.pieces.first().unwrap().from,
            wire.pieces.last().unwrap().to,
        );
        if edge.kind == EdgeKind::DeadLetter {
            assert_eq!((start.1, end.1), (from.bottom(), to.y));
            assert!((from.x..from.right()).contains(&start.0) && start.0 == end.0);
            assert!(from.bottom() < to.y);
        } else {
            assert_eq!((start.0, end.0), (from.right(), to.x));
            assert!(
                (from.y + 4..from.bottom() - 4).contains(&start.1),
                "{edge:?}"
            );
            assert!((to.y + 4..to.bottom() - 4).contains(&end.1), "{edge:?}");
        }
        assert!(
            wire.pieces
                .windows(2)
                .all(|pair| pair[0].to == pair[1].from)
        );
        assert!(
            wire.label
                .iter()
                .all(|label| label.x > 0 && label.x < layout.width)
        );
    }
    for (bus, routes) in &layout.routes {
        let bus = layout.cards[*bus].rect;
        for y in routes.iter().flat_map(|route| [route.from.1, route.to.1]) {
            assert!((bus.y + 40..bus.bottom()).contains(&y));
        }
    }
}

fn texts_fit(layout: &Layout) {
    for card in &layout.cards {
        for line in &card.text.lines {
            assert!(
                line.x + width(&line.text, line.style.font()) <= card.rect.width,
                "{line:?}"
            );
            assert!(line.y < card.text.height, "{line:?}");
        }
        for badge in &card.text.badges {
            assert!(badge.x + badge.width <= card.rect.width, "{badge:?}");
            assert!(badge.y + 18 < card.text.height, "{badge:?}");
        }
    }
}

#[test]
fn the_story_is_well_laid_out() {
    check(&story());
}

#[test]
fn a_harbour_is_well_laid_out() {
    check(&harbour());
}

#[test]
fn long_wide_and_hostile_names_are_well_laid_out() {
    check(&hostile());
}

#[test]
fn flows_of_all_sizes_are_well_laid_out() {
    for seed in 0..60 {
        check(&generated(usize::try_from(seed).unwrap(), seed));
    }
}

#[test]
fn a_thousand_nodes_are_drawn() {
    let graph = generated(700, 5);
    assert!(graph.nodes.len() > 1000, "{}", graph.nodes.len());
    let svg = graph.to_svg();
    assert!(svg.ends_with("</svg>\n"));
}

#[test]
fn wildcards_over_thousands_of_events_stay_bounded() {
    let mut flow = String::from(
        "apiVersion: argoproj.io/v1alpha1\nkind: EventSource\nmetadata: {name: e}\nspec:\n  webhook:\n",
    );
    for event in 0..2000 {
        writeln!(flow, "    e{event}: {{port: '1', endpoint: /}}").unwrap();
    }
    flow.push_str("---\napiVersion: argoproj.io/v1alpha1\nkind: Sensor\nmetadata: {name: s}\nspec:\n  triggers: []\n  dependencies:\n");
    for dependency in 0..2000 {
        writeln!(
            flow,
            "  - {{name: d{dependency}, eventSourceName: e, eventName: '*'}}"
        )
        .unwrap();
    }
    let graph = graph(&[&flow]);
    assert_eq!(graph.routes.len(), 10_000);
}
