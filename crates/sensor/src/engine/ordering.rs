//! Order per object: two events about the same Kubernetes object are acted on in stream order,
//! events about different objects side by side.

use std::collections::HashMap;
use std::sync::LazyLock;

use tiphys_eventbus::Event;
use tiphys_lang::path::Path;

/// Names one piece of work. Later ones are greater.
pub type WorkId = u64;

/// Which work waits for which: a piece of work is ready when all earlier work with one of its keys
/// has left that key.
#[derive(Debug, Default)]
pub(super) struct Ordering {
    next: WorkId,
    /// The latest piece of work of each key.
    tails: HashMap<u64, WorkId>,
    entries: HashMap<WorkId, Entry>,
}

#[derive(Debug, Default)]
struct Entry {
    keys: Vec<u64>,
    waits_for: usize,
    /// Who waits for it, and on which key.
    followers: Vec<(u64, WorkId)>,
}

impl Ordering {
    /// Takes in a piece of work; returns whom it waits for. It is ready at once if that is nobody.
    pub(super) fn enter(&mut self, mut keys: Vec<u64>) -> (WorkId, Vec<WorkId>) {
        let work = self.next;
        self.next += 1;
        keys.sort_unstable();
        keys.dedup();
        let mut before = Vec::new();
        for key in &keys {
            if let Some(tail) = self.tails.insert(*key, work)
                && let Some(entry) = self.entries.get_mut(&tail)
            {
                entry.followers.push((*key, work));
                before.push(tail);
            }
        }
        // What has no key neither waits nor is waited for.
        if !keys.is_empty() {
            let entry = Entry {
                keys,
                waits_for: before.len(),
                followers: Vec::new(),
            };
            self.entries.insert(work, entry);
        }
        (work, before)
    }

    /// Whether a piece of work waits for nobody.
    pub(super) fn is_ready(&self, work: WorkId) -> bool {
        let entry = self.entries.get(&work);
        entry.is_none_or(|entry| entry.waits_for == 0)
    }

    /// Finishes a piece of work; returns those that are ready now.
    pub(super) fn leave(&mut self, work: WorkId) -> Vec<WorkId> {
        let Some(done) = self.entries.remove(&work) else {
            return Vec::new();
        };
        for key in done.keys {
            self.leave_tail(work, key);
        }
        let followers = done.followers.into_iter().map(|(_, follower)| follower);
        followers
            .filter(|follower| self.is_next(*follower))
            .collect()
    }

    /// Lets others go on that wait for a piece of work on this key only.
    pub(super) fn leave_key(&mut self, work: WorkId, key: u64) -> Vec<WorkId> {
        self.leave_tail(work, key);
        let Some(entry) = self.entries.get_mut(&work) else {
            return Vec::new();
        };
        entry.keys.retain(|own| *own != key);
        let followers: Vec<_> = entry
            .followers
            .extract_if(.., |(on, _)| *on == key)
            .collect();
        let followers = followers.into_iter().map(|(_, follower)| follower);
        followers
            .filter(|follower| self.is_next(*follower))
            .collect()
    }

    fn leave_tail(&mut self, work: WorkId, key: u64) {
        if self.tails.get(&key) == Some(&work) {
            self.tails.remove(&key);
        }
    }

    /// Somebody whom this piece of work waited for has left; true if it waits for nobody now.
    fn is_next(&mut self, work: WorkId) -> bool {
        self.entries.get_mut(&work).is_some_and(|entry| {
            entry.waits_for -= 1;
            entry.waits_for == 0
        })
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

/// FNV-1a, 64 bit: keys are equal by accident once in 2^64. Objects that triggers create bear what was made
/// of them (`trigger::k8s::Turn`), so they stay the same from version to version.
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

    /// They stand on objects that older versions have created.
    #[test]
    fn the_key_of_an_object_never_changes() {
        let data = r#"{"group":"","resource":"services","body":{"metadata":{"name":"web","namespace":"shop"}}}"#;
        let event = Event {
            context: tiphys_eventbus::Context {
                r#type: "resource".into(),
                ..Default::default()
            }
            .into(),
            data: Some(data.into()),
        };
        assert_eq!(object_key(&event), Some(0x8404_00dc_c16c_6ced));
    }

    #[test]
    fn work_on_one_object_is_done_in_order() {
        let mut ordering = Ordering::default();
        assert_eq!(ordering.enter(vec![1]), (0, vec![]));
        assert_eq!(ordering.enter(vec![1]), (1, vec![0]));
        assert_eq!(ordering.enter(vec![2]), (2, vec![]));
        assert_eq!(ordering.enter(vec![1]), (3, vec![1]));
        assert!(ordering.leave(2).is_empty());
        assert_eq!(ordering.leave(0), [1]);
        assert_eq!(ordering.leave(1), [3]);
        assert!(ordering.leave(3).is_empty());
        assert!(ordering.entries.is_empty() && ordering.tails.is_empty());
    }

    #[test]
    fn work_on_two_objects_waits_for_both() {
        let mut ordering = Ordering::default();
        ordering.enter(vec![1]);
        ordering.enter(vec![2]);
        assert_eq!(ordering.enter(vec![1, 2, 2]), (2, vec![0, 1]));
        assert!(ordering.leave(0).is_empty());
        assert_eq!(ordering.leave(1), [2]);
    }

    #[test]
    fn work_without_an_object_never_waits() {
        let mut ordering = Ordering::default();
        ordering.enter(vec![1]);
        assert_eq!(ordering.enter(vec![]), (1, vec![]));
        assert!(ordering.leave(1).is_empty());
    }

    #[test]
    fn a_key_can_be_left_before_the_others() {
        let mut ordering = Ordering::default();
        ordering.enter(vec![1, 2]);
        assert_eq!(ordering.enter(vec![1]), (1, vec![0]));
        assert_eq!(ordering.enter(vec![2]), (2, vec![0]));
        assert_eq!(ordering.leave_key(0, 1), [1]);
        assert_eq!(ordering.enter(vec![1, 2]), (3, vec![1, 2]));
        assert_eq!(ordering.leave(0), [2]);
        assert!(ordering.leave(1).is_empty());
        assert_eq!(ordering.leave(2), [3]);
        assert!(ordering.leave(3).is_empty());
        assert!(ordering.entries.is_empty() && ordering.tails.is_empty());
    }
}
