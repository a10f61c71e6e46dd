//! What it may cost to compile all programs of an object together.
//!
//! Each language bounds one program. An object may hold thousands, and whoever compiles it for somebody
//! else (a controller, a webhook) does so for many: so they share one budget of processor time and
//! memory. It belongs to the thread, for programs are compiled deep inside of what checks an object.

use std::cell::Cell;
use std::time::Duration;

use crate::deadline::thread_time;

/// How much processor time the programs of an object have.
const TIME: Duration = Duration::from_secs(1);

/// How much memory the programs of an object have when they are compiled.
const BYTES: usize = 64 << 20;

/// The same for a first look, which is enough for nearly all objects.
const QUICK_TIME: Duration = Duration::from_millis(50);
const QUICK_BYTES: usize = 16 << 20;

/// Why a program was not compiled: others of its object have used up the budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Spent {
    /// The processor time.
    #[error("the programs of this object take more than {TIME:?} to compile")]
    Time,
    /// The memory.
    #[error("the programs of this object take more than {} MiB of memory", BYTES >> 20)]
    Bytes,
}

#[derive(Clone, Copy)]
struct Budget {
    /// The processor time of the thread at which it is spent.
    end: Duration,
    bytes: usize,
    is_spent: bool,
}

thread_local! {
    static BUDGET: Cell<Option<Budget>> = const { Cell::new(None) };
}

/// Gives one budget to all programs that `compile` compiles, unless they are within one already. Outside
/// of this, only the bounds of each program count.
pub fn within<T>(compile: impl FnOnce() -> T) -> T {
    if BUDGET.get().is_some() {
        return compile();
    }
    spending(TIME, BYTES, compile).0
}

/// As [`within`], with a small budget; `None` if it was too small: the result says nothing then.
pub fn quickly<T>(compile: impl FnOnce() -> T) -> Option<T> {
    let (result, is_spent) = spending(QUICK_TIME, QUICK_BYTES, compile);
    (!is_spent).then_some(result)
}

/// Also returns whether the budget was too small.
fn spending<T>(time: Duration, bytes: usize, compile: impl FnOnce() -> T) -> (T, bool) {
    /// Puts the budget back that was there, also after a panic.
    struct Before(Option<Budget>);
    impl Drop for Before {
        fn drop(&mut self) {
            BUDGET.set(self.0);
        }
    }
    let budget = Budget {
        end: thread_time().saturating_add(time),
        bytes,
        is_spent: false,
    };
    let _before = Before(BUDGET.replace(Some(budget)));
    let result = compile();
    let is_spent = BUDGET.get().is_some_and(|budget| budget.is_spent);
    (result, is_spent)
}

/// Takes so many bytes for a program that is about to be compiled.
///
/// # Errors
/// If the budget is spent.
pub(crate) fn take(bytes: usize) -> Result<(), Spent> {
    let Some(budget) = BUDGET.get() else {
        return Ok(());
    };
    let left = if thread_time() < budget.end {
        budget.bytes.checked_sub(bytes).ok_or(Spent::Bytes)
    } else {
        Err(Spent::Time)
    };
    BUDGET.set(Some(Budget {
        bytes: left.unwrap_or(budget.bytes),
        is_spent: budget.is_spent || left.is_err(),
        ..budget
    }));
    left.map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_of_an_object_share_a_budget() {
        assert_eq!(take(usize::MAX), Ok(()), "nobody shares");
        within(|| {
            assert_eq!(take(BYTES - 10), Ok(()));
            assert_eq!(take(11), Err(Spent::Bytes));
            within(|| assert_eq!(take(11), Err(Spent::Bytes), "a part of the same object"));
            assert_eq!(take(10), Ok(()));
            let mut sum = 0_u64;
            while take(0).is_ok() {
                sum = (0..100_000).fold(sum, |sum, n| sum.wrapping_mul(31).wrapping_add(n));
            }
            assert_eq!(take(0), Err(Spent::Time), "{sum}");
        });
        assert_eq!(take(usize::MAX), Ok(()));
        assert_eq!(within(|| take(BYTES)), Ok(()), "another object");
    }

    #[test]
    fn a_first_look_says_whether_it_was_enough() {
        assert_eq!(quickly(|| within(|| take(QUICK_BYTES))), Some(Ok(())));
        assert_eq!(quickly(|| within(|| take(QUICK_BYTES + 1))), None);
        assert_eq!(within(|| take(QUICK_BYTES + 1)), Ok(()));
    }
}
