//! What holds for every picture: nothing overlaps, nothing sticks out, every wire has two ends.

use std::fmt::Write as _;

use super::{Layout, Rect, layout};
use crate::model::{EdgeKind, Graph, NodeKind};
use crate::tests::{graph, harbour, story};

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
                "nats: {url: n, subject: s}",
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
