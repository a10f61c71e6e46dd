//! URLs, cut and put together as Go's `net/url` does.

use percent_encoding::percent_encode_byte;

use super::super::format::append;
use super::super::function::Param::{Dict, Text};
use super::super::function::{Args, Function, fixed};
use super::super::limit::Outcome;
use super::super::value::{Members, Value};
use super::dict::any_map;

pub(super) const FUNCTIONS: &[Function] = &[
    fixed("urlParse", &[Text], url_parse),
    fixed("urlJoin", &[Dict], url_join),
];

/// The parts of a URL, unescaped where Go keeps them so.
#[derive(Debug, Default)]
struct Url {
    scheme: String,
    opaque: String,
    user: Option<User>,
    host: Vec<u8>,
    path: Vec<u8>,
    query: String,
    fragment: Vec<u8>,
}

#[derive(Debug)]
struct User {
    name: Vec<u8>,
    password: Option<Vec<u8>>,
}

/// Where in a URL a text stands; it decides what has to be escaped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    User,
    Host,
    Path,
    Fragment,
}

fn url_parse(args: &Args<'_>) -> Outcome<Value> {
    let url = parse(&args.text(0)).map_err(|error| format!("unable to parse url: {error}"))?;
    let hostname = hostname(&url.host).to_vec();
    let userinfo = url.user.as_ref().map_or_else(String::new, User::to_text);
    let parts: [(&str, Vec<u8>); 8] = [
        ("scheme", url.scheme.into_bytes()),
        ("host", url.host),
        ("hostname", hostname),
        ("path", url.path),
        ("query", url.query.into_bytes()),
        ("opaque", url.opaque.into_bytes()),
        ("fragment", url.fragment),
        ("userinfo", userinfo.into_bytes()),
    ];
    let members = parts
        .into_iter()
        .map(|(key, part)| (key.as_bytes().into(), Value::text(part)));
    any_map(args, members.collect::<Members>())
}

fn url_join(args: &Args<'_>) -> Outcome<Value> {
    let map = args.dict(0);
    let part = |key: &str| match map.get(key.as_bytes()) {
        None => Ok(Vec::new()),
        Some(Value::Text(text)) => Ok(text.to_vec()),
        Some(other) => {
            let kind = other.kind();
            Err(format!(
                "unable to parse {key} key, must be of type string, but {kind} found"
            ))
        }
    };
    let text = |key: &str| part(key).map(|part| String::from_utf8_lossy(&part).into_owned());
    let userinfo = text("userinfo")?;
    let user = if userinfo.is_empty() {
        None
    } else {
        parse(&format!("proto://{userinfo}@host"))
            .map_err(|error| format!("unable to parse userinfo in dict: {error}"))?
            .user
    };
    let url = Url {
        scheme: text("scheme")?,
        opaque: text("opaque")?,
        user,
        host: part("host")?,
        path: part("path")?,
        query: text("query")?,
        fragment: part("fragment")?,
    };
    args.give(url.to_text())
}

fn parse(text: &str) -> Result<Url, String> {
    let (text, fragment) = text.split_once('#').unwrap_or((text, ""));
    if text.bytes().any(|byte| byte < b' ' || byte == 0x7f) {
        return Err("invalid control character in URL".into());
    }
    let mut url = Url {
        fragment: unescape(fragment, Place::Fragment)?,
        ..Url::default()
    };
    if text == "*" {
        url.path = b"*".to_vec();
        return Ok(url);
    }
    let (scheme, rest) = split_scheme(text)?;
    url.scheme = scheme.to_ascii_lowercase();
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    url.query = query.into();
    if !rest.starts_with('/') {
        if !url.scheme.is_empty() {
            url.opaque = rest.into();
            return Ok(url);
        }
        if rest
            .split('/')
            .next()
            .is_some_and(|segment| segment.contains(':'))
        {
            return Err("first path segment in URL cannot contain colon".into());
        }
    }
    let mut path = rest;
    if let Some(after) = rest.strip_prefix("//")
        && (!url.scheme.is_empty() || !rest.starts_with("///"))
    {
        let (authority, tail) = after.split_at(after.find('/').unwrap_or(after.len()));
        path = tail;
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(parse_user(user)?), host),
            None => (None, authority),
        };
        url.user = user;
        url.host = parse_host(host)?;
    }
    url.path = unescape(path, Place::Path)?;
    Ok(url)
}

fn split_scheme(text: &str) -> Result<(&str, &str), String> {
    for (index, byte) in text.bytes().enumerate() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' => {}
            b'0'..=b'9' | b'+' | b'-' | b'.' if index > 0 => {}
            b':' if index == 0 => return Err("missing protocol scheme".into()),
            b':' => return Ok((&text[..index], &text[index + 1..])),
            _ => break,
        }
    }
    Ok(("", text))
}

