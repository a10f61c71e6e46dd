//! Faults as `kubectl` shows them: one a line, with field and hint, and not too many.

use tiphys_api::Problem;

/// Most faults that are listed: nobody reads more at once.
const MOST_FAULTS: usize = 20;

/// Most warnings that are listed. Together they may have 4096 bytes, then the API server cuts each
/// of them to 256.
const MOST_WARNINGS: usize = 15;

/// The longest line. Faults quote what was written, which may be long.
const LONGEST_LINE: usize = 500;

/// The longest warning, see [`MOST_WARNINGS`].
const LONGEST_WARNING: usize = 256;

/// Why an object is refused.
pub(super) fn denial(kind: &str, errors: &[Problem]) -> String {
    let lines = listed(errors, MOST_FAULTS, LONGEST_LINE, "faults");
    match lines.as_slice() {
        [line] => format!("invalid {kind}: {line}"),
        lines => format!(
            "invalid {kind}, {} faults:\n  {}",
            errors.len(),
            lines.join("\n  ")
        ),
    }
}

/// What the author of an object should know.
pub(super) fn warnings(problems: &[Problem]) -> Vec<String> {
    listed(problems, MOST_WARNINGS, LONGEST_WARNING, "warnings")
}

fn listed(problems: &[Problem], most: usize, longest: usize, what: &str) -> Vec<String> {
    let first = problems.iter().take(most);
    let mut lines: Vec<String> = first.map(|problem| line(problem, longest)).collect();
    if problems.len() > most {
        let rest = problems.len() - most;
        lines.push(format!(
            "and {rest} more {what}: `tiphys lint` shows all of them"
        ));
    }
    lines
}

fn line(problem: &Problem, longest: usize) -> String {
    // A warning travels in a header, and a fault is one line.
    let line: String = problem
        .text()
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if line.len() <= longest {
        return line;
    }
    let ellipsis = '…';
    let mut end = longest - ellipsis.len_utf8();
    while !line.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{ellipsis}", &line[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_fault_is_a_line_and_several_are_a_list() {
        let faults = [
            Problem::error("spec.triggers", "no triggers found"),
            Problem::error("spec.dependencies[0].name", "is\nodd").with_hint("write another"),
        ];
        assert_eq!(
            denial("Sensor", &faults[..1]),
            "invalid Sensor: spec.triggers: no triggers found"
        );
        assert_eq!(
            denial("Sensor", &faults),
            "invalid Sensor, 2 faults:\n  spec.triggers: no triggers found\n  \
             spec.dependencies[0].name: is odd (write another)"
        );
    }

    #[test]
    fn many_and_long_faults_are_cut() {
        let faults = vec![Problem::error("spec", "ä".repeat(400)); 30];
        let text = denial("Sensor", &faults);
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines.len(), 22);
        assert_eq!(
            lines[21],
            "  and 10 more faults: `tiphys lint` shows all of them"
        );
        assert!(lines[1].ends_with("ä…"), "{}", lines[1]);
        assert!(warnings(&faults).iter().all(|line| line.len() <= 256));
    }
}
