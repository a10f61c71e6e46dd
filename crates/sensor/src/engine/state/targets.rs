//! Who waits for which target of a trigger's actions.
//!
//! No target has more than its part of the places: one that is slow leaves some to the others. While a
//! target is unavailable, one firing tries it again and again, after growing waits, and all others of
//! the same target wait for what comes of that. After each attempt it is another one's turn to try, so
//! that one that nobody will ever take does not hold up the others.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use super::super::WorkId;
use super::super::pace::{UNAVAILABLE_ASKED, UNAVAILABLE_FIRST, UNAVAILABLE_LAST, scale};

/// So many firings that nobody else can bring to their end may wait for an unavailable target before
/// they alone try it: each other one that tries joins them.
const OURS: usize = 8;

/// The targets that are in use or unavailable, by what names them.
#[derive(Debug, Default)]
pub(super) struct Targets {
    known: HashMap<u64, Target>,
    /// Targets somebody waits for who may go on if there is a place.
    open: VecDeque<u64>,
    /// How much the deliveries hold that wait.
    weight: usize,
    unavailable: usize,
}

#[derive(Debug, Default)]
struct Target {
    /// Attempts that are known to be under way.
    running: usize,
    /// In the order of their arrivals.
    waiting: VecDeque<Waiter>,
    absence: Option<Absence>,
}

#[derive(Debug, Clone, Copy)]
struct Waiter {
    work: WorkId,
    /// How much its delivery holds.
    weight: usize,
}

/// A target is unavailable.
#[derive(Debug)]
struct Absence {
    /// Who tries it, now or at `due`.
    trying: Waiter,
    is_trying: bool,
    due: Duration,
    wait: Duration,
}

/// Who tries an unavailable target next, and when.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Trying {
    pub(super) work: WorkId,
    pub(super) due: Duration,
}

impl Targets {
    /// Whether any target is known to be unavailable.
    pub(super) fn is_any_unavailable(&self) -> bool {
        self.unavailable > 0
    }

    /// Whether a target is known to be unavailable.
    pub(super) fn is_unavailable(&self, target: u64) -> bool {
        let known = self.known.get(&target);
        known.is_some_and(|known| known.absence.is_some())
    }

    /// How much the deliveries hold that wait for a target.
    pub(super) fn weight(&self) -> usize {
        self.weight
    }

    /// Whether an attempt may begin when so many places are left besides its own.
    pub(super) fn is_free(&self, target: u64, places: usize) -> bool {
        let target = self.known.get(&target);
        target.is_none_or(|target| {
            target.absence.is_none() && target.waiting.is_empty() && target.running <= places
        })
    }

    /// An attempt begins.
    pub(super) fn begin(&mut self, target: u64) {
        self.known.entry(target).or_default().running += 1;
    }

    /// An attempt is over, or will not be made.
    pub(super) fn end(&mut self, target: u64) {
        if let Some(known) = self.known.get_mut(&target) {
            known.running = known.running.saturating_sub(1);
        }
        self.clean(target);
    }

    /// Lets a firing wait for its turn.
    pub(super) fn wait(&mut self, target: u64, work: WorkId, weight: usize) {
        self.weight += weight;
        let known = self.known.entry(target).or_default();
        known.waiting.push_back(Waiter { work, weight });
        if known.absence.is_none() {
            self.open(target);
        }
    }

    /// Whose turn it is when so many places are left.
    pub(super) fn next(&mut self, places: usize) -> Option<WorkId> {
        for _ in 0..self.open.len() {
            let target = self.open.pop_front()?;
            let Some(known) = self.known.get_mut(&target) else {
                continue;
            };
            if let Some(absence) = &mut known.absence {
                absence.is_trying = true;
                self.weight -= absence.trying.weight;
                return Some(absence.trying.work);
            }
            if known.running >= places {
                self.open.push_back(target);
                continue;
            }
            if let Some(Waiter { work, weight }) = known.waiting.pop_front() {
                self.weight -= weight;
                if !known.waiting.is_empty() {
                    self.open.push_back(target);
                }
                return Some(work);
            }
        }
        None
    }

