//! How two JSON documents differ, field by field.

use tiphys_api::field_path::{index, join};
use tiphys_lang::json::Value;

/// Longest comparison of two lists; beyond it their items are paired by position.
///
/// A thousand items against a thousand take well under a second.
const MAX_CELLS: usize = 1_000_000;

/// Something that one document says in another way than the other, or alone.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Difference {
    pub(super) expected: Option<Field>,
    pub(super) actual: Option<Field>,
}

/// A value, and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    /// `spec.rules[0].host`; empty for the document.
    pub(super) path: String,
    pub(super) value: Value,
}

/// Two items that belong together, or one alone: by their indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pair {
    Both(usize, usize),
    Expected(usize),
    Actual(usize),
}

/// All differences, in the order of the expected document.
pub(super) fn differences(expected: &Value, actual: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(["", ""], expected, actual, &mut found);
    found
}

impl Field {
    /// The values inside that hold no others, each as JSON with its path.
    pub(super) fn leaves(&self) -> Vec<(String, String)> {
        let mut leaves = Vec::new();
        collect(&self.path, &self.value, &mut leaves);
        leaves
    }
}

fn collect(path: &str, value: &Value, leaves: &mut Vec<(String, String)>) {
    match value {
        Value::Object(members) if !members.is_empty() => {
            for (key, value) in members {
                collect(&join(path, key), value, leaves);
            }
        }
        Value::Array(items) if !items.is_empty() => {
            for (position, value) in items.iter().enumerate() {
                collect(&index(path, position), value, leaves);
            }
        }
        value => leaves.push((path.to_owned(), value.to_go_json())),
    }
}

fn compare(paths: [&str; 2], expected: &Value, actual: &Value, found: &mut Vec<Difference>) {
    let field = |side: usize, path: String, value: &Value| {
        let field = Some(Field {
            path,
            value: value.clone(),
        });
        let [expected, actual] = if side == 0 {
            [field, None]
        } else {
            [None, field]
        };
        Difference { expected, actual }
    };
    match (expected, actual) {
        (Value::Object(left), Value::Object(right)) => {
            for (key, value) in left {
                let path = join(paths[0], key);
                match right.get(key) {
                    Some(other) => compare([&path, &join(paths[1], key)], value, other, found),
                    None => found.push(field(0, path, value)),
                }
            }
            let added = right.iter().filter(|(key, _)| !left.contains_key(*key));
            found.extend(added.map(|(key, value)| field(1, join(paths[1], key), value)));
        }
        (Value::Array(left), Value::Array(right)) => {
            for pair in align(left, right, |left, right| left == right, |_, _| true) {
                match pair {
                    Pair::Both(i, j) => {
                        let paths = [&*index(paths[0], i), &*index(paths[1], j)];
                        compare(paths, &left[i], &right[j], found);
                    }
                    Pair::Expected(i) => found.push(field(0, index(paths[0], i), &left[i])),
                    Pair::Actual(j) => found.push(field(1, index(paths[1], j), &right[j])),
                }
            }
        }
        _ if expected == actual => {}
        _ => {
            let [expected, actual] =
                [(paths[0], expected), (paths[1], actual)].map(|(path, value)| {
                    Some(Field {
                        path: path.to_owned(),
                        value: value.clone(),
                    })
                });
            found.push(Difference { expected, actual });
        }
    }
}

/// Finds for each item the one of the other list that it belongs to, keeping the order of both.
///
/// Items that are the `same` belong together, as many as possible; of what is left between them
/// those that are `near`, by position.
pub(super) fn align<E, A>(
    expected: &[E],
    actual: &[A],
    same: impl Fn(&E, &A) -> bool,
    near: impl Fn(&E, &A) -> bool,
) -> Vec<Pair> {
    let mut pairs = Vec::new();
    let mut begin = (0, 0);
    let ends = (expected.len(), actual.len());
    for (i, j) in common(expected, actual, &same).into_iter().chain([ends]) {
        let mut gap = begin;
        while gap.0 < i && gap.1 < j && near(&expected[gap.0], &actual[gap.1]) {
            pairs.push(Pair::Both(gap.0, gap.1));
            gap = (gap.0 + 1, gap.1 + 1);
        }
        pairs.extend((gap.0..i).map(Pair::Expected));
        pairs.extend((gap.1..j).map(Pair::Actual));
        if (i, j) != ends {
            pairs.push(Pair::Both(i, j));
        }
        begin = (i + 1, j + 1);
    }
    pairs
}

