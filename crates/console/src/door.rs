//! Who comes in: on a desk, who has the address that was printed; in a cluster, who has logged in.
//!
//! Other users of the machine reach 127.0.0.1 too, and so does every page that a browser shows. So the address
//! has a random token, which becomes a cookie, and a request has to name this host, which a page under another
//! name cannot make it do. In a cluster the name is whatever leads there, and the cookie that of a session. At both
//! doors, whoever wants something done has to come from a page of ours.

use std::net::SocketAddr;
use std::sync::Arc;

use subtle::ConstantTimeEq as _;
use tiphys_http::{Admission, Head, HeaderMap, Method, Response, StatusCode, header, text};

use crate::fail::Failure;
use crate::logins::{Logins, Session};
use crate::query::Query;
use crate::visitor::{Caller, Visitor};

/// What no page of ours needs: a script, a style or a frame from elsewhere, or inside of a page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The longest request: what somebody types, and what he logs in with.
const LONGEST: usize = 2 << 20;
const LONGEST_LOGIN: usize = 20 << 10;

/// Where one logs in.
pub(crate) const LOGIN: &str = "/api/login";

/// The door of a console.
#[derive(Clone)]
pub enum Door {
    /// Who has the address comes in, and may do what its owner may.
    Printed(Address, Arc<Caller>),
    /// Who has logged in comes in, and may do what his roles allow.
    Login(Arc<Logins>),
}

/// An address with a token, which nobody knows but who started the console.
#[derive(Debug, Clone)]
pub struct Address {
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
    /// How long the body of a request may be, or the answer for who does not come in, or not yet.
    pub(crate) fn admit(&self, head: &Head) -> Admission {
        let path = head.uri.path();
        let refusal = match self {
            Self::Printed(address, _) => address.refusal(head),
            Self::Login(logins) => match acts(head, host(head)) {
                Passage::Refused(status, why) => Some(text(status, why)),
                // Pages hold nothing: who opens one is asked there.
                _ if path == LOGIN => {
                    return Admission::Body {
                        limit: LONGEST_LOGIN,
                    };
                }
                _ if path.starts_with("/api/") && session(logins, head).is_none() => {
                    Some(Failure::outside().response())
                }
                _ => None,
            },
        };
        let acts = head.method == Method::POST;
        let limit = if acts { LONGEST } else { 0 };
        refusal.map_or(Admission::Body { limit }, Admission::Answered)
    }

    /// Whoever sent a request that was admitted.
    pub(crate) fn visitor(&self, head: &Head) -> Result<Visitor, Failure> {
        match self {
            Self::Printed(_, owner) => Ok(Visitor::Owner(Arc::clone(owner))),
            Self::Login(logins) => {
                let session = session(logins, head).ok_or_else(Failure::outside)?;
                Ok(Visitor::Guest(Arc::clone(logins), session))
            }
        }
    }
}

/// The session that a request belongs to.
pub(crate) fn session(logins: &Logins, head: &Head) -> Option<Arc<Session>> {
    let name = logins.cookie();
    let mut ids = cookies(&head.headers, &name);
    ids.find_map(|id| logins.session(id))
}

/// Lets a browser remember the session of an id.
pub(crate) fn remember(response: &mut Response, logins: &Logins, id: &str, head: &Head) {
    let cookie = cookie(&logins.cookie(), id, head);
    set(response, &header::SET_COOKIE, &cookie);
}

/// Lets a browser forget its session.
pub(crate) fn forget(response: &mut Response, logins: &Logins, head: &Head) {
    let cookie = cookie(&logins.cookie(), "", head) + "; Max-Age=0";
    set(response, &header::SET_COOKIE, &cookie);
}

/// A cookie for nobody but pages of ours, and nothing but encrypted requests if this one was.
fn cookie(name: &str, content: &str, head: &Head) -> String {
    // What leads here from an encrypted connection may say so; the page that asks surely does.
    let proto = header::HeaderName::from_static("x-forwarded-proto");
    let proto = value(&head.headers, &proto).is_some_and(|all| all.starts_with("https"));
    let origin = value(&head.headers, &header::ORIGIN);
    let is_encrypted = proto || origin.is_some_and(|origin| origin.starts_with("https://"));
    let secure = if is_encrypted { "; Secure" } else { "" };
    format!("{name}={content}; Path=/; HttpOnly; SameSite=Strict{secure}")
}