    /// A target did not answer a firing, which waits from now on. Returns who tries it next, if nobody
    /// does already. `is_ours` says who cannot be left to anybody else.
    pub(super) fn unavailable(
        &mut self,
        target: u64,
        work: WorkId,
        weight: usize,
        asked: Option<Duration>,
        now: Duration,
        is_ours: impl Fn(WorkId) -> bool,
    ) -> Option<Trying> {
        self.weight += weight;
        let known = self.known.entry(target).or_default();
        known.waiting.push_back(Waiter { work, weight });
        let wait = match &known.absence {
            None => {
                self.unavailable += 1;
                UNAVAILABLE_FIRST
            }
            Some(absence) if absence.trying.work == work => {
                scale(absence.wait, 2.0).min(UNAVAILABLE_LAST)
            }
            Some(_) => return None,
        };
        let ours = known.waiting.iter().filter(|waiter| is_ours(waiter.work));
        let place = if ours.count() >= OURS {
            let mut waiting = known.waiting.iter();
            waiting.position(|waiter| is_ours(waiter.work))
        } else {
            Some(0)
        };
        let trying = place.and_then(|place| known.waiting.remove(place))?;
        let pause = asked.map_or(wait, |asked| asked.min(UNAVAILABLE_ASKED));
        let due = now.saturating_add(pause);
        known.absence = Some(Absence {
            trying,
            is_trying: false,
            due,
            wait,
        });
        self.open.retain(|open| *open != target);
        let work = trying.work;
        Some(Trying { work, due })
    }

    /// The moment has come to try a target again.
    pub(super) fn is_due(&mut self, target: u64) {
        let absence = self.known.get(&target).map(|known| &known.absence);
        if let Some(Some(_)) = absence {
            self.open(target);
        }
    }

    /// A target has answered: who waits may go on. Returns who was to try it, if that waits still.
    pub(super) fn available(&mut self, target: u64) -> Option<WorkId> {
        let known = self.known.get_mut(&target)?;
        let absence = known.absence.take()?;
        self.unavailable -= 1;
        self.open.retain(|open| *open != target);
        let waited = (!absence.is_trying).then_some(absence.trying);
        if let Some(waiter) = waited {
            known.waiting.push_front(waiter);
        }
        self.open(target);
        self.clean(target);
        waited.map(|waiter| waiter.work)
    }

    /// A firing does not wait any more, and is not tried. Returns who tries its target in its place.
    pub(super) fn leave(&mut self, target: u64, work: WorkId) -> Option<Trying> {
        let known = self.known.get_mut(&target)?;
        let place = known.waiting.iter().position(|other| other.work == work);
        let left = place.and_then(|place| known.waiting.remove(place));
        self.weight -= left.map_or(0, |waiter| waiter.weight);
        let mut trying = None;
        if let Some(absence) = &mut known.absence
            && absence.trying.work == work
        {
            if !absence.is_trying {
                self.weight -= absence.trying.weight;
            }
            if let Some(next) = known.waiting.pop_front() {
                absence.trying = next;
                absence.is_trying = false;
                trying = Some(Trying {
                    work: next.work,
                    due: absence.due,
                });
                self.open.retain(|open| *open != target);
            } else {
                // Nobody is left who could find out.
                known.absence = None;
                self.unavailable -= 1;
            }
        }
        self.clean(target);
        trying
    }

    /// Who waits for a target, without who tries it.
    pub(super) fn waiting(&self, target: u64) -> Vec<WorkId> {
        let known = self.known.get(&target);
        let waiting = known.into_iter().flat_map(|known| &known.waiting);
        waiting.map(|waiter| waiter.work).collect()
    }

    fn open(&mut self, target: u64) {
        if !self.open.contains(&target) {
            self.open.push_back(target);
        }
    }