fn parse_user(text: &str) -> Result<User, String> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-._:~!$&'()*+,;=%@".contains(&byte);
    if !text.bytes().all(fits) {
        return Err("invalid userinfo".into());
    }
    let (name, password) = match text.split_once(':') {
        Some((name, password)) => (name, Some(unescape(password, Place::User)?)),
        None => (text, None),
    };
    Ok(User {
        name: unescape(name, Place::User)?,
        password,
    })
}

fn parse_host(text: &str) -> Result<Vec<u8>, String> {
    let port = match (text.rfind('['), text.find(':')) {
        (Some(0), _) => {
            let (address, port) = text[1..].rsplit_once(']').ok_or("missing ']' in host")?;
            let address = address.split("%25").next().unwrap_or(address);
            if address.parse::<std::net::Ipv6Addr>().is_err() {
                return Err(format!("invalid host: {address:?}"));
            }
            port
        }
        (Some(_), _) => return Err("invalid IP-literal".into()),
        (None, Some(colon)) => &text[colon..],
        (None, None) => "",
    };
    let is_port = port.is_empty()
        || port.starts_with(':') && port[1..].bytes().all(|byte| byte.is_ascii_digit());
    if !is_port {
        return Err(format!("invalid port {port:?} after host"));
    }
    unescape(text, Place::Host)
}

/// The host without its port and without the brackets of an IPv6 address.
fn hostname(host: &[u8]) -> &[u8] {
    let mut name = host;
    if let Some(colon) = host.iter().rposition(|byte| *byte == b':')
        && host[colon + 1..].iter().all(u8::is_ascii_digit)
    {
        name = &host[..colon];
    }
    match name {
        [b'[', inside @ .., b']'] => inside,
        name => name,
    }
}

fn unescape(text: &str, place: Place) -> Result<Vec<u8>, String> {
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at).copied() {
        if byte == b'%' {
            let digits = text
                .get(at + 1..at + 3)
                .filter(|digits| digits.bytes().all(|digit| digit.is_ascii_hexdigit()));
            let code = digits.and_then(|digits| u8::from_str_radix(digits, 16).ok());
            match code {
                // Hosts may have UTF-8 escaped, and the percent sign of an IPv6 zone.
                Some(code) if place != Place::Host || code >= 0x80 || code == b'%' => {
                    out.push(code);
                }
                _ => {
                    let shown: String = text[at..].chars().take(3).collect();
                    return Err(format!("invalid URL escape {shown:?}"));
                }
            }
            at += 3;
            continue;
        }
        if place == Place::Host && byte.is_ascii() && must_escape(byte, place) {
            return Err(format!(
                "invalid character {:?} in host name",
                char::from(byte)
            ));
        }
        out.push(byte);
        at += 1;
    }
    Ok(out)
}

fn must_escape(byte: u8, place: Place) -> bool {
    match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => false,
        b'!' | b'(' | b')' | b'*' => !matches!(place, Place::Host | Place::Fragment),
        b'\'' | b'[' | b']' | b'<' | b'>' | b'"' => place != Place::Host,
        b'$' | b'&' | b'+' | b',' | b'/' | b':' | b';' | b'=' | b'?' | b'@' => match place {
            Place::User => matches!(byte, b'@' | b'/' | b'?' | b':'),
            Place::Host => matches!(byte, b'/' | b'?' | b'@'),
            Place::Path => byte == b'?',
            Place::Fragment => false,
        },
        _ => true,
    }
}

fn escape(text: &[u8], place: Place) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text {
        if must_escape(*byte, place) {
            out.push_str(percent_encode_byte(*byte));
        } else {
            out.push(char::from(*byte));
        }
    }
    out
}

impl User {
    fn to_text(&self) -> String {
        let name = escape(&self.name, Place::User);
        match &self.password {
            Some(password) => format!("{name}:{}", escape(password, Place::User)),
            None => name,
        }
    }
}

impl Url {
    fn to_text(&self) -> String {
        let mut out = String::new();
        if !self.scheme.is_empty() {
            append(&mut out, format_args!("{}:", self.scheme));
        }
        if self.opaque.is_empty() {
            let has_host = !self.host.is_empty() || self.user.is_some();
            if has_host || !self.scheme.is_empty() && !self.path.is_empty() {
                out.push_str("//");
                if let Some(user) = &self.user {
                    append(&mut out, format_args!("{}@", user.to_text()));
                }
                out.push_str(&escape(&self.host, Place::Host));
            }
            let path = if self.path == b"*" {
                "*".into()
            } else {
                escape(&self.path, Place::Path)
            };
            if !path.is_empty() && !path.starts_with('/') && !self.host.is_empty() {
                out.push('/');
            }
            if out.is_empty()
                && path
                    .split('/')
                    .next()
                    .is_some_and(|part| part.contains(':'))
            {
                out.push_str("./");
            }
            out.push_str(&path);
        } else {
            out.push_str(&self.opaque);
        }
        if !self.query.is_empty() {
            append(&mut out, format_args!("?{}", self.query));
        }
        if !self.fragment.is_empty() {
            append(
                &mut out,
                format_args!("#{}", escape(&self.fragment, Place::Fragment)),
            );
        }
        out
    }
}
