//! Verdicts in the order of arrival, for what has an ordering key.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use crate::incoming::Verdict;

/// What has arrived and has no verdict yet, or waits for what arrived before it.
#[derive(Debug, Default)]
pub(super) struct Order {
    lanes: HashMap<Arc<str>, VecDeque<(u64, Option<Verdict>)>>,
}

impl Order {
    /// Something has arrived.
    pub(super) fn arrived(&mut self, number: u64, key: Option<&Arc<str>>) {
        if let Some(key) = key {
            let lane = self.lanes.entry(key.clone()).or_default();
            lane.push_back((number, None));
        }
    }

    /// Something has a verdict: what may be told of now, in order.
    pub(super) fn decided(
        &mut self,
        number: u64,
        key: Option<&Arc<str>>,
        verdict: Verdict,
    ) -> Vec<(u64, Verdict)> {
        let Some((key, lane)) = key.and_then(|key| Some((key, self.lanes.get_mut(key)?))) else {
            return vec![(number, verdict)];
        };
        if let Some(place) = lane.iter_mut().find(|(other, _)| *other == number) {
            place.1.get_or_insert(verdict);
        }
        let mut due = Vec::new();
        while let Some(&(number, Some(verdict))) = lane.front() {
            due.push((number, verdict));
            lane.pop_front();
        }
        if lane.is_empty() {
            self.lanes.remove(key);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::Order;
    use crate::incoming::Verdict::{DeadLettered, Filtered, Stored};

    #[test]
    fn verdicts_wait_for_what_arrived_before_under_the_same_key() {
        let mut order = Order::default();
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        for (number, key) in [(1, Some(&a)), (2, Some(&b)), (3, Some(&a)), (4, None)] {
            order.arrived(number, key);
        }
        assert_eq!(order.decided(3, Some(&a), Filtered), []);
        assert_eq!(order.decided(4, None, Stored), [(4, Stored)]);
        assert_eq!(order.decided(2, Some(&b), Stored), [(2, Stored)]);
        assert_eq!(
            order.decided(1, Some(&a), DeadLettered),
            [(1, DeadLettered), (3, Filtered)]
        );
        assert!(order.lanes.is_empty());
    }
}
