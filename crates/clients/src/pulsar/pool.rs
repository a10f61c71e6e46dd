//! Producers that are kept.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tiphys_base::Cache;

use super::{Config, Error, Producer};

/// How many producers are kept.
const PRODUCERS: NonZeroUsize = NonZeroUsize::new(64).unwrap();

/// Producers by the settings that they were made with.
pub struct Pool(Cache<[u8; 32], Arc<Producer>>);

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("pulsar::Pool")
    }
}

impl Default for Pool {
    fn default() -> Self {
        Self(Cache::new(PRODUCERS))
    }
}

impl Pool {
    /// The producer of a topic, by its whole name, with these settings; it is made if there is none.
    ///
    /// # Errors
    /// If no server can be reached, or it refuses.
    pub async fn producer(&self, config: &Config, topic: &str) -> Result<Arc<Producer>, Error> {
        let key = key(config, topic);
        if let Some(known) = self.0.get(&key) {
            return Ok(known);
        }
        let producer = Arc::new(Producer::connect(config, topic).await?);
        // Whoever connected at the same time was first or is not; one of them is kept.
        Ok(self.0.get_or_insert(key, producer))
    }

    /// Forgets the producer with these settings: the next one finds out anew how the topic is divided.
    pub fn forget(&self, config: &Config, topic: &str) {
        self.0.remove(&key(config, topic));
    }
}

fn key(config: &Config, topic: &str) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(config.digest());
    digest.update(topic);
    digest.finalize().into()
}
