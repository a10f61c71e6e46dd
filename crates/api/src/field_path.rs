//! Paths of fields, as faults name them: `spec.dependencies[0].filters.data[1].path`.

use std::fmt::Write as _;

/// One step of a path.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// A member of an object.
    Key(String),
    /// An element of a list.
    Index(usize),
}

/// Appends a key to a path: `.key`, or `["key"]` if the key is not a plain word.
pub fn join(parent: &str, key: &str) -> String {
    let mut path = parent.to_owned();
    push_key(&mut path, key);
    path
}

/// Appends an index to a path: `[0]`.
pub fn index(parent: &str, index: usize) -> String {
    format!("{parent}[{index}]")
}

/// Writes steps as a path.
pub fn render(steps: &[Step]) -> String {
    let mut path = String::new();
    for step in steps {
        match step {
            Step::Key(key) => push_key(&mut path, key),
            Step::Index(index) => push_index(&mut path, *index),
        }
    }
    path
}

/// Reads a path into its steps. Both ways to write a key are read; what is left unclosed is taken
/// as it stands.
pub fn parse(path: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(quoted) = rest.strip_prefix("[\"") {
            let (key, after) = unquote(quoted);
            steps.push(Step::Key(key));
            rest = after;
        } else if let Some((number, after)) = rest
            .strip_prefix('[')
            .and_then(|inner| inner.split_once(']'))
        {
            steps.push(
                number
                    .parse()
                    .map_or_else(|_| Step::Key(number.to_owned()), Step::Index),
            );
            rest = after;
        } else {
            let word = rest.strip_prefix('.').unwrap_or(rest);
            let end = word.find(['.', '[']).unwrap_or(word.len());
            if end > 0 {
                steps.push(Step::Key(word[..end].to_owned()));
            } else if word.len() == rest.len() {
                // An opening bracket that nothing closes: the remainder is a key.
                steps.push(Step::Key(word.to_owned()));
                break;
            }
            rest = &word[end..];
        }
    }
    steps
}

/// Whether a path leads to `parent` or into it.
pub fn is_within(path: &str, parent: &str) -> bool {
    path.strip_prefix(parent)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Which element of `list` a path leads to or into.
pub fn element(path: &str, list: &str) -> Option<usize> {
    let rest = path.strip_prefix(list)?.strip_prefix('[')?;
    rest.split_once(']')?.0.parse().ok()
}

fn push_key(path: &mut String, key: &str) {
    let is_plain = !key.is_empty()
        && key
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '/' | '$'));
    if is_plain {
        if !path.is_empty() {
            path.push('.');
        }
        path.push_str(key);
    } else {
        path.push_str("[\"");
        for c in key.chars() {
            if matches!(c, '"' | '\\') {
                path.push('\\');
            }
            path.push(c);
        }
        path.push_str("\"]");
    }
}

fn push_index(path: &mut String, index: usize) {
    // Writing to a String cannot fail.
    write!(path, "[{index}]").unwrap_or_default();
}

/// Reads up to the closing `"]`.
fn unquote(text: &str) -> (String, &str) {
    let mut key = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => key.extend(chars.next().map(|(_, escaped)| escaped)),
            '"' => {
                let after = &text[at + 1..];
                return (key, after.strip_prefix(']').unwrap_or(after));
            }
            _ => key.push(c),
        }
    }
    (key, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_as_they_are_written() {
        let steps = [
            Step::Key("spec".into()),
            Step::Key("resource".into()),
            Step::Key("a.b\"]\\".into()),
            Step::Key("fields".into()),
            Step::Index(3),
            Step::Key("value".into()),
        ];
        let path = r#"spec.resource["a.b\"]\\"].fields[3].value"#;
        assert_eq!(render(&steps), path);
        assert_eq!(parse(path), steps);
    }

    #[test]
    fn a_path_is_within_what_it_begins_with() {
        assert!(is_within("spec.a[0].b", "spec.a[0]"));
        assert!(is_within("spec.a", "spec.a"));
        assert!(is_within("spec.a[\"x.y\"]", "spec.a"));
        assert!(!is_within("spec.ab", "spec.a"));
        assert!(!is_within("spec", "spec.a"));
        assert_eq!(element("spec.a[12].b[3]", "spec.a"), Some(12));
        assert_eq!(element("spec.a[12]", "spec.a"), Some(12));
        assert_eq!(element("spec.ab[1]", "spec.a"), None);
        assert_eq!(element("spec.a.b", "spec.a"), None);
    }

    #[test]
    fn broken_paths_end() {
        for path in ["", ".", "..", "[", "[\"", "a[", "a[x]", "[]", "a..b", "]"] {
            parse(path);
        }
        assert_eq!(
            parse("a[x]"),
            [Step::Key("a".into()), Step::Key("x".into())]
        );
    }
}
