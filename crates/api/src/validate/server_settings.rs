//! Lines of a NATS server's configuration that stay in the block where they are put.
//!
//! They stand in the middle of a file that also says who may log in, and NATS' language has corners:
//! behind a colon `#` begins no comment, `}` may be a part of the key before it, `5//x` is one value and
//! `1.5//x` is one with a comment. What is taken is therefore the plain part of that language, in which
//! everybody sees the same keys, values, comments and blocks.

use crate::message::shortened;
use crate::problem::Problem;

/// What of a line is shown, in characters.
const SHOWN: usize = 40;

/// What is wrong with the lines at `field_path`: the first thing, since what follows it may not be
/// what it seems.
pub(super) fn problem(field_path: &str, text: &str) -> Option<Problem> {
    let mut reader = Reader {
        rest: text,
        line: 1,
        depth: 0,
    };
    let Fault { what, hint } = reader.settings().err()?;
    let message = format!("line {}: {what}", reader.line);
    Some(Problem::error(field_path, message).with_hint(hint))
}

/// What is not taken, and what to do.
struct Fault {
    what: String,
    hint: &'static str,
}

const STAY: &str = "only settings of NATS' jetstream block, such as `max_file_store: 10GB`";

const PLAIN: &str = "a setting a line, such as `max_file_store: 10GB`; quote what has other characters \
                     than letters, digits and . _ - : / + % @ *";

fn fault<T>(what: String, hint: &'static str) -> Result<T, Fault> {
    Err(Fault { what, hint })
}

struct Reader<'t> {
    rest: &'t str,
    line: usize,
    /// How many blocks are open.
    depth: usize,
}

impl<'t> Reader<'t> {
    fn settings(&mut self) -> Result<(), Fault> {
        loop {
            self.skip()?;
            match self.peek() {
                None if self.depth == 0 => return Ok(()),
                None => return fault("a block is not closed".to_owned(), "add a `}`"),
                Some('}') if self.depth == 0 => {
                    let what = format!("{} ends the block that these lines are in", self.seen());
                    return fault(what, STAY);
                }
                Some('}') => {
                    self.depth -= 1;
                    self.bump();
                    self.end()?;
                }
                Some(_) => self.setting()?,
            }
        }
    }

    /// A key, and a value or the beginning of a block.
    fn setting(&mut self) -> Result<(), Fault> {
        let from_here = self.seen();
        let is_quoted = matches!(self.peek(), Some('"' | '\''));
        let key = if is_quoted {
            self.quoted()?
        } else {
            self.while_in(|c| c.is_ascii_alphanumeric() || "_-.".contains(c))
        };
        if key.is_empty() {
            return fault(format!("{from_here} is no setting"), PLAIN);
        }
        if key.eq_ignore_ascii_case("include") {
            let what = format!("{from_here} includes another file");
            return fault(what, "write its settings here");
        }
        let gap = self.while_in(is_blank);
        let has_separator = matches!(self.peek(), Some(':' | '='));
        if has_separator {
            self.bump();
            self.while_in(is_blank);
        }
        if gap.is_empty() && !has_separator && !is_quoted {
            return fault(format!("{from_here} is no setting"), PLAIN);
        }
        match self.peek() {
            Some('{') => {
                self.depth += 1;
                self.bump();
                Ok(())
            }
            Some('"' | '\'') => {
                self.quoted()?;
                self.end()
            }
            Some('$') => {
                let what = format!("{from_here} takes its value from outside");
                fault(what, "write the value itself")
            }
            _ => {
                self.plain(&from_here)?;
                self.end()
            }
        }
    }

    /// A value without quotes.
    fn plain(&mut self, from_here: &str) -> Result<(), Fault> {
        let value = self.while_in(|c| c.is_ascii_alphanumeric() || "._-:/+%@*".contains(c));
        // Behind a number a slash ends the setting, or two begin a comment, or neither: what follows would be
        // a key, and the last key of all becomes that of the block.
        let is_number = value.starts_with(|c: char| c.is_ascii_digit() || c == '-');
        let slashes = if is_number { "/" } else { "//" };
        let is_plain = !value.is_empty() && !value.contains(slashes);
        let ends = self
            .peek()
            .is_none_or(|c| is_blank(c) || "\r\n;,}".contains(c));
        if is_plain && ends {
            return Ok(());
        }
        fault(format!("{from_here} has no plain value"), PLAIN)
    }

