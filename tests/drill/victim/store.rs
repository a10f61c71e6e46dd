//! The room in the store of the bus: taken away by a stream of somebody else, and given back.

use std::time::Duration;

use async_nats::Client;
use async_nats::jetstream::{self, stream};
use serde_json::Value;
use tiphys_tests::{eventually_ok, pause};

use super::Victim;
use crate::schedule::Fault;

const FILLER: &str = "filler";

/// The sizes of what fills the store, in bytes: most of it at once, and then the rest.
const SIZES: [usize; 3] = [512 << 10, 16 << 10, 128];

/// The room in the store.
pub(crate) struct Store {
    client: Client,
}

impl Store {
    /// The store of the NATS server at `url`.
    pub(crate) async fn of(url: &str) -> Self {
        let client = async_nats::connect(url).await;
        Self {
            client: client.expect("NATS can be reached"),
        }
    }

    async fn fill(&self) {
        let context = jetstream::new(self.client.clone());
        eventually_ok("the filler's stream", || {
            context.get_or_create_stream(stream::Config {
                name: FILLER.to_owned(),
                ..stream::Config::default()
            })
        })
        .await;
        for size in SIZES {
            while self.takes(size).await {}
        }
    }

    /// True if there was room for so much.
    async fn takes(&self, size: usize) -> bool {
        let answer = eventually_ok("an answer of the store", || {
            self.client.request(FILLER, vec![0; size].into())
        })
        .await;
        let answer: Value = serde_json::from_slice(&answer.payload).unwrap_or_default();
        answer["error"].is_null()
    }

    async fn empty(&self) {
        let context = jetstream::new(self.client.clone());
        eventually_ok("the end of the filler", || async {
            match context.delete_stream(FILLER).await {
                Err(error) if error.to_string().contains("not found") => Ok(()),
                deleted => deleted.map(drop),
            }
        })
        .await;
    }
}

impl Victim for Store {
    async fn suffer(&mut self, _: Fault, lasts: Duration) {
        self.fill().await;
        pause(lasts).await;
        self.empty().await;
    }
}
