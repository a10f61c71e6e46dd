//! The secret that a host signs with while it is rotated: the host has the one before until its hook is
//! patched, and what it has sent by then comes signed with it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tiphys_clients::values::Value;
use tokio::sync::Notify;
use tokio::time::Instant;

/// How long the secret before counts: a hook that cannot be patched at once is tried again meanwhile, and hosts
/// send again what was on its way.
const OVERLAP: Duration = Duration::from_mins(10);

/// The secret of an event, and the one before. Clones are the same.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rotation(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    known: Mutex<Known>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct Known {
    current: Option<Value>,
    /// Until when it counts.
    before: Option<(Value, Instant)>,
}

impl Rotation {
    /// Takes note of the secret as it is; returns those that count: it, and for a while the one before.
    pub(crate) fn note(&self, secret: &Value) -> Vec<Value> {
        let mut known = self.0.known.lock().unwrap_or_else(PoisonError::into_inner);
        let is_changed = known.note(secret, Instant::now());
        let before = known.before.as_ref().map(|(before, _)| before.clone());
        drop(known);
        if is_changed {
            self.0.changed.notify_one();
        }
        std::iter::once(secret.clone()).chain(before).collect()
    }

    /// Resolves when the secret has become another one.
    pub(crate) async fn changed(&self) {
        self.0.changed.notified().await;
    }
}

impl Known {
    /// Whether it is another one than before.
    fn note(&mut self, secret: &Value, now: Instant) -> bool {
        self.before.take_if(|(_, end)| *end <= now);
        if self.current.as_ref() == Some(secret) {
            return false;
        }
        let before = self.current.replace(secret.clone());
        let is_changed = before.is_some();
        // An empty one lets nobody in.
        let before = before.filter(|before| !before.bytes().is_empty());
        self.before = before.map(|before| (before, now + OVERLAP));
        is_changed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(secrets: &[Value]) -> Vec<String> {
        secrets.iter().map(Value::text).collect()
    }

    #[tokio::test(start_paused = true)]
    async fn the_secret_before_counts_for_a_while() {
        let rotation = Rotation::default();
        let note = |secret: &str| texts(&rotation.note(&Value::new(secret.as_bytes())));
        assert_eq!(note("first"), ["first"]);
        assert_eq!(note("first"), ["first"]);
        assert_eq!(note("second"), ["second", "first"]);
        rotation.changed().await;
        tokio::time::advance(Duration::from_secs(599)).await;
        assert_eq!(note("second"), ["second", "first"]);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(note("second"), ["second"]);
        assert_eq!(note("third"), ["third", "second"]);
        assert_eq!(note("fourth"), ["fourth", "third"]);
    }
}
