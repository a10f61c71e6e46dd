//! The server that `http` triggers call: it remembers who called when.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tiphys_tests::web::{Asked, Web, answer};

/// How long it takes for an answer: calls are then on their way at most moments, also when their process
/// is killed.
const WORK: Duration = Duration::from_millis(300);

/// A running server.
#[derive(Debug)]
pub(crate) struct Receiver {
    calls: Arc<Mutex<Vec<Call>>>,
    web: Web,
}

/// A request about an event.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    /// The id of the event.
    pub(crate) event: String,
    /// The path, which says by which edition of the sensor it was made.
    pub(crate) path: String,
    pub(crate) at: Timestamp,
}

impl Receiver {
    /// A server at this address, or on any port if that is 0.
    pub(crate) async fn start_at(address: SocketAddr) -> Self {
        let calls = Arc::new(Mutex::new(Vec::new()));
        let log = calls.clone();
        let web = Web::start_at(address, move |asked| {
            lock(&log).push(Call::of(asked));
            answer(200).after(WORK)
        });
        Self {
            calls,
            web: web.await,
        }
    }

    /// The URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        self.web.url(path)
    }

    /// Who has called, in order.
    pub(crate) fn calls(&self) -> Vec<Call> {
        lock(&self.calls).clone()
    }
}

impl Call {
    fn of(asked: &Asked) -> Self {
        let body: Value = serde_json::from_slice(&asked.body).unwrap_or_default();
        Self {
            event: body["id"].as_str().unwrap_or_default().to_owned(),
            path: asked.path.clone(),
            at: Timestamp::now(),
        }
    }
}

fn lock(calls: &Mutex<Vec<Call>>) -> std::sync::MutexGuard<'_, Vec<Call>> {
    calls.lock().unwrap_or_else(PoisonError::into_inner)
}
