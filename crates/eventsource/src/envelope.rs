//! An event as a message that fits into what the bus takes.

use bytes::Bytes;
use tiphys_eventbus::Event;

/// The message of `event`, which has no payload yet, around `payload`, in at most `limit` bytes.
///
/// What does not fit in base64, as Argo Events encodes it, may fit as JSON, which every consumer
/// reads too.
///
/// # Errors
/// The message as JSON, if it does not fit at all.
pub(crate) fn fit(event: &mut Event, payload: &Bytes, limit: usize) -> Result<Bytes, Bytes> {
    if payload.len() / 3 * 4 < limit {
        event.data = Some(payload.clone());
        let message = event.encode();
        event.data = None;
        if message.len() <= limit {
            return Ok(message);
        }
    }
    let message = as_json(&event.encode(), payload);
    if message.len() <= limit {
        Ok(message)
    } else {
        Err(message)
    }
}

/// The event with its payload in `data`.
pub(crate) fn as_json(head: &[u8], payload: &[u8]) -> Bytes {
    let members = head.strip_suffix(b"}").unwrap_or(head);
    let mut out = Vec::with_capacity(members.len() + payload.len() + 16);
    out.extend_from_slice(members);
    out.extend_from_slice(br#","data":"#);
    out.extend_from_slice(payload);
    out.push(b'}');
    out.into()
}
