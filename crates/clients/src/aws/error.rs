//! Why AWS did not do what it was asked for.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::Value;
use tiphys_api::message::shortened;
use tiphys_base::Reason;

/// How much of what AWS says is shown, in bytes.
const LONGEST: usize = 300;

/// Codes of requests by somebody whom it does not know, and of logins that have ended.
const LOGIN: [&str; 12] = [
    "AuthFailure",
    "ExpiredToken",
    "ExpiredTokenException",
    "IncompleteSignature",
    "InvalidAccessKeyId",
    "InvalidClientTokenId",
    "InvalidIdentityToken",
    "InvalidSignature",
    "InvalidSignatureException",
    "MissingAuthenticationToken",
    "SignatureDoesNotMatch",
    "UnrecognizedClientException",
];

/// Codes of requests by somebody who may not.
const RIGHTS: [&str; 7] = [
    "AccessDenied",
    "AccessDeniedException",
    "AuthorizationError",
    "KMSAccessDeniedException",
    "KmsAccessDenied",
    "OptInRequired",
    "UnauthorizedOperation",
];

/// Codes of requests that come too often.
const BUSY: [&str; 9] = [
    "EC2ThrottledException",
    "KmsThrottled",
    "OverLimit",
    "RequestLimitExceeded",
    "RequestThrottled",
    "SlowDown",
    "Throttling",
    "ThrottlingException",
    "TooManyRequestsException",
];

/// Why AWS did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    /// The cause in one word.
    pub reason: Reason,
    /// The word that AWS has for it; empty if it did not answer.
    pub code: String,
    /// What is wrong.
    pub message: String,
    /// What a human can do; may be empty.
    pub hint: String,
    /// The request was certainly not worked on.
    pub is_unsent: bool,
    /// When to try again, if AWS says so.
    pub retry_after: Option<Duration>,
}

impl Error {
    /// Something that is no answer.
    pub(super) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            code: String::new(),
            message: message.into(),
            hint: String::new(),
            is_unsent: false,
            retry_after: None,
        }
    }

    #[must_use]
    pub(super) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = hint.into();
        self
    }

    /// The same, of a request that was certainly not worked on.
    #[must_use]
    pub(super) fn unsent(mut self) -> Self {
        self.is_unsent = true;
        self
    }

    /// A value of ours that is not there, or makes no sense.
    pub(super) fn of_ours(error: &crate::Error) -> Self {
        let reason = match error {
            crate::Error::Unavailable { .. } => Reason::Missing,
            crate::Error::Refused(_) => Reason::Invalid,
        };
        let hint = match error {
            crate::Error::Unavailable { hint, .. } => hint.clone(),
            crate::Error::Refused(_) => None,
        };
        Self::new(reason, error.to_string())
            .with_hint(hint.unwrap_or_default())
            .unsent()
    }

    /// An answer that is a no.
    pub(super) fn answered(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let (code, text) = code_and_text(headers, body);
        let message = match (code.as_str(), text.as_str()) {
            ("", "") => status.to_string(),
            (code, "") => code.to_owned(),
            ("", text) => format!("{status}: {text}"),
            (code, text) => format!("{code}: {text}"),
        };
        Self {
            code: code.clone(),
            ..Self::new(reason(status, &code), message)
        }
    }

    /// The same for an action `act`: what was not worked on, and what a human has to put right, waits; whatever else
    /// may have been worked on is an answer.
    pub fn of_action(self, act: &str) -> crate::Error {
        let message = format!("{act}: {self}");
        let waits = matches!(
            self.reason,
            Reason::Forbidden | Reason::Missing | Reason::TooManyRequests | Reason::Unauthorized
        );
        if !waits && !self.is_unsent {
            return crate::Error::refused(message);
        }
        let error = crate::Error::unavailable(message).with_retry_after(self.retry_after);
        let error = match self.reason {
            Reason::Forbidden => error.with_reason(Reason::Forbidden),
            _ => error,
        };
        if self.hint.is_empty() {
            error
        } else {
            error.with_hint(self.hint)
        }
    }

    /// Whether the login has ended, or was never one.
    pub fn is_login(&self) -> bool {
        LOGIN.contains(&self.code.as_str())
    }
}

/// The code, and what is said about it. Texts about signatures go on for many lines, with all headers.
fn code_and_text(headers: &HeaderMap, body: &[u8]) -> (String, String) {
    let (code, text) = json(headers, body).unwrap_or_else(|| xml(body));
    let text = text.lines().next().unwrap_or_default();
    (plain(&code).to_owned(), shortened(text, LONGEST))
}

