//! The built pages, as they are.

use bytes::Bytes;
use tiphys_http::header::{self, HeaderValue};
use tiphys_http::{Body, Response};

/// Names and contents, compressed.
const PAGES: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/pages.rs"));

/// The style of the picture, which stands in no page.
const FLOW_STYLE: &str = "/assets/flow.css";

/// The answer for a path that is none of the API's: a file, or the page, which knows its own addresses.
/// `None`: a file that is not there.
pub(crate) fn find(path: &str) -> Option<Response> {
    if path == FLOW_STYLE {
        let style = Bytes::from_static(tiphys_graph::STYLE.as_bytes());
        return Some(answer(path, style, false));
    }
    let wanted = match path.strip_prefix('/')? {
        file if file.starts_with("assets/") => file,
        _ => "index.html",
    };
    let (name, content) = PAGES.iter().find(|(name, _)| *name == wanted)?;
    Some(answer(name, Bytes::from_static(content), true))
}

fn answer(name: &str, content: Bytes, is_packed: bool) -> Response {
    let mut response = Response::new(Body::from(content));
    let headers = response.headers_mut();
    let kind = match name.rsplit_once('.').map(|(_, end)| end) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        _ => "application/octet-stream",
    };
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if is_packed {
        headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    }
    // Their names change with their contents.
    if is_packed && name.starts_with("assets/") {
        let kept = HeaderValue::from_static("public, max-age=31536000, immutable");
        headers.insert(header::CACHE_CONTROL, kept);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_address_of_a_page_is_the_page() {
        for path in ["/", "/flow", "/events/12", "/sensors/playground/ingress-sn"] {
            let page = find(path).unwrap();
            assert_eq!(page.headers()["content-type"], "text/html; charset=utf-8");
            assert!(!page.headers().contains_key("cache-control"), "{path}");
        }
        assert!(find("/assets/missing.js").is_none());
        assert_eq!(
            find("/assets/flow.css").unwrap().headers()["content-type"],
            "text/css; charset=utf-8"
        );
    }

    /// The whole of it, without an editor, is at most 60 KB on its way.
    #[test]
    fn the_pages_are_small() {
        let sizes = PAGES.iter().map(|(_, content)| content.len());
        let all: usize = sizes.sum();
        assert!((1..60_000).contains(&all), "{all}");
    }
}
