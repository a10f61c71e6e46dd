//! Comments that silence faults.

use std::collections::BTreeMap;

use tiphys_api::manifest::Fault;

/// What such a comment begins with.
const MARK: &str = "# tiphys:ignore";

/// The comments of a file that silence.
#[derive(Debug, Default)]
pub(super) struct Comments<'t> {
    /// By the line that they count for, from 1: the codes.
    lines: BTreeMap<usize, Vec<Codes<'t>>>,
    /// For the whole file.
    file: Vec<Codes<'t>>,
}

/// The codes of a comment; none stand for all.
type Codes<'t> = Vec<&'t str>;

impl<'t> Comments<'t> {
    pub(super) fn find(text: &'t str) -> Self {
        let mut comments = Self::default();
        if !text.contains(MARK) {
            return comments;
        }
        // Those that stand above a line, each on a line of its own.
        let mut above = Vec::new();
        for (line, number) in text.lines().zip(1..) {
            comments.file.extend(codes(line, "# tiphys:ignore-file"));
            let mut own = codes(line, MARK).into_iter().collect::<Vec<_>>();
            if line.trim_start().starts_with('#') {
                above.append(&mut own);
                continue;
            }
            own.append(&mut above);
            if !own.is_empty() {
                comments.lines.insert(number, own);
            }
        }
        comments
    }

    /// True if one of them silences the fault.
    pub(super) fn silence(&self, fault: &Fault) -> bool {
        let code = fault.problem.code.name();
        let line = self.lines.get(&fault.line).into_iter().flatten();
        line.chain(&self.file)
            .any(|codes| codes.is_empty() || codes.contains(&code))
    }
}

/// The codes of a comment that begins with `mark`.
fn codes<'t>(line: &'t str, mark: &str) -> Option<Codes<'t>> {
    let (_, codes) = line.split_once(mark)?;
    // `# tiphys:ignore-file` begins like the other one.
    if codes.starts_with(|c: char| c.is_alphanumeric() || c == '-') {
        return None;
    }
    let codes = codes.split(|c: char| c == ',' || c.is_whitespace());
    Some(codes.filter(|code| !code.is_empty()).collect())
}
