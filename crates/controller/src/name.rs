//! Names of what is made for an object: the same ones at every time, and valid however long or
//! dotted the object's name is.

use sha2::{Digest, Sha256};

/// The longest value of a label.
const LONGEST_LABEL: usize = 63;

/// The longest name of a Deployment or StatefulSet: the names of its pods and their labels add to
/// it, and may have 63 characters.
const LONGEST_WORKLOAD: usize = 52;

/// The longest name of an object without pods, such as a Secret.
const LONGEST_NAME: usize = 253;

/// Characters of a hash in a name.
const HASH: usize = 8;

/// The name of a Deployment, StatefulSet or ConfigMap: `<object><suffix>`, for example
/// `ingress-es` and `-eventsource`.
///
/// Names that are too long are cut, and a hash of the whole name keeps them apart.
pub(crate) fn child(object: &str, suffix: &str) -> String {
    fitted(object, suffix, LONGEST_WORKLOAD)
}

/// The name of an object without pods: like [`child`], with up to 253 characters.
pub(crate) fn resource(object: &str, suffix: &str) -> String {
    fitted(object, suffix, LONGEST_NAME)
}

/// The name of a Service, or of anything else that is a label of DNS: like [`child`], with up to 63
/// characters, and without dots.
pub(crate) fn service(object: &str, suffix: &str) -> String {
    if object.contains('.') || !object.starts_with(|first: char| first.is_ascii_lowercase()) {
        let plain = object.replace('.', "-");
        let plain = if plain.starts_with(|first: char| first.is_ascii_lowercase()) {
            plain
        } else {
            format!("x{plain}")
        };
        return cut(&plain, object, suffix, LONGEST_LABEL);
    }
    fitted(object, suffix, LONGEST_LABEL)
}

/// The name of a volume: at most 63 characters, no dots. `kind` keeps volumes of Secrets and of
/// ConfigMaps with one name apart.
pub(crate) fn volume(kind: &str, object: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let whole = format!("{kind}-{object}");
    if whole.len() <= LONGEST_LABEL && object.chars().all(plain) && !object.ends_with('-') {
        return whole;
    }
    let safe: String = object
        .chars()
        .map(|c| if plain(c) { c } else { '-' })
        .collect();
    cut(&format!("{kind}-{safe}"), object, "", LONGEST_LABEL)
}

/// An object's name as the value of a label: names may have 253 characters, labels 63.
pub(crate) fn label_value(name: &str) -> String {
    fitted(name, "", LONGEST_LABEL)
}

/// A short text that differs for different `text`s.
pub(crate) fn hash(text: impl AsRef<[u8]>) -> String {
    let digest: [u8; 32] = Sha256::digest(text).into();
    let (half, _) = digest.split_at(16);
    let number = half
        .iter()
        .fold(0, |number, byte| number << 8 | u128::from(*byte));
    format!("{number:032x}")
}

fn fitted(object: &str, suffix: &str, longest: usize) -> String {
    if object.len() + suffix.len() <= longest {
        return format!("{object}{suffix}");
    }
    cut(object, object, suffix, longest)
}

/// `<begin of shown>-<hash of whole><suffix>`.
fn cut(shown: &str, whole: &str, suffix: &str, longest: usize) -> String {
    let room = longest.saturating_sub(suffix.len() + HASH + 1);
    let begin: String = shown.chars().take(room).collect();
    let begin = begin.trim_end_matches(['.', '-', '_']);
    let hash = &hash(whole)[..HASH];
    format!("{begin}-{hash}{suffix}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_names_stay_as_they_are() {
        assert_eq!(
            child("ingress-es", "-eventsource"),
            "ingress-es-eventsource"
        );
        assert_eq!(child("a.b", "-sensor"), "a.b-sensor");
        assert_eq!(
            service("hooks", "-eventsource-svc"),
            "hooks-eventsource-svc"
        );
        assert_eq!(volume("secret", "token"), "secret-token");
        assert_eq!(label_value("ingress-es"), "ingress-es");
    }

    #[test]
    fn long_names_are_cut_and_told_apart() {
        let (one, other) = ("a".repeat(62) + "1", "a".repeat(62) + "2");
        assert_eq!(
            child(&one, "-eventsource"),
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-1e2ca3b1-eventsource"
        );
        assert_ne!(child(&one, "-sensor"), child(&other, "-sensor"));
        assert_eq!(child(&one, "-sensor").len(), 52);
        let longest = "b".repeat(253);
        assert_eq!(label_value(&longest).len(), 63);
        assert_eq!(service(&longest, "-eventsource-svc").len(), 63);
        assert_eq!(volume("secret", &longest).len(), 63);
    }

    #[test]
    fn dots_and_cuts_leave_valid_names() {
        assert_eq!(
            service("my.hooks", "-eventsource-svc"),
            "my-hooks-e7f652a5-eventsource-svc"
        );
        assert_ne!(
            service("my.hooks", "-eventsource-svc"),
            service("my-hooks", "-eventsource-svc")
        );
        assert!(service("1st", "-eventsource-svc").starts_with("x1st-"));
        assert!(volume("secret", "my.token").starts_with("secret-my-token-"));
        let dotted = format!("{}.{}", "a".repeat(30), "b".repeat(40));
        assert_eq!(
            child(&dotted, "-eventsource"),
            "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-22c628d9-eventsource"
        );
    }
}
