//! Names of topics.

/// Where a topic is whose name says nothing of it.
const USUAL: &str = "persistent://public/default/";

/// The schemes of topics: brokers keep what is sent to the first kind, and forget that of the other.
const PERSISTENT: &str = "persistent://";
const FORGOTTEN: &str = "non-persistent://";

/// A topic's whole name: `orders` is `persistent://public/default/orders`.
pub fn whole_name(topic: &str) -> String {
    if topic.contains("://") {
        topic.to_owned()
    } else if topic.contains('/') {
        format!("{PERSISTENT}{topic}")
    } else {
        format!("{USUAL}{topic}")
    }
}

/// Whether brokers keep the messages of a topic, by its whole name: if not, these are known by nothing.
pub fn is_persistent(topic: &str) -> bool {
    !topic.starts_with(FORGOTTEN)
}

/// The topic of a partition.
pub(super) fn partition(topic: &str, number: u32) -> String {
    format!("{topic}-partition-{number}")
}

/// Checks the name of a topic.
///
/// # Errors
/// If it cannot be one.
pub fn check_topic(topic: &str) -> Result<(), String> {
    if topic.is_empty() {
        return Err("topic must not be empty".to_owned());
    }
    let whole = whole_name(topic);
    let path = whole
        .strip_prefix(PERSISTENT)
        .or_else(|| whole.strip_prefix(FORGOTTEN));
    // Names of the first version have a cluster between tenant and namespace; local names may have slashes.
    let is_path = path.is_some_and(|path| {
        path.split('/').count() >= 3 && path.split('/').all(|part| !part.is_empty())
    });
    let is_text = !topic.contains(|c: char| c.is_whitespace() || c.is_control());
    if is_path && is_text {
        return Ok(());
    }
    Err(format!(
        "{topic:?} cannot be a topic: TOPIC, TENANT/NAMESPACE/TOPIC or persistent://TENANT/NAMESPACE/TOPIC \
         is needed"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_name_is_in_the_usual_namespace() {
        for (topic, whole) in [
            ("orders", "persistent://public/default/orders"),
            ("shop/paris/orders", "persistent://shop/paris/orders"),
            ("persistent://a/b/c", "persistent://a/b/c"),
            ("non-persistent://a/b/c", "non-persistent://a/b/c"),
        ] {
            assert_eq!(whole_name(topic), whole);
            assert_eq!(check_topic(topic), Ok(()));
            assert_eq!(is_persistent(whole), !topic.starts_with("non"), "{topic}");
        }
        assert_eq!(
            partition("persistent://a/b/c", 7),
            "persistent://a/b/c-partition-7"
        );
    }

    #[test]
    fn what_cannot_be_a_topic_is_refused() {
        for topic in [
            "",
            "a b",
            "shop/orders",
            "shop//orders",
            "persistent://orders",
            "pulsar://a/b/c",
            "/a/b/c",
        ] {
            assert!(check_topic(topic).is_err(), "{topic}");
        }
    }
}
