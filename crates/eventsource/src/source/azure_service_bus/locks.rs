//! The locks of the messages in hand: decides which are renewed, and when.

use std::collections::BTreeMap;
use std::time::Duration;

use tiphys_clients::azure::amqp::LockToken;
use tokio::time::Instant;

/// How long a lock lasts at least and at most, as Service Bus has it: what clocks that differ say beyond that is
/// not believed.
const SHORTEST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_mins(5);

/// Locks that end so soon after another one are renewed with it.
const TOGETHER: Duration = Duration::from_secs(1);

/// How soon a renewal that failed is tried again.
const AGAIN: Duration = Duration::from_secs(2);

/// The most locks that are renewed at once.
const AT_ONCE: usize = 64;

/// The locks of the messages in hand.
#[derive(Debug, Default)]
pub(super) struct Locks {
    held: BTreeMap<u64, Lock>,
    count: u64,
}

#[derive(Debug)]
struct Lock {
    token: LockToken,
    renewed_at: Instant,
}

impl Locks {
    /// A message came, with a lock for so long. Its number.
    pub(super) fn add(&mut self, token: Option<LockToken>, lasts: Duration, now: Instant) -> u64 {
        self.count += 1;
        if let Some(token) = token {
            let renewed_at = now + half(lasts);
            self.held.insert(self.count, Lock { token, renewed_at });
        }
        self.count
    }

    /// A message is settled.
    pub(super) fn remove(&mut self, number: u64) {
        self.held.remove(&number);
    }

    /// When a lock is to be renewed.
    pub(super) fn next(&self) -> Option<Instant> {
        self.held.values().map(|lock| lock.renewed_at).min()
    }

    /// Which are to be renewed now.
    pub(super) fn due(&self, now: Instant) -> Vec<(u64, LockToken)> {
        let due = self.held.iter();
        let due = due.filter(|(_, lock)| lock.renewed_at <= now + TOGETHER);
        let due = due.map(|(number, lock)| (*number, lock.token));
        due.take(AT_ONCE).collect()
    }

    /// A lock was renewed for so long; `None`: not.
    pub(super) fn renewed(&mut self, number: u64, lasts: Option<Duration>, now: Instant) {
        if let Some(lock) = self.held.get_mut(&number) {
            lock.renewed_at = now + lasts.map_or(AGAIN, half);
        }
    }
}

fn half(lasts: Duration) -> Duration {
    lasts.clamp(SHORTEST, LONGEST) / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_renewed_at_half_its_time_until_its_message_is_settled() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut locks = Locks::default();
        assert_eq!(locks.next(), None);
        let minute = Duration::from_mins(1);
        let first = locks.add(Some([1; 16]), minute, start);
        let second = locks.add(Some([2; 16]), minute, at(1));
        let third = locks.add(Some([3; 16]), minute, at(10));
        assert_eq!(locks.next(), Some(at(30)));
        assert_eq!(locks.due(at(28)), []);
        assert_eq!(locks.due(at(30)), [(first, [1; 16]), (second, [2; 16])]);
        locks.remove(first);
        locks.renewed(first, Some(minute), at(30));
        locks.renewed(second, Some(minute), at(30));
        assert_eq!(locks.next(), Some(at(40)));
        locks.renewed(third, None, at(40));
        assert_eq!(locks.next(), Some(at(42)));
    }

    #[test]
    fn clocks_that_differ_are_not_believed() {
        let start = Instant::now();
        let mut locks = Locks::default();
        locks.add(Some([1; 16]), Duration::ZERO, start);
        assert_eq!(locks.next(), Some(start + Duration::from_millis(2500)));
        let mut locks = Locks::default();
        locks.add(Some([1; 16]), Duration::from_hours(9), start);
        assert_eq!(locks.next(), Some(start + Duration::from_secs(150)));
        let mut locks = Locks::default();
        locks.add(None, Duration::ZERO, start);
        assert_eq!(locks.next(), None);
    }
}
