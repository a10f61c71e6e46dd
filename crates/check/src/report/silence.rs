//! Comments that silence faults.

use tiphys_api::manifest::Fault;

/// What such a comment begins with.
const MARK: &str = "# tiphys:ignore";

/// True if a comment in its file silences the fault.
pub(super) fn is_silenced(fault: &Fault, text: &str) -> bool {
    if !text.contains(MARK) {
        return false;
    }
    let code = fault.problem.code.name();
    let lines: Vec<&str> = text.lines().collect();
    let at = fault.line.saturating_sub(1);
    let here = lines.get(at).and_then(|line| codes(line, MARK));
    // Comments that stand above it, each on a line of its own.
    let above = lines[..at.min(lines.len())]
        .iter()
        .rev()
        .map_while(|line| line.trim_start().starts_with('#').then(|| line.trim()))
        .filter_map(|line| codes(line, MARK));
    let file = lines
        .iter()
        .filter_map(|line| codes(line, "# tiphys:ignore-file"));
    here.into_iter()
        .chain(above)
        .chain(file)
        .any(|codes| codes.is_empty() || codes.contains(&code))
}

/// The codes of a comment that begins with `mark`; none stand for all.
fn codes<'t>(line: &'t str, mark: &str) -> Option<Vec<&'t str>> {
    let (_, codes) = line.split_once(mark)?;
    // `# tiphys:ignore-file` begins like the other one.
    if codes.starts_with(|c: char| c.is_alphanumeric() || c == '-') {
        return None;
    }
    let codes = codes.split(|c: char| c == ',' || c.is_whitespace());
    Some(codes.filter(|code| !code.is_empty()).collect())
}
