//! Who comes in: on a desk, who has the address that was printed.
//!
//! Other users of the machine reach 127.0.0.1 too, and so does every page that a browser shows. So the address
//! has a random token, which becomes a cookie; a request has to name this host, which a page under another
//! name cannot make it do, and whoever wants something done has to come from a page of ours.

use std::net::SocketAddr;

use subtle::ConstantTimeEq as _;
use tiphys_http::{Head, HeaderMap, Method, Response, StatusCode, header, text};

use crate::query::Query;

/// What no page of ours needs: a script, a style or a frame from elsewhere, or inside of a page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The door of a console.
#[derive(Debug, Clone)]
pub struct Door {
    token: String,
    address: SocketAddr,
}

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
enum Passage {
    /// It is answered.
    Open,
    /// The token was right: from here on it is a cookie.
    Enter {
        /// The path, without the token.
        to: String,
    },
    /// It is not answered.
    Refused(StatusCode, &'static str),
}

impl Door {
    /// A door for what listens at an address. `token` is as good as it is hard to guess.
    pub fn new(token: String, address: SocketAddr) -> Self {
        Self { token, address }
    }

    /// The address that opens it.
    pub fn url(&self) -> String {
        format!("http://{}/?token={}", self.address, self.token)
    }

    /// An answer for who does not come in, or not yet.
    pub(crate) fn refusal(&self, head: &Head) -> Option<Response> {
        match self.passage(head) {
            Passage::Open => None,
            Passage::Enter { to } => {
                let mut response = text(StatusCode::SEE_OTHER, "");
                let headers = response.headers_mut();
                let cookie = format!(
                    "{}={}; Path=/; HttpOnly; SameSite=Strict",
                    self.cookie(),
                    self.token
                );
                for (name, value) in [(header::LOCATION, &to), (header::SET_COOKIE, &cookie)] {
                    if let Ok(value) = value.parse() {
                        headers.insert(name, value);
                    }
                }
                Some(response)
            }
            Passage::Refused(status, why) => Some(text(status, why)),
        }
    }

    /// Cookies are the same for all ports of a host.
    fn cookie(&self) -> String {
        format!("tiphys-console-{}", self.address.port())
    }

    fn passage(&self, head: &Head) -> Passage {
        use Passage::{Enter, Open, Refused};
        let host = host(head);
        if !host.is_some_and(|host| self.is_ours(host)) {
            let why =
                "this console is reached by the address that it printed, and by no other name\n";
            return Refused(StatusCode::MISDIRECTED_REQUEST, why);
        }
        let query = Query::of(&head.uri);
        if let (&Method::GET, Some(token)) = (&head.method, query.text("token")) {
            return if self.is_token(token) {
                Enter {
                    to: head.uri.path().to_owned(),
                }
            } else {
                Refused(StatusCode::UNAUTHORIZED, WHERE)
            };
        }
        if !cookies(&head.headers, &self.cookie()).any(|value| self.is_token(value)) {
            return Refused(StatusCode::UNAUTHORIZED, WHERE);
        }
        if head.method == Method::GET {
            return Open;
        }
        let origin = value(&head.headers, &header::ORIGIN).and_then(|o| o.strip_prefix("http://"));
        if origin.is_none() || origin != host {
            return Refused(StatusCode::FORBIDDEN, "only pages of this console act\n");
        }
        let kind = value(&head.headers, &header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.split(';').next());
        if kind.map(str::trim) != Some("application/json") {
            return Refused(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "send application/json\n",
            );
        }
        Open
    }

    fn is_ours(&self, host: &str) -> bool {
        host == self.address.to_string()
            || host.strip_prefix("localhost:") == Some(&*self.address.port().to_string())
    }

    fn is_token(&self, given: &str) -> bool {
        given.as_bytes().ct_eq(self.token.as_bytes()).into()
    }
}

const WHERE: &str =
    "whoever started this console has its address, with a token: it was printed then\n";

/// What every answer says beside itself.
pub(crate) fn with_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, header::HeaderValue::from_static(value));
    }
    let kept = header::HeaderValue::from_static("no-store");
    headers.entry(header::CACHE_CONTROL).or_insert(kept);
    response
}