fn set(response: &mut Response, name: &header::HeaderName, value: &str) {
    if let Ok(value) = value.parse() {
        response.headers_mut().insert(name, value);
    }
}

/// Whether a request asks, or comes from a page of the host that it names and acts.
fn acts(head: &Head, host: Option<&str>) -> Passage {
    use Passage::{Open, Refused};
    if head.method == Method::GET {
        return Open;
    }
    let origin = value(&head.headers, &header::ORIGIN);
    let origin = origin.and_then(|origin| origin.split_once("://"));
    let is_ours =
        |(scheme, origin): (&str, &str)| matches!(scheme, "http" | "https") && Some(origin) == host;
    if !origin.is_some_and(is_ours) {
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

impl Address {
    /// What listens at an address. `token` is as good as it is hard to guess.
    pub fn new(token: String, address: SocketAddr) -> Self {
        Self { token, address }
    }

    /// What opens the door.
    pub fn url(&self) -> String {
        format!("http://{}/?token={}", self.address, self.token)
    }

    /// An answer for who does not come in, or not yet.
    fn refusal(&self, head: &Head) -> Option<Response> {
        match self.passage(head) {
            Passage::Open => None,
            Passage::Enter { to } => {
                let mut response = text(StatusCode::SEE_OTHER, "");
                set(&mut response, &header::LOCATION, &to);
                let cookie = cookie(&self.cookie(), &self.token, head);
                set(&mut response, &header::SET_COOKIE, &cookie);
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
        use Passage::{Enter, Refused};
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
        acts(head, host)
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

fn cookies<'h>(headers: &'h HeaderMap, name: &str) -> impl Iterator<Item = &'h str> {
    let all = headers.get_all(header::COOKIE).into_iter();
    let all = all.filter_map(|value| value.to_str().ok());
    let pairs = all.flat_map(|value| value.split(';'));
    pairs.filter_map(move |pair| pair.trim().strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door() -> Address {
        Address::new("secret".to_owned(), "127.0.0.1:7780".parse().unwrap())
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

    fn login() -> Door {
        let clients = Box::new(|_: &str| Err("nobody asks".to_owned()));
        let logins = Logins::new(clients, "dock".to_owned(), "default".to_owned());
        Door::Login(Arc::new(logins))
    }

    fn admitted(head: &Head) -> Result<usize, u16> {
        match login().admit(head) {
            Admission::Body { limit } => Ok(limit),
            Admission::Answered(response) => Err(response.status().as_u16()),
        }
    }

    /// Whatever name leads to it: a cookie counts for no other.
    #[test]
    fn pages_are_for_all_and_answers_for_who_has_logged_in() {
        let host = ("host", "console.example");
        let stranger = ("cookie", "tiphys-console-dock-default=guess");
        assert_eq!(admitted(&head("GET", "/events", &[host])), Ok(0));
        assert_eq!(admitted(&head("GET", "/api/session", &[host])), Err(401));
        let guess = head("GET", "/api/session", &[host, stranger]);
        assert_eq!(admitted(&guess), Err(401));
        // No token of an address opens this door.
        assert_eq!(
            admitted(&head("GET", "/api/events?token=x", &[host])),
            Err(401)
        );
    }

    #[test]
    fn one_logs_in_by_a_page_of_ours() {
        let json = ("content-type", "application/json");
        let post = |origin| {
            let headers = [("host", "console.example"), json, ("origin", origin)];
            admitted(&head("POST", "/api/login", &headers))
        };
        assert_eq!(post("https://console.example"), Ok(20_480));
        assert_eq!(post("http://console.example"), Ok(20_480));
        assert_eq!(post("https://evil.example"), Err(403));
        assert_eq!(post("null"), Err(403));
    }

    #[test]
    fn a_cookie_of_an_encrypted_connection_stays_on_such() {
        let plain = head("GET", "/", &[]);
        let encrypted = [
            head("GET", "/", &[("x-forwarded-proto", "https, http")]),
            head("POST", "/", &[("origin", "https://console.example")]),
        ];
        assert_eq!(
            cookie("a", "b", &plain),
            "a=b; Path=/; HttpOnly; SameSite=Strict"
        );
        for encrypted in encrypted {
            assert_eq!(
                cookie("a", "b", &encrypted),
                "a=b; Path=/; HttpOnly; SameSite=Strict; Secure"
            );
        }
    }
}