    /// Forgets a target that nothing is known of.
    fn clean(&mut self, target: u64) {
        if let Some(known) = self.known.get(&target)
            && known.running == 0
            && known.waiting.is_empty()
            && known.absence.is_none()
        {
            self.known.remove(&target);
            self.open.retain(|open| *open != target);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T: u64 = 7;

    fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn fails(targets: &mut Targets, work: WorkId, now: u64) -> Option<(WorkId, u64)> {
        let trying = targets.unavailable(T, work, 1, None, ms(now), |_| false)?;
        Some((trying.work, u64::try_from(trying.due.as_millis()).unwrap()))
    }

    #[test]
    fn one_target_never_has_all_places() {
        let mut targets = Targets::default();
        let mut places = 8;
        while targets.is_free(T, places - 1) {
            targets.begin(T);
            places -= 1;
        }
        assert_eq!(places, 4);
        assert!(targets.is_free(8, places - 1));
        targets.wait(T, 1, 1);
        assert_eq!(targets.next(places), None);
        assert_eq!(targets.next(places + 1), Some(1));
    }

    #[test]
    fn one_after_the_other_tries_an_unavailable_target() {
        let mut targets = Targets::default();
        assert_eq!(fails(&mut targets, 1, 0), Some((1, 100)));
        assert_eq!(fails(&mut targets, 2, 50), None, "somebody tries it");
        targets.wait(T, 3, 1);
        assert_eq!((targets.next(9), targets.weight()), (None, 3));
        targets.is_due(T);
        assert_eq!((targets.next(9), targets.weight()), (Some(1), 2));
        assert_eq!(targets.next(9), None, "only one tries it at a time");
        assert_eq!(fails(&mut targets, 1, 100), Some((2, 300)));
        targets.is_due(T);
        assert_eq!(targets.next(9), Some(2));
        assert_eq!(fails(&mut targets, 2, 300), Some((3, 700)));
        assert!(targets.is_unavailable(T));
    }

    #[test]
    fn an_answer_lets_all_go_on() {
        let mut targets = Targets::default();
        fails(&mut targets, 1, 0);
        fails(&mut targets, 2, 0);
        targets.wait(T, 3, 1);
        assert_eq!(targets.available(T), Some(1), "it need not try");
        assert!(!targets.is_any_unavailable());
        for work in 1..=3 {
            assert_eq!(targets.next(9), Some(work));
            targets.begin(T);
            targets.end(T);
        }
        assert_eq!(targets.weight(), 0);
        assert!(targets.known.is_empty(), "{targets:?}");
    }

    #[test]
    fn who_leaves_has_another_one_try() {
        let mut targets = Targets::default();
        fails(&mut targets, 1, 0);
        targets.wait(T, 2, 1);
        targets.wait(T, 3, 1);
        assert_eq!(targets.leave(T, 3), None);
        let trying = targets.leave(T, 1).unwrap();
        assert_eq!((trying.work, trying.due), (2, ms(100)));
        assert_eq!(targets.leave(T, 2), None);
        assert!(targets.known.is_empty(), "{targets:?}");
        assert!(!targets.is_any_unavailable());
        assert_eq!(targets.weight(), 0);
    }

    /// Each firing that is acknowledged before it is tried can be left to nobody else.
    #[test]
    fn few_that_cannot_be_left_to_others_try_for_all() {
        let mut targets = Targets::default();
        let is_ours = |work| work <= 8;
        let mut due = 0;
        for work in 1..=8 {
            targets.unavailable(T, work, 1, None, ms(due), is_ours);
        }
        targets.wait(T, 9, 1);
        let mut tried = Vec::new();
        for _ in 0..10 {
            targets.is_due(T);
            let work = targets.next(9).unwrap();
            tried.push(work);
            due += 15_000;
            targets.unavailable(T, work, 1, None, ms(due), is_ours);
        }
        assert_eq!(tried, [1, 2, 3, 4, 5, 6, 7, 8, 1, 2]);
    }
}
