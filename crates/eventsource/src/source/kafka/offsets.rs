//! How far the partitions that a pod has are done: decides what may be committed.

use std::collections::BTreeMap;

use crate::incoming::Verdict;

/// The partitions that a pod has.
#[derive(Debug, Default)]
pub(super) struct Offsets {
    partitions: BTreeMap<i32, Partition>,
    turns: u64,
}

/// A partition, for as long as the pod has it.
#[derive(Debug)]
struct Partition {
    /// Tells it from the same one when the pod had it before.
    turn: u64,
    /// How many records have no verdict yet.
    in_hand: usize,
    /// Everything before it is done.
    done: Option<i64>,
    /// What was committed last.
    committed: Option<i64>,
    /// A record was given back: nothing behind it may be committed.
    is_stuck: bool,
}

/// A record that was handed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Taken {
    partition: i32,
    turn: u64,
    offset: i64,
}

impl Offsets {
    /// A partition has come.
    pub(super) fn assigned(&mut self, partition: i32) {
        self.turns += 1;
        let new = Partition {
            turn: self.turns,
            in_hand: 0,
            done: None,
            committed: None,
            is_stuck: false,
        };
        self.partitions.insert(partition, new);
    }

    /// A partition begins here, which is to be committed: after a restart it begins there again.
    pub(super) fn begins(&mut self, partition: i32, offset: i64) {
        if let Some(known) = self.partitions.get_mut(&partition) {
            known.done.get_or_insert(offset);
        }
    }

    /// A partition has gone.
    pub(super) fn revoked(&mut self, partition: i32) {
        self.partitions.remove(&partition);
    }

    /// A record is handed on; not if its partition has gone meanwhile.
    pub(super) fn take(&mut self, partition: i32, offset: i64) -> Option<Taken> {
        let known = self.partitions.get_mut(&partition)?;
        known.in_hand += 1;
        Some(Taken {
            partition,
            turn: known.turn,
            offset,
        })
    }

    /// What became of a record. Verdicts come in the order of a partition's records.
    pub(super) fn settled(&mut self, taken: Taken, verdict: Verdict) {
        let known = self.partitions.get_mut(&taken.partition);
        let Some(known) = known.filter(|known| known.turn == taken.turn) else {
            return;
        };
        known.in_hand -= 1;
        match verdict {
            Verdict::Stored | Verdict::Filtered | Verdict::DeadLettered => {
                if !known.is_stuck {
                    known.done = Some(taken.offset + 1);
                }
            }
            Verdict::GivenBack(_) => known.is_stuck = true,
        }
    }

    /// Whether all records of these partitions have their verdict.
    pub(super) fn are_quiet(&self, partitions: &[i32]) -> bool {
        let known = |partition| self.partitions.get(partition);
        partitions
            .iter()
            .filter_map(known)
            .all(|known| known.in_hand == 0)
    }

    /// What is to be committed: everything before these offsets is done.
    pub(super) fn due(&self) -> Vec<(i32, i64)> {
        let due = |(partition, known): (&i32, &Partition)| {
            let done = known.done.filter(|_| known.done != known.committed)?;
            Some((*partition, done))
        };
        self.partitions.iter().filter_map(due).collect()
    }

    /// It is committed.
    pub(super) fn committed(&mut self, offsets: &[(i32, i64)]) {
        for (partition, offset) in offsets {
            if let Some(known) = self.partitions.get_mut(partition) {
                known.committed = Some(*offset);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::incoming::GiveBack;

    #[test]
    fn what_is_done_is_due_until_it_is_committed() {
        let mut offsets = Offsets::default();
        offsets.assigned(3);
        assert_eq!(offsets.due(), []);
        offsets.begins(3, 7);
        assert_eq!(offsets.due(), [(3, 7)]);
        offsets.committed(&[(3, 7)]);
        assert_eq!(offsets.due(), []);
        let [first, second] = [7, 9].map(|offset| offsets.take(3, offset).unwrap());
        offsets.settled(first, Verdict::Stored);
        assert_eq!(offsets.due(), [(3, 8)]);
        assert!(!offsets.are_quiet(&[3]));
        // One was compacted away, or belongs to the broker.
        offsets.settled(second, Verdict::DeadLettered);
        assert_eq!(offsets.due(), [(3, 10)]);
        assert!(offsets.are_quiet(&[3, 4]));
    }

    #[test]
    fn nothing_behind_what_was_given_back_is_due() {
        let mut offsets = Offsets::default();
        offsets.assigned(0);
        let taken = [0, 1, 2].map(|offset| offsets.take(0, offset).unwrap());
        offsets.settled(taken[0], Verdict::Filtered);
        offsets.settled(taken[1], Verdict::GivenBack(GiveBack::Stopping));
        offsets.settled(taken[2], Verdict::Stored);
        assert_eq!(offsets.due(), [(0, 1)]);
    }

    #[test]
    fn what_is_left_of_an_earlier_turn_says_nothing() {
        let mut offsets = Offsets::default();
        offsets.assigned(0);
        let before = offsets.take(0, 5).unwrap();
        offsets.revoked(0);
        assert_eq!(offsets.take(0, 6), None);
        offsets.settled(before, Verdict::Stored);
        offsets.assigned(0);
        offsets.settled(before, Verdict::Stored);
        assert_eq!(offsets.due(), []);
        assert!(offsets.are_quiet(&[0]));
    }

    #[test]
    fn a_beginning_moves_nothing_back() {
        let mut offsets = Offsets::default();
        offsets.assigned(0);
        let taken = offsets.take(0, 5).unwrap();
        offsets.settled(taken, Verdict::Stored);
        offsets.begins(0, 5);
        assert_eq!(offsets.due(), [(0, 6)]);
    }
}
