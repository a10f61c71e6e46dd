//! A bounded cache: what was not used for the longest time goes first.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// At most so many values by key, shared by tasks.
pub struct Cache<K, V> {
    size: NonZeroUsize,
    entries: Mutex<Entries<K, V>>,
}

struct Entries<K, V> {
    /// Each value with the moment of its last use.
    values: HashMap<K, (u64, V)>,
    /// Counts the uses.
    clock: u64,
}

impl<K, V> fmt::Debug for Cache<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Cache")
    }
}

impl<K: Hash + Eq + Clone, V: Clone> Cache<K, V> {
    /// Keeps at most `size` values.
    pub fn new(size: NonZeroUsize) -> Self {
        Self {
            size,
            entries: Mutex::new(Entries {
                values: HashMap::new(),
                clock: 0,
            }),
        }
    }

    /// The value of `key`.
    pub fn get(&self, key: &K) -> Option<V> {
        let mut entries = self.entries();
        entries.clock += 1;
        let now = entries.clock;
        let (used, value) = entries.values.get_mut(key)?;
        *used = now;
        Some(value.clone())
    }

    /// Keeps a value, in the place of another of the same key.
    pub fn insert(&self, key: K, value: V) {
        let mut entries = self.entries();
        entries.clock += 1;
        let now = entries.clock;
        if entries.values.len() >= self.size.get() && !entries.values.contains_key(&key) {
            let oldest = entries.values.iter().min_by_key(|(_, (used, _))| *used);
            if let Some(oldest) = oldest.map(|(key, _)| key.clone()) {
                entries.values.remove(&oldest);
            }
        }
        entries.values.insert(key, (now, value));
    }

    /// Forgets the value of `key`.
    pub fn remove(&self, key: &K) {
        self.entries().values.remove(key);
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
