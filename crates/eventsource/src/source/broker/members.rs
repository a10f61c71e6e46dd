//! The members of a payload, in the order in which Argo Events writes them.

use bytes::Bytes;
use data_encoding::BASE64;
use serde::de::IgnoredAny;
use tiphys_lang::json;

/// How many bytes names, marks and small values take, in most payloads.
const AROUND: usize = 256;

/// A body is to be JSON, and is not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the body is not JSON: {0}")]
pub(in crate::source) struct NotJson(String);

/// An object that is being written.
#[derive(Debug)]
pub(in crate::source) struct Members {
    out: Vec<u8>,
}

impl Members {
    /// An object with room for `size` bytes of values.
    pub(in crate::source) fn with_room_for(size: usize) -> Self {
        let mut out = Vec::with_capacity(size + AROUND);
        out.push(b'{');
        Self { out }
    }

    /// A text; what is not UTF-8 in it is replaced, as Go does.
    pub(in crate::source) fn text(self, name: &str, value: &[u8]) -> Self {
        let mut text = String::with_capacity(value.len() + 2);
        json::write_string(&String::from_utf8_lossy(value), &mut text);
        self.json(name, text.as_bytes())
    }

    /// What is JSON already.
    pub(in crate::source) fn json(mut self, name: &str, value: &[u8]) -> Self {
        if self.out.len() > 1 {
            self.out.push(b',');
        }
        self.out.push(b'"');
        self.out.extend_from_slice(name.as_bytes());
        self.out.extend_from_slice(b"\":");
        self.out.extend_from_slice(value);
        self
    }

    /// Texts under their names, in this order.
    #[cfg(any(feature = "gcp", feature = "kafka", feature = "redis"))]
    pub(in crate::source) fn texts<'a>(
        self,
        name: &str,
        texts: impl IntoIterator<Item = (&'a [u8], &'a [u8])>,
    ) -> Self {
        let mut out = String::from("{");
        for (name, text) in texts {
            if out.len() > 1 {
                out.push(',');
            }
            json::write_string(&String::from_utf8_lossy(name), &mut out);
            out.push(':');
            json::write_string(&String::from_utf8_lossy(text), &mut out);
        }
        out.push('}');
        self.json(name, out.as_bytes())
    }

    /// The body of a message: as it is, if that is to be JSON, and in Base64 otherwise.
    ///
    /// # Errors
    /// If it is to be JSON, and is not.
    pub(in crate::source) fn body(self, body: &[u8], is_json: bool) -> Result<Self, NotJson> {
        if is_json {
            return self.json_body(body);
        }
        Ok(self.encoded_body(body))
    }

    /// The body of a message in Base64.
    pub(in crate::source) fn encoded_body(self, body: &[u8]) -> Self {
        let mut text = String::with_capacity(body.len() / 3 * 4 + 6);
        text.push('"');
        BASE64.encode_append(body, &mut text);
        text.push('"');
        self.json("body", text.as_bytes())
    }

    /// The body of a message that has to be JSON, as it is.
    ///
    /// # Errors
    /// If it is not.
    pub(in crate::source) fn json_body(self, body: &[u8]) -> Result<Self, NotJson> {
        if json::is_valid(body) {
            return Ok(self.json("body", body));
        }
        let why = serde_json::from_slice::<IgnoredAny>(body).err();
        Err(NotJson(why.map_or_else(
            || "it is nested too deeply".to_owned(),
            |why| why.to_string(),
        )))
    }

    /// The payload, with `metadata` at its end; that is JSON, or empty.
    pub(in crate::source) fn finish(self, metadata: &str) -> Bytes {
        let mut whole = if metadata.is_empty() {
            self
        } else {
            self.json("metadata", metadata.as_bytes())
        };
        whole.out.push(b'}');
        whole.out.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(body: &[u8], is_json: bool) -> Result<String, String> {
        let members = Members::with_room_for(0).text("topic", b"a \"b\" <c>\xff");
        let members = members.json("messageId", b"7").body(body, is_json);
        let payload = members.map_err(|error| error.to_string())?;
        let payload = payload.finish(r#"{"team":"harbour"}"#);
        Ok(String::from_utf8(payload.to_vec()).unwrap())
    }

    #[test]
    fn a_body_is_in_base64_unless_it_is_to_be_json() {
        assert_eq!(
            written(b"hi \x00\xff!", false).unwrap(),
            concat!(
                r#"{"topic":"a \"b\" \u003cc\u003e"#,
                "\u{fffd}",
                r#"","messageId":7,"body":"aGkgAP8h","metadata":{"team":"harbour"}}"#
            )
        );
        assert_eq!(
            written(b"{\"n\": 1.0e0,\n\"n\":2}", true).unwrap(),
            concat!(
                r#"{"topic":"a \"b\" \u003cc\u003e"#,
                "\u{fffd}",
                r#"","messageId":7,"body":{"n": 1.0e0,"#,
                "\n",
                r#""n":2},"metadata":{"team":"harbour"}}"#
            )
        );
    }

    #[test]
    fn what_is_not_json_is_refused_with_the_place() {
        for (body, why) in [
            (
                &b""[..],
                "the body is not JSON: EOF while parsing a value at line 1 column 0",
            ),
            (
                b"{\"n\": }",
                "the body is not JSON: expected value at line 1 column 7",
            ),
        ] {
            assert_eq!(written(body, true).unwrap_err(), why);
        }
        assert_eq!(
            written(b"", false).unwrap().split("body").nth(1),
            Some(r#"":"","metadata":{"team":"harbour"}}"#)
        );
    }

    #[test]
    fn no_metadata_is_left_out() {
        let empty = Members::with_room_for(0).finish("");
        assert_eq!(&empty[..], b"{}");
    }
}
