//! Lines on standard error that show what a long step is doing and for how long.

use std::io::{self, Write as _};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

/// A person who waits wants a heartbeat about this often.
const SIGN_OF_LIFE: Duration = Duration::from_secs(10);

/// Says on standard error what is being done.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Progress {
    /// To whoever looks.
    Shown,
    /// To nobody.
    Hidden,
}

impl Progress {
    /// Prints one line.
    ///
    /// It goes past the capture of the test runner, which would hold a build's progress back until
    /// the build is over.
    pub fn say(self, line: &str) {
        if self == Self::Hidden {
            return;
        }
        // A closed standard error must not fail the step it would have told about.
        drop(writeln!(io::stderr().lock(), "{line}"));
    }

    /// Runs `step`, and says every few seconds how long it has taken.
    pub fn during<T>(self, what: &str, step: impl FnOnce() -> T) -> T {
        self.say(&format!("{what} …"));
        let started = Instant::now();
        let (done, is_done) = mpsc::channel::<()>();
        let value = thread::scope(|scope| {
            scope.spawn(move || {
                while is_done.recv_timeout(SIGN_OF_LIFE) == Err(RecvTimeoutError::Timeout) {
                    self.say(&format!("{what} … {} s", started.elapsed().as_secs()));
                }
            });
            let value = step();
            drop(done);
            value
        });
        self.say(&format!("{what}: {:.1} s", started.elapsed().as_secs_f32()));
        value
    }
}
