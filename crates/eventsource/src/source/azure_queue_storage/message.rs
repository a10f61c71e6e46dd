//! A message of Azure Queue Storage, and what it becomes.

use bytes::Bytes;
use data_encoding::{BASE64, BASE64URL};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use serde::Deserialize;

use crate::source::broker::{Members, NotJson};

/// The messages of an answer.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Page {
    #[serde(rename = "QueueMessage", default)]
    pub(super) messages: Vec<Message>,
}

/// A message, as the service writes it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Message {
    #[serde(rename = "MessageId")]
    pub(super) id: String,
    #[serde(rename = "PopReceipt", default)]
    pub(super) receipt: String,
    /// As HTTP writes times.
    insertion_time: String,
    #[serde(rename = "MessageText", default)]
    pub(super) text: String,
}

impl Message {
    /// A message with this body, and with an id that is none.
    pub(super) fn of(body: &[u8], now: Timestamp) -> Self {
        // The service knows whole seconds.
        let time = Timestamp::from_second(now.as_second()).unwrap_or(now);
        Self {
            id: "00000000-0000-0000-0000-000000000000".to_owned(),
            receipt: String::new(),
            insertion_time: time.to_string(),
            text: String::from_utf8_lossy(body).into_owned(),
        }
    }

    /// The body, from Base64 of either alphabet if it `is_encoded`.
    ///
    /// # Errors
    /// If it is no Base64.
    pub(super) fn body(&self, is_encoded: bool) -> Result<Bytes, String> {
        let text = self.text.as_bytes();
        if !is_encoded {
            return Ok(Bytes::copy_from_slice(text));
        }
        let decoded = BASE64URL.decode(text).or_else(|_| BASE64.decode(text));
        let decoded = decoded.map_err(|error| format!("the message is no Base64: {error}"))?;
        Ok(decoded.into())
    }

    /// The payload with this body, as that of Argo Events.
    ///
    /// # Errors
    /// If the body is to be JSON, and is not.
    pub(super) fn payload(
        &self,
        body: &[u8],
        is_json: bool,
        metadata: &str,
    ) -> Result<Bytes, NotJson> {
        let members = Members::with_room_for(body.len() * 4 / 3)
            .body(body, is_json)?
            .text("messageID", self.id.as_bytes())
            .text("insertionTime", self.written_time().as_bytes());
        Ok(members.finish(metadata))
    }

    fn written_time(&self) -> String {
        let time = rfc2822::parse(&self.insertion_time);
        time.map_or_else(
            |_| self.insertion_time.clone(),
            |time| time.timestamp().to_string(),
        )
    }
}
