//! Asks one line after another, and goes on where one panics or does not come to an end.

use std::fmt;
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, channel};

use serde_json::Value;
use tiphys_tests::PATIENCE;

use super::line::Line;

/// What our code says to a line: the answer in the form of `want`, or an error.
pub(crate) type Answer = Result<Value, String>;

/// What became of a line.
pub(crate) enum Outcome {
    Answered(Answer),
    Panicked,
    /// It did not come to an end.
    Hung,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Answered(Ok(answer)) => write!(f, "{answer}"),
            Self::Answered(Err(error)) => write!(f, "error {error}"),
            Self::Panicked => f.write_str("a panic"),
            Self::Hung => write!(f, "nothing in {PATIENCE:?}"),
        }
    }
}

/// The outcomes of all lines, in their order.
pub(crate) fn ask(lines: &Arc<[Line]>, answer: fn(&Line) -> Answer) -> Vec<Outcome> {
    let mut outcomes = Vec::with_capacity(lines.len());
    while outcomes.len() < lines.len() {
        if let Some(fault) = ask_on(lines, answer, &mut outcomes) {
            outcomes.push(fault);
        }
    }
    outcomes
}

/// Asks the lines after those that have an outcome, up to one that panics or hangs. The thread of
/// one that hangs is left behind; the end of the process ends it.
fn ask_on(
    lines: &Arc<[Line]>,
    answer: fn(&Line) -> Answer,
    outcomes: &mut Vec<Outcome>,
) -> Option<Outcome> {
    let (sender, receiver) = channel();
    let (lines_asked, first) = (Arc::clone(lines), outcomes.len());
    std::thread::spawn(move || {
        for line in &lines_asked[first..] {
            if sender.send(answer(line)).is_err() {
                break;
            }
        }
    });
    while outcomes.len() < lines.len() {
        match receiver.recv_timeout(PATIENCE) {
            Ok(answer) => outcomes.push(Outcome::Answered(answer)),
            Err(RecvTimeoutError::Disconnected) => return Some(Outcome::Panicked),
            Err(RecvTimeoutError::Timeout) => return Some(Outcome::Hung),
        }
    }
    None
}
