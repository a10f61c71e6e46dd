//! A message of MNS, and what it becomes.

use bytes::Bytes;
use serde::Deserialize;

use crate::source::broker::Members;

/// The messages of an answer.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Page {
    #[serde(rename = "Message", default)]
    pub(super) messages: Vec<Message>,
}

/// A message, as the service writes it.
#[derive(Debug, Deserialize)]
pub(super) struct Message {
    #[serde(rename = "MessageId")]
    pub(super) id: String,
    #[serde(rename = "ReceiptHandle", default)]
    pub(super) receipt: String,
    /// As it was sent: most senders encode it in Base64, which nobody takes back here.
    #[serde(rename = "MessageBody", default)]
    pub(super) body: String,
    /// Until when it is hidden, in milliseconds since 1970.
    #[serde(rename = "NextVisibleTime", default)]
    pub(super) visible_at: i64,
}

impl Message {
    /// A message with this body, and with an id that is none.
    pub(super) fn of(body: &[u8]) -> Self {
        Self {
            id: "00000000000000000000000000000000".to_owned(),
            receipt: String::new(),
            body: String::from_utf8_lossy(body).into_owned(),
            visible_at: 0,
        }
    }

    /// The payload, as that of Argo Events.
    pub(super) fn payload(&self) -> Bytes {
        Members::with_room_for(self.body.len())
            .text("messageId", self.id.as_bytes())
            .text("body", self.body.as_bytes())
            .finish("")
    }
}
