//! Producers that are kept.

use std::fmt;
use std::num::NonZeroUsize;
use std::sync::Arc;

use sha2::{Digest, Sha256};
use tiphys_base::Cache;

use super::{Acks, Config, Error, Producer, Production};

/// How many producers are kept.
const PRODUCERS: NonZeroUsize = NonZeroUsize::new(64).unwrap();

/// Producers by the settings that they were made with.
pub struct Pool(Cache<[u8; 32], Arc<Producer>>);

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("kafka::Pool")
    }
}

impl Default for Pool {
    fn default() -> Self {
        Self(Cache::new(PRODUCERS))
    }
}

impl Pool {
    /// The producer with these settings, which is made if there is none.
    ///
    /// # Errors
    /// If the settings make no sense, or no broker can be reached.
    pub async fn producer(
        &self,
        config: &Config,
        production: &Production,
    ) -> Result<Arc<Producer>, Error> {
        let key = key(config, production);
        if let Some(known) = self.0.get(&key) {
            return Ok(known);
        }
        let producer = Arc::new(Producer::connect(config, production).await?);
        // Whoever connected at the same time was first or is not; one of them is kept.
        Ok(self.0.get_or_insert(key, producer))
    }

    /// Forgets the producer with these settings: the next one is made anew.
    pub fn forget(&self, config: &Config, production: &Production) {
        self.0.remove(&key(config, production));
    }
}

fn key(config: &Config, production: &Production) -> [u8; 32] {
    let Production {
        acks,
        is_compressed,
        linger,
    } = production;
    let mut digest = Sha256::new();
    digest.update(config.digest());
    digest.update([u8::from(*acks == Acks::All), u8::from(*is_compressed)]);
    digest.update(linger.as_nanos().to_le_bytes());
    digest.finalize().into()
}
