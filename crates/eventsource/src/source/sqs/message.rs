//! A message of SQS, and what it becomes.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Deserialize;
use tiphys_lang::json::write_string;

use crate::source::broker::{Members, NotJson};

/// A message, as SQS writes it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
pub(super) struct Message {
    #[serde(rename = "MessageId")]
    pub(super) id: String,
    #[serde(rename = "ReceiptHandle")]
    pub(super) receipt: String,
    pub(super) body: String,
    /// What SQS knows of it.
    pub(super) attributes: BTreeMap<String, String>,
    /// What its sender says of it.
    #[serde(rename = "MessageAttributes")]
    by_sender: Option<BTreeMap<String, Attribute>>,
}

/// A text, or bytes in Base64.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "PascalCase")]
struct Attribute {
    binary_list_values: Option<Vec<String>>,
    binary_value: Option<String>,
    data_type: Option<String>,
    string_list_values: Option<Vec<String>>,
    string_value: Option<String>,
}

impl Message {
    /// A message with this body, and with an id that is none.
    pub(super) fn of(body: &str) -> Self {
        Self {
            id: "00000000-0000-0000-0000-000000000000".to_owned(),
            body: body.to_owned(),
            ..Self::default()
        }
    }

    /// The group whose messages have an order.
    pub(super) fn group(&self) -> Option<&str> {
        self.attributes.get("MessageGroupId").map(String::as_str)
    }

    /// Its payload, as that of Argo Events.
    ///
    /// # Errors
    /// If the body is to be JSON, and is not.
    pub(super) fn payload(&self, is_json: bool, metadata: &str) -> Result<Bytes, NotJson> {
        let members = Members::with_room_for(self.body.len() * 4 / 3)
            .text("messageId", self.id.as_bytes())
            .json("messageAttributes", self.written_attributes().as_bytes())
            .body(self.body.as_bytes(), is_json)?;
        Ok(members.finish(metadata))
    }

    /// All members are there, as of the struct that Argo Events prints.
    fn written_attributes(&self) -> String {
        let Some(attributes) = self.by_sender.as_ref().filter(|named| !named.is_empty()) else {
            return "null".to_owned();
        };
        let mut out = String::from("{");
        for (name, attribute) in attributes {
            if out.len() > 1 {
                out.push(',');
            }
            write_string(name, &mut out);
            out.push_str(r#":{"BinaryListValues":"#);
            write_list(attribute.binary_list_values.as_deref(), &mut out);
            out.push_str(r#","BinaryValue":"#);
            write_text(attribute.binary_value.as_deref(), &mut out);
            out.push_str(r#","DataType":"#);
            write_text(attribute.data_type.as_deref(), &mut out);
            out.push_str(r#","StringListValues":"#);
            write_list(attribute.string_list_values.as_deref(), &mut out);
            out.push_str(r#","StringValue":"#);
            write_text(attribute.string_value.as_deref(), &mut out);
            out.push('}');
        }
        out.push('}');
        out
    }
}

fn write_text(text: Option<&str>, out: &mut String) {
    match text {
        Some(text) => write_string(text, out),
        None => out.push_str("null"),
    }
}

fn write_list(list: Option<&[String]>, out: &mut String) {
    let Some(list) = list.filter(|list| !list.is_empty()) else {
        return out.push_str("null");
    };
    out.push('[');
    for (index, text) in list.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        write_string(text, out);
    }
    out.push(']');
}
