//! A hub of Event Hubs: partitions that keep their events.

use super::entity::Kept;

/// A hub.
pub(super) struct Hub {
    partitions: Vec<Vec<Kept>>,
}

impl Hub {
    pub(super) fn new(partitions: usize) -> Self {
        Self {
            partitions: vec![Vec::new(); partitions],
        }
    }

    pub(super) fn take(&mut self, mut kept: Kept, number: Option<usize>) {
        let count = self.partitions.len();
        let number = number.unwrap_or_else(|| fastrand::usize(..count)) % count;
        let partition = &mut self.partitions[number];
        kept.sequence = i64::try_from(partition.len()).expect("it is small");
        partition.push(kept);
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Kept> {
        self.partitions.iter().flatten()
    }

    pub(super) fn partitions(&self) -> Vec<String> {
        (0..self.partitions.len())
            .map(|number| number.to_string())
            .collect()
    }

    pub(super) fn partition(&self, name: &str) -> Option<&Vec<Kept>> {
        self.partitions.get(name.parse::<usize>().ok()?)
    }
}
