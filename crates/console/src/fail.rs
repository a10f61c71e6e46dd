//! Why something is not answered, for whoever looks at a page.

use serde_json::json;
use tiphys_api::message::with_causes;
use tiphys_http::{Response, StatusCode, json};

/// Why there is no answer.
#[derive(Debug)]
pub(crate) struct Failure {
    status: StatusCode,
    error: String,
    hint: Option<String>,
    /// Whoever logs in may ask again.
    asks_for_login: bool,
}

impl Failure {
    pub(crate) fn new(status: StatusCode, error: impl Into<String>) -> Self {
        Self {
            status,
            error: error.into(),
            hint: None,
            asks_for_login: false,
        }
    }

    /// Nobody knows who asks.
    pub(crate) fn outside() -> Self {
        Self::outside_because("log in first")
    }

    /// The same, and why it is so after all.
    pub(crate) fn outside_because(error: impl Into<String>) -> Self {
        Self {
            asks_for_login: true,
            ..Self::new(StatusCode::UNAUTHORIZED, error)
        }
    }

    /// What was asked makes no sense.
    pub(crate) fn bad(error: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, error)
    }

    /// There is no such thing.
    pub(crate) fn missing(error: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, error)
    }

    /// Whoever asks may not do this.
    pub(crate) fn forbidden(error: impl Into<String>) -> Self {
        Self::new(StatusCode::FORBIDDEN, error)
    }

    /// Somebody who is asked for it does not answer, or says no.
    pub(crate) fn away(error: &dyn std::error::Error) -> Self {
        Self::new(StatusCode::BAD_GATEWAY, with_causes(error))
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// What is wrong, in a sentence.
    pub(crate) fn error(&self) -> &str {
        &self.error
    }

    pub(crate) fn response(&self) -> Response {
        let mut body = json!({ "error": self.error });
        if let Some(hint) = &self.hint {
            body["hint"] = hint.as_str().into();
        }
        if self.asks_for_login {
            body["login"] = true.into();
        }
        json(self.status, body.to_string())
    }
}

impl From<tiphys_eventbus::Error> for Failure {
    fn from(error: tiphys_eventbus::Error) -> Self {
        Self::away(&error)
    }
}

impl From<tiphys_live::reach::Error> for Failure {
    fn from(error: tiphys_live::reach::Error) -> Self {
        Self::away(&error)
    }
}

impl From<tiphys_simulate::Error> for Failure {
    fn from(error: tiphys_simulate::Error) -> Self {
        Self::bad(with_causes(&error))
    }
}
