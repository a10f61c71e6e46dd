//! The ids of events: 32 hex digits, the form that Argo Events uses.

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};
use tiphys_eventbus::{Event, EventId};

use crate::compile::CompiledEvent;
use crate::incoming::Identity;

/// How many bytes of the digest are the id: as many as a UUID has.
const ID_BYTES: usize = 16;

/// The id of something that happened to `event`.
///
/// The uid of the event source tells clusters apart that share a bus, and an event source that was
/// created anew from its predecessor.
pub(crate) fn event_id(event: &CompiledEvent, identity: &Identity) -> EventId {
    match identity {
        Identity::Parts(parts) => {
            let place: [&str; 4] = [&event.namespace, &event.source, &event.uid, &event.name];
            let parts = parts.iter().map(String::as_str);
            digest(place.into_iter().chain(parts))
        }
        #[cfg(feature = "kafka")]
        Identity::Whole(id) => id.clone(),
        Identity::Fresh => Event::new_id(),
    }
}

/// A digest of all parts: the same whenever the parts are.
///
/// Ids that were published before have to stay what they are: this never changes.
pub(crate) fn digest<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let mut hash = Sha256::new();
    for part in parts {
        // With its length as eight bytes, so that no two lists of parts read the same.
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    HEXLOWER.encode(&hash.finalize()[..ID_BYTES])
}

#[cfg(test)]
mod tests {
    use super::digest;

    #[test]
    fn the_same_parts_have_the_same_id_in_every_version() {
        // Computed by hand: SHA-256 over each length (eight bytes, little-endian) and part.
        assert_eq!(
            digest(["es", "ev", "uid", "1", "ADD"]),
            "26caf61e05a56f5970f734b35186338b"
        );
        assert_eq!(digest(["a", "bc"]), "9a8acca1b6c6c0befd3fbc756aed625d");
        assert_eq!(digest(["ab", "c"]), "43ee655579de01ca739b3f95c1c2d3f4");
    }
}
