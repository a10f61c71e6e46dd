//! An event about an object that is too large for the bus, without what nobody looks at.

use bytes::Bytes;
use tiphys_eventbus::Event;

use super::ledger::Publication;
use super::payload::{Payload, without_managed_fields};
use crate::envelope;

/// What became of an event on its way into a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fit {
    /// All of it.
    Whole(Bytes),
    /// It fits without something.
    Cut {
        /// The message.
        message: Bytes,
        /// What is not in it.
        left_out: &'static str,
    },
    /// It does not fit at all.
    TooLarge(Bytes),
}

/// Encodes `event` around `whole`, the payload of what is published, in at most `limit` bytes. What does not
/// fit loses first what nobody looks at.
pub(super) fn fit(
    mut event: Event,
    publication: &Publication,
    payload: &Payload,
    whole: &Bytes,
    limit: usize,
) -> Fit {
    let message = match envelope::fit(&mut event, whole, limit) {
        Ok(message) => return Fit::Whole(message),
        Err(message) => message,
    };
    let head = event.encode();
    let write = |body: &[u8], old: Option<&[u8]>| {
        envelope::as_json(&head, &payload.write(publication.kind, body, old))
    };
    let body =
        without_managed_fields(&publication.body).unwrap_or_else(|| publication.body.clone());
    let old = publication
        .old
        .as_ref()
        .map(|old| without_managed_fields(old).unwrap_or_else(|| old.clone()));
    let lighter = write(&body, old.as_deref());
    if lighter.len() <= limit {
        return Fit::Cut {
            message: lighter,
            left_out: "managedFields",
        };
    }
    let alone = write(&body, None);
    if alone.len() <= limit {
        return Fit::Cut {
            message: alone,
            left_out: "managedFields and oldBody",
        };
    }
    Fit::TooLarge(message)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use tiphys_api::{ResourceEventSource, ResourceEventType};
    use tiphys_eventbus::{Context, Event};

    use super::{Fit, Publication, fit};
    use crate::source::resource::payload::Payload;

    fn fitted(limit: usize) -> Fit {
        let source: ResourceEventSource =
            serde_json::from_str(r#"{"version":"v1","resource":"configmaps"}"#).unwrap();
        let object = |text: &str| {
            let managed = r#"{"manager":"m"}"#.repeat(40).replace("}{", "},{");
            Bytes::from(format!(
                r#"{{"data":{{"x":"{}"}},"metadata":{{"managedFields":[{managed}],"name":"a"}}}}"#,
                text.repeat(1000)
            ))
        };
        let publication = Publication {
            kind: ResourceEventType::Update,
            body: object("n"),
            old: Some(object("o")),
            version: "7".into(),
        };
        let context = Context {
            id: "id".to_owned(),
            specversion: "1.0".to_owned(),
            ..Context::default()
        };
        let payload = Payload::new(&source);
        let whole = payload.write(
            publication.kind,
            &publication.body,
            publication.old.as_deref(),
        );
        let event = Event {
            context: context.into(),
            data: None,
        };
        fit(event, &publication, &payload, &whole, limit)
    }

    fn payload(message: &[u8]) -> serde_json::Value {
        let event = Event::decode(message).unwrap();
        serde_json::from_slice(&event.data.unwrap()).unwrap()
    }

    #[test]
    fn what_fits_is_encoded_as_argo_events_does() {
        let Fit::Whole(message) = fitted(10_000) else {
            panic!("whole")
        };
        assert!(message.windows(11).any(|window| window == b"data_base64"));
        assert_eq!(payload(&message)["oldBody"]["metadata"]["name"], "a");
    }

    #[test]
    fn what_is_too_large_in_base64_is_sent_as_json() {
        let Fit::Whole(message) = fitted(4_000) else {
            panic!("whole")
        };
        assert!(!message.windows(11).any(|window| window == b"data_base64"));
        assert_eq!(
            payload(&message)["body"]["metadata"]["managedFields"][39]["manager"],
            "m"
        );
    }

    #[test]
    fn what_nobody_looks_at_is_left_out_first() {
        let Fit::Cut { message, left_out } = fitted(2_500) else {
            panic!("cut")
        };
        assert_eq!(left_out, "managedFields");
        assert_eq!(
            payload(&message)["oldBody"]["metadata"],
            serde_json::json!({"name": "a"})
        );
        let Fit::Cut { message, left_out } = fitted(1_500) else {
            panic!("cut")
        };
        assert_eq!(left_out, "managedFields and oldBody");
        assert_eq!(payload(&message)["oldBody"], serde_json::Value::Null);
        assert!(matches!(fitted(500), Fit::TooLarge(_)));
    }
}
