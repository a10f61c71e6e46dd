//! How the connection to a NATS server is: it heals itself, and says so.

use std::sync::Arc;

use async_nats::{Event, ServerError};
use tokio::sync::watch;
use tokio::time::timeout;

use super::HEAL_WITHIN;
use crate::context::SourceContext;
use crate::error::{Reason, SourceError};
use crate::status::Condition;

/// How a connection is.
#[derive(Debug, Clone)]
pub(super) struct Link {
    /// The servers, without passwords.
    url: String,
    state: Arc<watch::Sender<State>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    Up,
    Down,
    /// The server does not let us do what we want.
    Forbidden(String),
}

impl Link {
    pub(super) fn new(url: String) -> Self {
        Self {
            url,
            state: Arc::new(watch::Sender::new(State::Up)),
        }
    }

    /// What hears of it from the client.
    pub(super) fn listener(&self) -> impl Fn(Event) + Send + Sync + 'static {
        let state = self.state.clone();
        move |event| {
            let now = match event {
                Event::Connected => State::Up,
                Event::Disconnected | Event::Closed => State::Down,
                Event::ServerError(ServerError::Other(text)) if is_denied(&text) => {
                    State::Forbidden(text)
                }
                _ => return,
            };
            state.send_replace(now);
        }
    }

    /// Why the event has to be started again. Until then its condition follows the connection.
    pub(super) async fn broken(&self, path: &str, context: &SourceContext) -> SourceError {
        let mut state = self.state.subscribe();
        loop {
            // The sender lives in `self`.
            let now = state.wait_for(|state| *state != State::Up).await;
            let now = now.map_or(State::Down, |state| state.clone());
            if let State::Forbidden(text) = now {
                return SourceError::new(Reason::Forbidden, format!("listen at {}", self.url))
                    .because(text)
                    .with_hint(format!("allow it to the user of {path}.auth"));
            }
            context.condition(Condition::Failed {
                reason: Reason::Disconnected,
                message: format!("the connection to {} is lost", self.url),
                hint: String::new(),
            });
            let healed = timeout(HEAL_WITHIN, state.wait_for(|state| *state != State::Down)).await;
            if healed.is_err() {
                return SourceError::new(
                    Reason::Unreachable,
                    format!("connect to {} again", self.url),
                );
            }
            context.condition(Condition::Working);
        }
    }
}

/// The server has a text for it alone.
fn is_denied(text: &str) -> bool {
    text.to_ascii_lowercase()
        .contains("permissions violation for subscription")
}