fn json(headers: &HeaderMap, body: &[u8]) -> Option<(String, String)> {
    let body: Value = serde_json::from_slice(body).ok()?;
    let member = |names: &[&str]| {
        let found = names.iter().find_map(|name| body.get(name)?.as_str());
        found.unwrap_or_default().to_owned()
    };
    let header = headers.get("x-amzn-errortype");
    let code = match header.and_then(|header| header.to_str().ok()) {
        Some(code) => code.to_owned(),
        None => member(&["__type", "code", "Code"]),
    };
    Some((code, member(&["message", "Message"])))
}

fn xml(body: &[u8]) -> (String, String) {
    /// Some services put a list around it.
    #[derive(Deserialize, Default)]
    #[serde(default, rename_all = "PascalCase")]
    struct Answer {
        error: Option<Detail>,
        errors: List,
    }
    #[derive(Deserialize, Default)]
    #[serde(default, rename_all = "PascalCase")]
    struct List {
        error: Option<Detail>,
    }
    #[derive(Deserialize, Default)]
    #[serde(default, rename_all = "PascalCase")]
    struct Detail {
        code: String,
        message: String,
    }
    let answer: Answer =
        quick_xml::de::from_str(&String::from_utf8_lossy(body)).unwrap_or_default();
    let detail = answer.error.or(answer.errors.error).unwrap_or_default();
    (detail.code, detail.message)
}

/// A code without the names around it: `com.amazonaws.sqs#QueueDoesNotExist`,
/// `AWS.SimpleQueueService.NonExistentQueue`, `ThrottlingException:http://…`.
fn plain(code: &str) -> &str {
    let code = code.split(':').next().unwrap_or_default();
    let code = code.rsplit('#').next().unwrap_or_default();
    code.rsplit('.').next().unwrap_or_default()
}

fn reason(status: StatusCode, code: &str) -> Reason {
    if LOGIN.contains(&code) {
        return Reason::Unauthorized;
    }
    if RIGHTS.contains(&code) {
        return Reason::Forbidden;
    }
    if BUSY.contains(&code) {
        return Reason::TooManyRequests;
    }
    if matches!(
        code,
        "QueueDoesNotExist" | "NonExistentQueue" | "NotFound" | "ResourceNotFoundException"
    ) {
        return Reason::NotFound;
    }
    match status {
        StatusCode::UNAUTHORIZED => Reason::Unauthorized,
        StatusCode::FORBIDDEN => Reason::Forbidden,
        StatusCode::NOT_FOUND => Reason::NotFound,
        StatusCode::TOO_MANY_REQUESTS => Reason::TooManyRequests,
        StatusCode::BAD_REQUEST => Reason::Invalid,
        status if status.is_server_error() => Reason::Unreachable,
        _ => Reason::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_has_a_code_a_text_and_a_reason() {
        for (status, body, reason, expected) in [
            (
                400,
                r#"{"__type":"com.amazonaws.sqs#QueueDoesNotExist","message":"no such queue"}"#,
                Reason::NotFound,
                "QueueDoesNotExist: no such queue",
            ),
            (
                403,
                "<ErrorResponse xmlns=\"x\"><Error><Type>Sender</Type><Code>InvalidClientTokenId</Code>\
                 <Message>The token is invalid</Message></Error></ErrorResponse>",
                Reason::Unauthorized,
                "InvalidClientTokenId: The token is invalid",
            ),
            (
                403,
                r#"{"__type":"SignatureDoesNotMatch","message":"does not match\nx-amz-security-token:t"}"#,
                Reason::Unauthorized,
                "SignatureDoesNotMatch: does not match",
            ),
            (
                400,
                r#"{"__type":"AccessDeniedException","Message":"may not"}"#,
                Reason::Forbidden,
                "AccessDeniedException: may not",
            ),
            (
                400,
                r#"{"__type":"AWS.SimpleQueueService.OverLimit"}"#,
                Reason::TooManyRequests,
                "OverLimit",
            ),
            (
                403,
                "<Response><Errors><Error><Code>AuthFailure</Code><Message>no</Message></Error></Errors></Response>",
                Reason::Unauthorized,
                "AuthFailure: no",
            ),
            (502, "<html>", Reason::Unreachable, "502 Bad Gateway"),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            let error = Error::answered(status, &HeaderMap::new(), body.as_bytes());
            assert_eq!(
                (error.reason, error.to_string().as_str()),
                (reason, expected)
            );
        }
    }
}