    /// A text in quotes, on one line.
    fn quoted(&mut self) -> Result<&'t str, Fault> {
        let from_here = self.seen();
        let quote = self.bump();
        let text = self.while_in(|c| Some(c) != quote && !"\\\r\n".contains(c));
        if self.peek() != quote {
            let what = format!("{from_here} is no plain text in quotes");
            return fault(what, "one that ends on its line and has no backslash");
        }
        self.bump();
        Ok(text)
    }

    /// What ends a setting: the line, a sign, or the block.
    fn end(&mut self) -> Result<(), Fault> {
        self.while_in(is_blank);
        match self.peek() {
            Some(';' | ',') => {
                self.bump();
                Ok(())
            }
            None | Some('\r' | '\n' | '}' | '#') => Ok(()),
            Some('/') if self.rest.starts_with("//") => Ok(()),
            Some(_) => fault(format!("{} follows a setting", self.seen()), PLAIN),
        }
    }

    /// Blanks, ends of lines and comments.
    fn skip(&mut self) -> Result<(), Fault> {
        loop {
            self.while_in(|c| is_blank(c) || "\r\n".contains(c));
            let is_comment = self.rest.starts_with('#') || self.rest.starts_with("//");
            if !is_comment {
                return match self.peek() {
                    // Of other signs NATS may see the end of the text, or of a line.
                    Some(c) if c.is_control() => fault(format!("{c:?} is no text"), PLAIN),
                    _ => Ok(()),
                };
            }
            self.while_in(|c| !"\r\n".contains(c));
        }
    }

    /// What is next, for people.
    fn seen(&self) -> String {
        let line = self.rest.lines().next().unwrap_or_default();
        format!("{:?}", shortened(line, SHOWN))
    }

    fn peek(&self) -> Option<char> {
        self.rest.chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let mut rest = self.rest.chars();
        let next = rest.next();
        self.rest = rest.as_str();
        next
    }

    /// Goes on to the first character that is not one of these; never past one that NATS may take for an end.
    fn while_in(&mut self, is_one: impl Fn(char) -> bool) -> &'t str {
        let is_one = |c: char| is_one(c) && (!c.is_control() || "\t\r\n".contains(c));
        let end = self.rest.find(|c| !is_one(c)).unwrap_or(self.rest.len());
        let (found, rest) = self.rest.split_at(end);
        self.line += found.matches('\n').count();
        self.rest = rest;
        found
    }
}

fn is_blank(c: char) -> bool {
    c == ' ' || c == '\t'
}

#[cfg(test)]
mod tests {
    use super::problem;

    #[test]
    fn settings_of_the_block_are_taken() {
        for text in [
            "",
            "max_memory_store: -1\nmax_file_store: 1TB\n",
            "max_mem = 1GB; max_file=5GB , sync_interval always",
            "# }\n// {\nmax_file: 5GB # the end }\r\ndomain: \"a } # b\" // {\n",
            "limits {\n  max_ha_assets: 5\n  duplicate_window: \"2m\"}\nunique_tag: 'az:'",
            "limits: { max_ack_pending: 1000 } # }\nenabled: true",
            "store_dir: /data/jetstream/store",
            "\"max_file\": 1.5",
        ] {
            assert_eq!(problem("f", text), None, "{text:?}");
        }
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let found = problem("spec.jetstream.settings", text).map(|problem| problem.message);
        assert_eq!(found.as_deref(), Some(expected), "{text:?}");
    }