/// The longest common subsequence, as pairs of indexes.
fn common<E, A>(
    expected: &[E],
    actual: &[A],
    same: impl Fn(&E, &A) -> bool,
) -> Vec<(usize, usize)> {
    let (rows, columns) = (expected.len(), actual.len());
    let width = columns + 1;
    if (rows + 1).saturating_mul(width) > MAX_CELLS {
        let pairs = expected.iter().zip(actual).enumerate();
        return pairs
            .filter(|(_, (left, right))| same(left, right))
            .map(|(i, _)| (i, i))
            .collect();
    }
    // lengths[i * width + j]: how long the subsequence of what follows i and j is.
    let mut lengths = vec![0_u32; (rows + 1) * width];
    for i in (0..rows).rev() {
        for j in (0..columns).rev() {
            lengths[i * width + j] = if same(&expected[i], &actual[j]) {
                lengths[(i + 1) * width + j + 1] + 1
            } else {
                lengths[(i + 1) * width + j].max(lengths[i * width + j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut pairs = Vec::new();
    while i < rows && j < columns {
        if same(&expected[i], &actual[j]) {
            pairs.push((i, j));
            (i, j) = (i + 1, j + 1);
        } else if lengths[(i + 1) * width + j] >= lengths[i * width + j + 1] {
            i += 1;
        } else {
            j += 1;
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;
    use tiphys_lang::json;

    /// The lines of the differences: `- path: value` and `+ path: value`.
    fn lines(expected: &str, actual: &str) -> Vec<String> {
        let [expected, actual] =
            [expected, actual].map(|text| json::from_slice(text.as_bytes()).unwrap());
        let lines = |sign, field: Option<Field>| {
            let leaves = field.map(|field| field.leaves()).unwrap_or_default();
            leaves
                .into_iter()
                .map(move |(path, value)| format!("{sign} {path}: {value}"))
        };
        let found = differences(&expected, &actual).into_iter();
        found
            .flat_map(|d| lines('-', d.expected).chain(lines('+', d.actual)))
            .collect()
    }

    #[test]
    fn equal_documents_do_not_differ_whatever_the_order_of_their_keys() {
        assert_eq!(
            lines(r#"{"a":1,"b":[{}]}"#, r#"{"b":[{}],"a":1}"#),
            Vec::<String>::new()
        );
    }

    #[test]
    fn a_changed_value_is_told_with_both_values_and_their_types() {
        assert_eq!(
            lines(r#"{"a":{"n":8080,"o":1}}"#, r#"{"a":{"n":"8080","o":1}}"#),
            ["- a.n: 8080", "+ a.n: \"8080\""]
        );
    }

    #[test]
    fn what_one_side_has_alone_is_told_leaf_by_leaf() {
        assert_eq!(
            lines(r#"{"a":{"x":{"y":[1,{}]}}}"#, r#"{"a":{"z.z/z":null}}"#),
            ["- a.x.y[0]: 1", "- a.x.y[1]: {}", "+ a[\"z.z/z\"]: null"]
        );
    }

    #[test]
    fn an_inserted_item_does_not_make_the_others_differ() {
        assert_eq!(lines("[1,2,3]", "[0,1,2,3]"), ["+ [0]: 0"]);
        assert_eq!(lines("[1,2,3]", "[1,3]"), ["- [1]: 2"]);
    }

    #[test]
    fn a_changed_item_is_compared_with_its_counterpart() {
        assert_eq!(
            lines(
                r#"[{"h":"a","p":1},{"h":"b"}]"#,
                r#"[{"h":"x"},{"h":"a","p":2},{"h":"b"}]"#
            ),
            [
                "- [0].h: \"a\"",
                "+ [0].h: \"x\"",
                "- [0].p: 1",
                "+ [1].h: \"a\"",
                "+ [1].p: 2"
            ]
        );
    }

    #[test]
    fn long_lists_are_compared_by_position() {
        let long: Vec<u32> = (0..2_000).collect();
        let shifted: Vec<u32> = (1..2_001).collect();
        let pairs = align(&long, &shifted, |a, b| a == b, |_, _| true);
        assert_eq!(pairs.len(), 2_000);
    }
}
