//! Writes what happens into a file of tests as what is expected; everything else in it stays as it is.

use crate::Error;

const KEY: &str = "expect:";

/// The text of a file of tests, with other expectations for those tests that have one here, in their order:
/// `nothing`, or YAML.
///
/// # Errors
/// If it cannot be said which lines are the expectation of which test.
pub fn update(name: &str, text: &str, expectations: &[Option<String>]) -> Result<String, Error> {
    let lines: Vec<&str> = text.lines().collect();
    let found = lines.iter().enumerate();
    let found: Vec<(usize, usize)> = found
        .filter_map(|(line, text)| Some((line, column(text)?)))
        .collect();
    if found.len() != expectations.len() {
        let problem = format!(
            "{name}: {} lines begin with `{KEY}`, and there are {} tests: what is expected cannot be written into it",
            found.len(),
            expectations.len()
        );
        return Err(Error::Given(problem));
    }
    let mut out = String::new();
    let mut next = 0;
    for ((line, column), expectation) in found.into_iter().zip(expectations) {
        let Some(expectation) = expectation else {
            continue;
        };
        out.extend(lines[next..line].iter().flat_map(|line| [line, "\n"]));
        out.push_str(&written(&lines[line][..column], expectation));
        next = line + 1;
        while lines.get(next).is_some_and(|line| is_within(line, column)) {
            next += 1;
        }
        // Empty lines stand between tests.
        while next > line + 1 && lines[next - 1].trim().is_empty() {
            next -= 1;
        }
    }
    out.extend(lines[next..].iter().flat_map(|line| [line, "\n"]));
    Ok(out)
}

/// Where the key begins on a line, in bytes.
fn column(line: &str) -> Option<usize> {
    let rest = line.trim_start();
    let rest = rest.strip_prefix("- ").map_or(rest, str::trim_start);
    let rest = rest.strip_prefix(KEY)?;
    Some(line.len() - rest.len() - KEY.len())
}

/// Whether a line belongs to a value whose key begins at a column.
fn is_within(line: &str, column: usize) -> bool {
    let indent = line.len() - line.trim_start().len();
    line.trim().is_empty() || indent > column
}

/// The key behind what is before it on its line, and the value.
fn written(before: &str, expectation: &str) -> String {
    if !expectation.contains('\n') {
        return format!("{before}{KEY} {expectation}\n");
    }
    let indent = " ".repeat(before.len() + 2);
    let lines = expectation.lines();
    let lines = lines.map(|line| match line {
        "" => "\n".to_owned(),
        line => format!("{indent}{line}\n"),
    });
    format!("{before}{KEY}\n") + &lines.collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
# The berths.
tests:
  - name: one # stays
    given:
      event: {a: b}
    expect:
      actions:
        - {kind: A}

  - name: two
    expect: nothing
    given: {}
  - expect: {reason: x,
      actions: []}
    name: three
";

    #[test]
    fn only_what_is_expected_is_written_anew() {
        let all = [
            Some("nothing".to_owned()),
            Some("actions:\n- kind: B\n".to_owned()),
            Some("reason: why\nactions: []\n".to_owned()),
        ];
        assert_eq!(
            update("f", FILE, &all).unwrap(),
            "\
# The berths.
tests:
  - name: one # stays
    given:
      event: {a: b}
    expect: nothing

  - name: two
    expect:
      actions:
      - kind: B
    given: {}
  - expect:
      reason: why
      actions: []
    name: three
"
        );
        assert_eq!(update("f", FILE, &[None, None, None]).unwrap(), FILE);
    }

    #[test]
    fn what_is_not_clear_is_left_alone() {
        let error = update("f.yaml", FILE, &[None]).unwrap_err();
        assert_eq!(
            error.to_string(),
            "f.yaml: 3 lines begin with `expect:`, and there are 1 tests: what is expected cannot be written into it"
        );
    }
}
