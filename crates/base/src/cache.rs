//! A bounded cache: what was not used for the longest time goes first.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Values by key, shared by tasks: at most so many, of at most so many bytes together.
pub struct Cache<K, V> {
    size: NonZeroUsize,
    bytes: usize,
    weigh: fn(&V) -> usize,
    entries: Mutex<Entries<K, V>>,
}

struct Entries<K, V> {
    values: HashMap<K, Entry<V>>,
    /// Of all values.
    bytes: usize,
    /// Counts the uses.
    clock: u64,
}

struct Entry<V> {
    /// The moment of its last use.
    used: u64,
    bytes: usize,
    value: V,
}

impl<K, V> fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cache")
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Cache<K, V> {
    /// Keeps at most `size` values, each of about the same size.
    pub fn new(size: NonZeroUsize) -> Self {
        Self::within(size, usize::MAX, |_| 0)
    }

    /// Keeps at most `size` values, which take at most `bytes` together; `weigh` says what one takes. What
    /// takes more by itself is not kept.
    pub fn within(size: NonZeroUsize, bytes: usize, weigh: fn(&V) -> usize) -> Self {
        Self {
            size,
            bytes,
            weigh,
            entries: Mutex::new(Entries {
                values: HashMap::new(),
                bytes: 0,
                clock: 0,
            }),
        }
    }

    /// The value of `key`.
    pub fn get(&self, key: &K) -> Option<V> {
        let mut entries = self.entries();
        entries.clock += 1;
        let now = entries.clock;
        let entry = entries.values.get_mut(key)?;
        entry.used = now;
        Some(entry.value.clone())
    }

    /// Keeps a value, in the place of another of the same key. It is weighed now: one that grows later has
    /// to be inserted again.
    pub fn insert(&self, key: K, value: V) {
        let bytes = (self.weigh)(&value);
        let mut entries = self.entries();
        entries.remove(&key);
        if bytes > self.bytes {
            return;
        }
        while entries.values.len() >= self.size.get() || entries.bytes > self.bytes - bytes {
            if !entries.remove_oldest() {
                break;
            }
        }
        entries.clock += 1;
        entries.bytes += bytes;
        let used = entries.clock;
        entries.values.insert(key, Entry { used, bytes, value });
    }

    /// Forgets the value of `key`.
    pub fn remove(&self, key: &K) {
        self.entries().remove(key);
    }

    /// The value of `key`, or else `value`, which is kept then.
    pub fn get_or_insert(&self, key: K, value: V) -> V {
        if let Some(known) = self.get(&key) {
            return known;
        }
        self.insert(key, value.clone());
        value
    }

    fn entries(&self) -> MutexGuard<'_, Entries<K, V>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Hash + Eq + Clone, V> Entries<K, V> {
    fn remove(&mut self, key: &K) {
        if let Some(entry) = self.values.remove(key) {
            self.bytes -= entry.bytes;
        }
    }

    /// False if there is nothing.
    fn remove_oldest(&mut self) -> bool {
        let oldest = self.values.iter().min_by_key(|(_, entry)| entry.used);
        let Some(oldest) = oldest.map(|(key, _)| key.clone()) else {
            return false;
        };
        self.remove(&oldest);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_the_longest_time_goes_first() {
        let cache = Cache::new(NonZeroUsize::new(2).unwrap());
        cache.insert("a", 1);
        cache.insert("b", 2);
        assert_eq!(cache.get(&"a"), Some(1));
        cache.insert("c", 3);
        assert_eq!(
            ["a", "b", "c"].map(|key| cache.get(&key)),
            [Some(1), None, Some(3)]
        );
    }

    #[test]
    fn values_are_bounded_by_what_they_take() {
        let cache = Cache::within(NonZeroUsize::new(9).unwrap(), 10, |text: &String| {
            text.len()
        });
        let kept = || ["a", "b", "c"].map(|key| cache.get(&key).map(|text| text.len()));
        cache.insert("a", "x".repeat(4));
        cache.insert("b", "x".repeat(6));
        assert_eq!(kept(), [Some(4), Some(6), None]);
        cache.insert("c", "x".repeat(5));
        assert_eq!(kept(), [None, None, Some(5)]);
        cache.insert("a", "x".repeat(3));
        cache.insert("a", "x".repeat(5));
        assert_eq!(kept(), [Some(5), None, Some(5)], "the same key counts once");
        cache.insert("b", "x".repeat(11));
        assert_eq!(
            kept(),
            [Some(5), None, Some(5)],
            "it is too large for all others"
        );
        cache.insert("a", "x".repeat(11));
        assert_eq!(kept(), [None, None, Some(5)], "what was there is outdated");
    }
}
