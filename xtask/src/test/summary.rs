//! What the test runner printed, summed up over all test programs.

use std::collections::VecDeque;
use std::fmt;

/// How much of what a failed test printed is repeated, in lines: its last ones say why.
const REPEATED: usize = 12;

/// Counts over all test programs, and the tests that failed with the end of what they printed.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Summary {
    passed: u32,
    ignored: u32,
    failed: Vec<Failed>,
    /// The failed test whose output is being read.
    open: Option<usize>,
}

#[derive(Debug, Eq, PartialEq)]
struct Failed {
    name: String,
    printed: VecDeque<String>,
}

impl Summary {
    /// Takes note of one line of the test runner's output.
    pub(super) fn read(&mut self, line: &str) {
        let plain = without_colours(line);
        if let Some(name) = plain
            .strip_prefix("test ")
            .and_then(|rest| rest.strip_suffix(" ... FAILED"))
        {
            self.failed.push(Failed {
                name: name.to_owned(),
                printed: VecDeque::new(),
            });
        } else if let Some(name) = plain
            .strip_prefix("---- ")
            .and_then(|rest| rest.strip_suffix(" stdout ----"))
        {
            // Two programs may have a test of one name: the last one is meant.
            self.open = self.failed.iter().rposition(|failed| failed.name == name);
        } else if plain == "failures:" {
            self.open = None;
        } else if plain.starts_with("test result: ") {
            self.passed += count_before(&plain, " passed");
            self.ignored += count_before(&plain, " ignored");
        } else if let Some(failed) = self.open.and_then(|open| self.failed.get_mut(open))
            && !plain.is_empty()
        {
            if failed.printed.len() == REPEATED {
                failed.printed.pop_front();
            }
            failed.printed.push_back(plain);
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            passed,
            ignored,
            failed,
            open: _,
        } = self;
        write!(
            f,
            "{passed} passed, {} failed, {ignored} ignored",
            failed.len()
        )?;
        for Failed { name, printed } in failed {
            write!(f, "\n  failed: {name}")?;
            printed
                .iter()
                .try_for_each(|line| write!(f, "\n    {line}"))?;
        }
        Ok(())
    }
}

/// The number that stands before `word`.
fn count_before(line: &str, word: &str) -> u32 {
    let before = line.split_once(word).map_or("", |(before, _)| before);
    before
        .rsplit(' ')
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

/// The line without its escape sequences (`ESC [ … m`).
fn without_colours(line: &str) -> String {
    let mut pieces = line.split('\u{1b}');
    let first = pieces.next().unwrap_or_default().to_owned();
    first
        + &pieces
            .map(|piece| piece.split_once('m').map_or("", |(_, text)| text))
            .collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary_of(lines: &[&str]) -> String {
        let mut summary = Summary::default();
        for line in lines {
            summary.read(line);
        }
        summary.to_string()
    }

    #[test]
    fn counts_are_summed_over_test_programs() {
        let summary = summary_of(&[
            "test result: ok. 23 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out",
            "test result: ok. 2 passed; 0 failed; 0 ignored; 0 measured; 3 filtered out",
        ]);
        assert_eq!(summary, "25 passed, 0 failed, 1 ignored");
    }

    #[test]
    fn failed_tests_are_named_also_in_colour() {
        let summary = summary_of(&[
            "test path::reads ... ok",
            "test path::writes ... \u{1b}[31mFAILED\u{1b}[m",
            "test result: \u{1b}[31mFAILED\u{1b}[m. 1 passed; 1 failed; 0 ignored",
        ]);
        assert_eq!(
            summary,
            "1 passed, 1 failed, 0 ignored\n  failed: path::writes"
        );
    }

    /// A run of half an hour ended with a name alone: why it failed stood thousands of lines before.
    #[test]
    fn the_end_of_what_a_failed_test_printed_is_repeated() {
        let long: Vec<String> = (0..20).map(|line| format!("line {line}")).collect();
        let mut lines = vec![
            "test a ... FAILED",
            "test b ... ok",
            "failures:",
            "",
            "---- a stdout ----",
        ];
        lines.extend(long.iter().map(String::as_str));
        lines.extend([
            "failures:",
            "    a",
            "test result: FAILED. 1 passed; 1 failed; 0 ignored",
        ]);
        let repeated = long[8..].join("\n    ");
        assert_eq!(
            summary_of(&lines),
            format!("1 passed, 1 failed, 0 ignored\n  failed: a\n    {repeated}")
        );
    }
}
