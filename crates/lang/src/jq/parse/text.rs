//! Texts, their escapes, and the queries inside them.

use jaq_core::ops::Math;

use super::lex::Token;
use super::{Parsed, Parser};
use crate::jq::desugar::Node;
use crate::json;

impl<'s> Parser<'s> {
    /// `@format`, or `@format "text"`, whose queries are formatted.
    pub(super) fn format(&mut self, format: &'s str) -> Parsed<Node<'s>> {
        if self.peek() != Token::Quote {
            return Ok(formatter(format));
        }
        self.take();
        self.text(Some(format))
    }

    /// The rest of a text whose opening quote has been taken.
    pub(super) fn text(&mut self, format: Option<&'s str>) -> Parsed<Node<'s>> {
        self.nested(|parser| {
            let mut whole: Option<Node<'s>> = None;
            let mut literal = String::new();
            let mut add = |part: Node<'s>| {
                whole = Some(match whole.take() {
                    Some(left) => left.math(Math::Add, part),
                    None => part,
                });
            };
            loop {
                let rest = &parser.source[parser.at..];
                let Some(stop) = rest.find(['"', '\\']) else {
                    parser.start = parser.source.len();
                    return parser.fail("unexpected end of the program in a text");
                };
                literal.push_str(&rest[..stop]);
                parser.at += stop + 1;
                if rest.as_bytes()[stop] == b'"' {
                    break;
                }
                if parser.source[parser.at..].starts_with('(') {
                    parser.at += 1;
                    let query = parser.query()?;
                    parser.expect(")")?;
                    if !literal.is_empty() {
                        add(Node::text(parser.keep(std::mem::take(&mut literal))));
                    }
                    add(query.pipe(format.map_or_else(|| formatter("@text"), formatter)));
                } else {
                    literal.push(parser.escape()?);
                }
            }
            if !literal.is_empty() || whole.is_none() {
                let last = Node::text(parser.keep(literal));
                whole = Some(match whole {
                    Some(left) => left.math(Math::Add, last),
                    None => last,
                });
            }
            Ok(whole.unwrap_or_else(|| Node::text("")))
        })
    }

    fn escape(&mut self) -> Parsed<char> {
        let escape = self.source[self.at..].chars().next();
        self.start = self.at - 1;
        self.at += escape.map_or(0, char::len_utf8);
        Ok(match escape {
            Some(char @ ('"' | '/' | '\\')) => char,
            Some('b') => '\u{8}',
            Some('f') => '\u{c}',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('u') => {
                let Some((char, end)) = json::unicode_escape(self.source.as_bytes(), self.at)
                else {
                    return self.fail("invalid escape sequence in a text");
                };
                self.at = end;
                char
            }
            _ => return self.fail("invalid escape sequence in a text"),
        })
    }
}

fn formatter(format: &str) -> Node<'_> {
    let name = match format {
        "@text" => "!text",
        "@json" => "!json",
        "@html" => "!html",
        "@uri" => "!uri",
        "@urid" => "!urid",
        "@csv" => "!csv",
        "@tsv" => "!tsv",
        "@sh" => "!sh",
        "@base64" => "!base64",
        "@base64d" => "!base64d",
        unknown => return Node::call("!format", vec![Node::text(&unknown[1..])], true),
    };
    Node::call(name, Vec::new(), true)
}