    /// A bus whose logins and monitor port were another one's.
    #[test]
    fn nothing_ends_the_block() {
        let evil = "max_file_store: 1GB\n}\nauthorization { user: evil, password: evil }\n\
                    http: \"0.0.0.0:9999\"\nx {\n";
        let ends = |line: usize, seen: &str| {
            format!("line {line}: {seen:?} ends the block that these lines are in")
        };
        check(evil, &ends(2, "}"));
        check("max_file: 1GB } http: 9999", &ends(1, "} http: 9999"));
        check("max_file: 1GB}", &ends(1, "}"));
        check("a { b: 1 }}", &ends(1, "}"));
        check("a {} }", &ends(1, "}"));
        check("# a comment ends here\r}", &ends(1, "}"));
        check("a: \"}\" }", &ends(1, "}"));
        check("a: '\"' }\nb: '\"'", &ends(1, "}"));
    }

    #[test]
    fn a_block_is_not_left_open_for_what_follows() {
        check("a {", "line 1: a block is not closed");
        check("a {\n b {\n }\n# }\n", "line 5: a block is not closed");
    }

    /// Where NATS sees another key, value or comment than a reader does.
    #[test]
    fn what_can_be_read_in_two_ways_is_not_taken() {
        for (text, message) in [
            ("a: # }", "line 1: \"a: # }\" has no plain value"),
            ("a: 1#}", "line 1: \"a: 1#}\" has no plain value"),
            ("a: 1.5//}", "line 1: \"a: 1.5//}\" has no plain value"),
            (
                "a: 1.5/authorization",
                "line 1: \"a: 1.5/authorization\" has no plain value",
            ),
            ("a: -1/b", "line 1: \"a: -1/b\" has no plain value"),
            ("a: b//c", "line 1: \"a: b//c\" has no plain value"),
            ("a{b: 1}", "line 1: \"a{b: 1}\" is no setting"),
            ("a} : 1", "line 1: \"a} : 1\" is no setting"),
            ("a:\nb: 1", "line 1: \"a:\" has no plain value"),
            ("a: }", "line 1: \"a: }\" has no plain value"),
            ("a: [1]", "line 1: \"a: [1]\" has no plain value"),
            ("a: (\n}\n)", "line 1: \"a: (\" has no plain value"),
            ("a: b\\n}", "line 1: \"a: b\\\\n}\" has no plain value"),
            ("a: b'}", "line 1: \"a: b'}\" has no plain value"),
            ("a: 1 2", "line 1: \"2\" follows a setting"),
            ("a: \"b\"c", "line 1: \"c\" follows a setting"),
            (
                "a: \"\\\"}\"",
                "line 1: \"\\\"\\\\\\\"}\\\"\" is no plain text in quotes",
            ),
            ("a: \"\n}\"", "line 1: \"\\\"\" is no plain text in quotes"),
            ("a: 1\u{0}}", "line 1: \"a: 1\\0}\" has no plain value"),
            ("# a\u{0}\n}", "line 1: '\\0' is no text"),
            ("\u{85}a: 1", "line 1: '\\u{85}' is no text"),
            ("\u{a0}a: 1", "line 1: \"\\u{a0}a: 1\" is no setting"),
            ("/a: 1", "line 1: \"/a: 1\" is no setting"),
        ] {
            check(text, message);
        }
    }

    #[test]
    fn nothing_comes_from_outside() {
        for (text, message) in [
            (
                "include ./other.conf",
                "line 1: \"include ./other.conf\" includes another file",
            ),
            (
                "a: 1;Include '/etc/nats-config/auth.conf'",
                "line 1: \"Include '/etc/nats-config/auth.conf'\" includes another file",
            ),
            (
                "domain: $JS_KEY",
                "line 1: \"domain: $JS_KEY\" takes its value from outside",
            ),
        ] {
            check(text, message);
        }
    }

    #[test]
    fn a_fault_names_its_field_and_a_way_out() {
        let long = format!("include {}", "x".repeat(1_000));
        let problem = problem("spec.jetstream.settings", &long).unwrap();
        assert_eq!(problem.field_path, "spec.jetstream.settings");
        assert_eq!(problem.hint.as_deref(), Some("write its settings here"));
        assert!(problem.message.len() < 100, "{}", problem.message);
    }
}
