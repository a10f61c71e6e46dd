//! Keys and values of labels, as the API server takes them.

/// Longest name of a label key, and longest value.
const MAX_NAME: usize = 63;

/// Longest prefix of a label key.
const MAX_PREFIX: usize = 253;

/// Why a text is no label key: `[prefix/]name`. The keys of annotations are the same.
pub fn key_fault(key: &str) -> Option<&'static str> {
    let (prefix, name) = match key.split_once('/') {
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, key),
    };
    if prefix.is_some_and(|prefix| prefix.len() > MAX_PREFIX || !is_subdomain(prefix)) {
        return Some("the part of a label key before the slash must be a DNS name");
    }
    if name.is_empty() || name.len() > MAX_NAME || !is_name(name) {
        return Some(
            "a label key is at most 63 letters, digits, '-', '_' and '.', and begins and ends with a \
             letter or digit",
        );
    }
    None
}

/// Why a text is no value of a label.
pub fn value_fault(value: &str) -> Option<&'static str> {
    let is_value = value.is_empty() || value.len() <= MAX_NAME && is_name(value);
    (!is_value).then_some(
        "is no label value: at most 63 letters, digits, '-', '_' and '.', which begin and end with a \
         letter or digit",
    )
}

fn is_name(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    is_edge(bytes.first())
        && is_edge(bytes.last())
        && bytes
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

fn is_subdomain(text: &str) -> bool {
    text.split('.').all(|part| {
        let bytes = part.as_bytes();
        let is_plain = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
        bytes.first().is_some_and(is_plain)
            && bytes.last().is_some_and(is_plain)
            && bytes.iter().all(|byte| is_plain(byte) || *byte == b'-')
    })
}