fn host(head: &Head) -> Option<&str> {
    let named = head.uri.authority().map(AsRef::as_ref);
    named.or_else(|| value(&head.headers, &header::HOST))
}

fn value<'h>(headers: &'h HeaderMap, name: &header::HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn cookies<'h>(headers: &'h HeaderMap, name: &'h str) -> impl Iterator<Item = &'h str> {
    let all = headers.get_all(header::COOKIE).into_iter();
    let all = all.filter_map(|value| value.to_str().ok());
    let pairs = all.flat_map(|value| value.split(';'));
    pairs.filter_map(move |pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door() -> Door {
        Door::new("secret".to_owned(), "127.0.0.1:7780".parse().unwrap())
    }

    /// Requests of HTTP/1.1 name their host in a header.
    fn head(method: &str, uri: &str, headers: &[(&str, &str)]) -> Head {
        let request = http::Request::builder().method(method).uri(uri);
        let request = headers.iter().fold(request, |request, (name, value)| {
            request.header(*name, *value)
        });
        request.body(()).unwrap().into_parts().0
    }

    const HOST: (&str, &str) = ("host", "127.0.0.1:7780");
    const COOKIE: (&str, &str) = ("cookie", "a=b; tiphys-console-7780=secret");

    fn refused(head: &Head) -> u16 {
        match door().passage(head) {
            Passage::Refused(status, _) => status.as_u16(),
            passage => panic!("{passage:?}"),
        }
    }

    #[test]
    fn the_printed_address_becomes_a_cookie() {
        assert_eq!(door().url(), "http://127.0.0.1:7780/?token=secret");
        let passage = door().passage(&head("GET", "/events?token=secret", &[HOST]));
        let to = "/events".to_owned();
        assert_eq!(passage, Passage::Enter { to });
        assert_eq!(refused(&head("GET", "/?token=guess", &[HOST])), 401);
    }

    #[test]
    fn who_has_no_cookie_stays_outside() {
        assert_eq!(refused(&head("GET", "/api/session", &[HOST])), 401);
        let others = (
            "cookie",
            "tiphys-console-7781=secret; tiphys-console-7780=x",
        );
        assert_eq!(refused(&head("GET", "/", &[HOST, others])), 401);
        assert_eq!(
            door().passage(&head("GET", "/", &[HOST, COOKIE])),
            Passage::Open
        );
    }

    /// A name of somebody else that leads to 127.0.0.1 makes a page of his one of this host.
    #[test]
    fn another_name_of_this_host_is_none_of_ours() {
        for host in [
            "evil.example:7780",
            "127.0.0.1",
            "127.0.0.1:80",
            "localhost",
        ] {
            assert_eq!(
                refused(&head("GET", "/", &[("host", host), COOKIE])),
                421,
                "{host}"
            );
        }
        assert_eq!(refused(&head("GET", "/", &[COOKIE])), 421);
        let local = head("GET", "/", &[("host", "localhost:7780"), COOKIE]);
        assert_eq!(door().passage(&local), Passage::Open);
    }

    #[test]
    fn only_pages_of_ours_act() {
        let json = ("content-type", "application/json; charset=utf-8");
        let ours = ("origin", "http://127.0.0.1:7780");
        let post = |more: &[(&str, &str)]| {
            let mut all = vec![HOST, COOKIE];
            all.extend(more);
            head("POST", "/api/try", &all)
        };
        assert_eq!(door().passage(&post(&[json, ours])), Passage::Open);
        assert_eq!(refused(&post(&[json])), 403);
        assert_eq!(refused(&post(&[json, ("origin", "null")])), 403);
        assert_eq!(
            refused(&post(&[json, ("origin", "http://evil.example")])),
            403
        );
        assert_eq!(refused(&post(&[ours])), 415);
        assert_eq!(refused(&post(&[ours, ("content-type", "text/plain")])), 415);
    }
}
