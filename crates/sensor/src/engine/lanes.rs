//! Order per object: two events about the same Kubernetes object are acted on in stream order,
//! events about different objects side by side.

use std::collections::HashMap;
use std::sync::LazyLock;

use tiphys_eventbus::Event;
use tiphys_lang::path::Path;

/// Names one piece of work. Later ones are greater.
pub type Ticket = u64;

/// Which work waits for which: a piece of work is ready when all earlier work with one of its keys
/// is finished.
#[derive(Debug, Default)]
pub struct Lanes {
    next: Ticket,
    /// The latest piece of work of each key.
    tails: HashMap<u64, Ticket>,
    work: HashMap<Ticket, Work>,
}

#[derive(Debug, Default)]
struct Work {
    keys: Vec<u64>,
    waits_for: usize,
    followers: Vec<Ticket>,
}

impl Lanes {
    /// Takes in a piece of work; true if it is ready at once.
    pub fn enter(&mut self, keys: &[u64]) -> (Ticket, bool) {
        let ticket = self.next;
        self.next += 1;
        let mut work = Work {
            keys: keys.to_vec(),
            ..Work::default()
        };
        work.keys.sort_unstable();
        work.keys.dedup();
        for key in &work.keys {
            let before = self.tails.insert(*key, ticket);
            if let Some(before) = before.and_then(|before| self.work.get_mut(&before)) {
                before.followers.push(ticket);
                work.waits_for += 1;
            }
        }
        let ready = work.waits_for == 0;
        self.work.insert(ticket, work);
        (ticket, ready)
    }

    /// Finishes a piece of work; returns those that are ready now.
    pub fn leave(&mut self, ticket: Ticket) -> Vec<Ticket> {
        let Some(done) = self.work.remove(&ticket) else {
            return Vec::new();
        };
        for key in done.keys {
            if self.tails.get(&key) == Some(&ticket) {
                self.tails.remove(&key);
            }
        }
        let mut ready = Vec::new();
        for follower in done.followers {
            if let Some(work) = self.work.get_mut(&follower) {
                work.waits_for -= 1;
                if work.waits_for == 0 {
                    ready.push(follower);
                }
            }
        }
        ready
    }
}

/// The Kubernetes object that an event is about, if it is about one.
///
/// By kind, namespace and name, not by uid: the deletion of an object and the creation of its
/// successor have to stay in order too.
pub fn object_key(event: &Event) -> Option<u64> {
    static PARTS: LazyLock<Vec<Path>> = LazyLock::new(|| {
        let paths = [
            "group",
            "resource",
            "body.metadata.namespace",
            "body.metadata.name",
        ];
        paths
            .iter()
            .filter_map(|path| Path::compile(path).ok())
            .collect()
    });
    if event.context.r#type != "resource" {
        return None;
    }
    let data = event.data.as_deref()?;
    let mut hash = Fnv::default();
    let mut name_found = false;
    for path in PARTS.iter() {
        let found = path.get(data);
        name_found = found.exists();
        hash.add(found.text().as_bytes());
    }
    name_found.then_some(hash.0)
}

/// FNV-1a, 64 bit: keys are compared within one process only, and equal by accident once in 2^64.
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fnv {
    fn add(&mut self, bytes: &[u8]) {
        for byte in bytes.iter().chain(&[0]) {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_on_one_object_is_done_in_order() {
        let mut lanes = Lanes::default();
        assert_eq!(lanes.enter(&[1]), (0, true));
        assert_eq!(lanes.enter(&[1]), (1, false));
        assert_eq!(lanes.enter(&[2]), (2, true));
        assert_eq!(lanes.enter(&[1]), (3, false));
        assert!(lanes.leave(2).is_empty());
        assert_eq!(lanes.leave(0), [1]);
        assert_eq!(lanes.leave(1), [3]);
        assert!(lanes.leave(3).is_empty());
        assert!(lanes.work.is_empty() && lanes.tails.is_empty());
    }

    #[test]
    fn work_on_two_objects_waits_for_both() {
        let mut lanes = Lanes::default();
        lanes.enter(&[1]);
        lanes.enter(&[2]);
        assert_eq!(lanes.enter(&[1, 2, 2]), (2, false));
        assert!(lanes.leave(0).is_empty());
        assert_eq!(lanes.leave(1), [2]);
    }

    #[test]
    fn work_without_an_object_never_waits() {
        let mut lanes = Lanes::default();
        lanes.enter(&[1]);
        assert_eq!(lanes.enter(&[]), (1, true));
    }
}
