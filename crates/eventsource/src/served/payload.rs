//! The payload of a request, in the shapes that Argo Events gives it.

use std::collections::BTreeMap;

use bytes::Bytes;
use http::header::{
    AUTHORIZATION, HOST, HeaderMap, HeaderName, HeaderValue, TRAILER, TRANSFER_ENCODING,
};
use tiphys_lang::json::write_string;

/// What stands for the credentials of whoever calls: they end here, as in Argo Events.
pub(crate) const MASKED: &str = "*** Masked Auth Secret ***";

/// How many bytes a header takes beside its name and value.
const AROUND_HEADER: usize = 8;

/// How many bytes the members take beside their values.
const AROUND_MEMBERS: usize = 48;

/// Writes headers, under the name that the kind has for them, body and metadata of a request. The
/// latter two are JSON already and stay as they are; empty `metadata` is left out.
pub(crate) fn payload(name: &str, headers: &HeaderMap, body: &[u8], metadata: &str) -> Bytes {
    let size = |(name, value): (&HeaderName, &HeaderValue)| {
        name.as_str().len() + value.len() + AROUND_HEADER
    };
    let header_size: usize = headers.iter().map(size).sum();
    let size = header_size + body.len() + metadata.len() + AROUND_MEMBERS;
    let mut out = String::with_capacity(size);
    out.push_str(r#"{""#);
    out.push_str(name);
    out.push_str(r#"":"#);
    write_headers(headers, &mut out);
    out.push_str(r#","body":"#);
    let mut out = out.into_bytes();
    out.extend_from_slice(body);
    close(&mut out, metadata);
    out.into()
}

/// Writes one member and metadata. Both are JSON already; empty `metadata` is left out.
pub(crate) fn member(name: &str, value: &[u8], metadata: &str) -> Bytes {
    let mut out = Vec::with_capacity(value.len() + metadata.len() + AROUND_MEMBERS);
    out.extend_from_slice(br#"{""#);
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(br#"":"#);
    out.extend_from_slice(value);
    close(&mut out, metadata);
    out.into()
}

/// `metadata` of a spec as JSON; empty if there is none.
pub(crate) fn metadata(entries: &BTreeMap<String, String>) -> String {
    if entries.is_empty() {
        return String::new();
    }
    // Texts under texts can be written as JSON.
    serde_json::to_string(entries).unwrap_or_default()
}

fn close(out: &mut Vec<u8>, metadata: &str) {
    if !metadata.is_empty() {
        out.extend_from_slice(br#","metadata":"#);
        out.extend_from_slice(metadata.as_bytes());
    }
    out.push(b'}');
}

/// Lists of values under names as Go writes them, in the order of the names.
fn write_headers(headers: &HeaderMap, out: &mut String) {
    let mut names: Vec<(String, &HeaderName)> = headers
        .keys()
        // Go's server does not have them among the headers.
        .filter(|name| ![HOST, TRANSFER_ENCODING, TRAILER].contains(name))
        .map(|name| (canonical(name.as_str()), name))
        .collect();
    names.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    let mut before = '{';
    for (canonical, name) in names {
        out.push(before);
        before = ',';
        write_string(&canonical, out);
        out.push(':');
        let mut open = '[';
        for value in headers.get_all(name) {
            out.push(open);
            if *name == AUTHORIZATION && !value.is_empty() {
                write_string(MASKED, out);
                break;
            }
            open = ',';
            write_string(&String::from_utf8_lossy(value.as_bytes()), out);
        }
        out.push(']');
    }
    if before == '{' {
        out.push('{');
    }
    out.push('}');
}

/// A header's name as Go writes it: `X-Github-Event`.
fn canonical(name: &str) -> String {
    let mut is_first = true;
    let upper = |letter: char| {
        let written = if is_first {
            letter.to_ascii_uppercase()
        } else {
            letter
        };
        is_first = letter == '-';
        written
    };
    name.chars().map(upper).collect()
}
