//! Divides permits among those who ask for them. It waits for nothing and knows no task.
//!
//! A seat has a few permits that are its own. It takes more from what all share for as long as its
//! owner holds less of that than is left. So one owner never has more than half of what is shared, and
//! a second one that comes when all of the first is in use still finds the other half: nobody has to
//! give anything back first. A permit that comes back goes to the owner that holds the least.
//!
//! Who asks for several gets them together. A seat that holds nothing gets what it asks for, however much
//! that is: it could not go on otherwise.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use slab::Slab;

/// How permits are divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rule {
    /// What each seat can always have.
    pub(super) own: usize,
    /// What a seat can have at most.
    pub(super) most: usize,
    /// What all seats share beside that.
    pub(super) shared: usize,
}

/// Permits, who has them, and who waits. `W` is somebody who waits.
#[derive(Debug)]
pub(super) struct Permits<W> {
    rule: Rule,
    /// What is left of what all share; less than nothing where a seat had to have more.
    left: isize,
    owners: Slab<Owner>,
    by_name: HashMap<Arc<str>, usize>,
    seats: Slab<Seat<W>>,
    /// The seats at which somebody waits.
    crowded: Vec<usize>,
    arrivals: u64,
}

#[derive(Debug)]
struct Owner {
    name: Arc<str>,
    seats: usize,
    /// What it holds of what all share.
    taken: isize,
}

#[derive(Debug)]
struct Seat<W> {
    owner: usize,
    held: usize,
    /// In the order of their arrivals, with what they ask for.
    waiting: VecDeque<(u64, usize, W)>,
}

impl<W> Permits<W> {
    pub(super) fn new(rule: Rule) -> Self {
        Self {
            rule,
            left: signed(rule.shared),
            owners: Slab::new(),
            by_name: HashMap::new(),
            seats: Slab::new(),
            crowded: Vec::new(),
            arrivals: 0,
        }
    }

    /// A seat for somebody of `owner`, by its number.
    pub(super) fn enter(&mut self, owner: &str) -> usize {
        let owner = if let Some(known) = self.by_name.get(owner) {
            *known
        } else {
            let name: Arc<str> = owner.into();
            let number = self.owners.insert(Owner {
                name: Arc::clone(&name),
                seats: 0,
                taken: 0,
            });
            self.by_name.insert(name, number);
            number
        };
        self.owners[owner].seats += 1;
        self.seats.insert(Seat {
            owner,
            held: 0,
            waiting: VecDeque::new(),
        })
    }

    /// Nobody will ask at this seat again, and all its permits are back.
    pub(super) fn leave(&mut self, seat: usize) {
        let Some(left) = self.seats.try_remove(seat) else {
            return;
        };
        self.crowded.retain(|crowded| *crowded != seat);
        let Some(owner) = self.owners.get_mut(left.owner) else {
            return;
        };
        owner.seats -= 1;
        if owner.seats == 0 {
            let owner = self.owners.remove(left.owner);
            self.by_name.remove(&owner.name);
        }
    }

    /// Takes so many permits; false: there are not as many, or others of the seat wait for some.
    pub(super) fn take(&mut self, seat: usize, count: usize) -> bool {
        let is_free = self.seats[seat].waiting.is_empty() && self.has_permits(seat, count);
        if is_free {
            self.grant(seat, count);
        }
        is_free
    }

    /// Lets somebody wait for so many permits until [`Self::give_back`] returns them.
    pub(super) fn wait(&mut self, seat: usize, count: usize, waiter: W) {
        self.arrivals += 1;
        let waiting = &mut self.seats[seat].waiting;
        if waiting.is_empty() {
            self.crowded.push(seat);
        }
        waiting.push_back((self.arrivals, count, waiter));
    }

    /// Takes permits back. Returns who waits no more, with what each has got.
    pub(super) fn give_back(&mut self, seat: usize, count: usize) -> Vec<(usize, W)> {
        let own = self.rule.own;
        let Seat { owner, held, .. } = &mut self.seats[seat];
        let shared = signed(held.saturating_sub(own) - (*held - count).saturating_sub(own));
        *held -= count;
        self.owners[*owner].taken -= shared;
        self.left += shared;
        let mut granted = Vec::new();
        while let Some(next) = self.next() {
            let Some((_, count, waiter)) = self.seats[next].waiting.pop_front() else {
                break;
            };
            if self.seats[next].waiting.is_empty() {
                self.crowded.retain(|crowded| *crowded != next);
            }
            self.grant(next, count);
            granted.push((count, waiter));
        }
        granted
    }

    /// Whether there are so many permits for a seat.
    fn has_permits(&self, seat: usize, count: usize) -> bool {
        let Seat { owner, held, .. } = &self.seats[seat];
        let shared = self.shared(*held, count);
        let fits = shared == 0 || self.owners[*owner].taken + shared <= self.left;
        *held == 0 && self.rule.own > 0 || fits && held + count <= self.rule.most
    }

    fn grant(&mut self, seat: usize, count: usize) {
        let shared = self.shared(self.seats[seat].held, count);
        let Seat { owner, held, .. } = &mut self.seats[seat];
        *held += count;
        self.owners[*owner].taken += shared;
        self.left -= shared;
    }

    /// What of so many more permits a seat takes from what all share.
    fn shared(&self, held: usize, count: usize) -> isize {
        let own = self.rule.own;
        signed((held + count).saturating_sub(own) - held.saturating_sub(own))
    }

    /// Where the next permit goes: to the owner that holds the least of what is shared, and there to who
    /// came first.
    fn next(&self) -> Option<usize> {
        let crowded = self.crowded.iter().copied();
        crowded
            .filter(|seat| {
                let front = self.seats[*seat].waiting.front();
                front.is_some_and(|(_, count, _)| self.has_permits(*seat, *count))
            })
            .min_by_key(|seat| {
                let Seat { owner, waiting, .. } = &self.seats[*seat];
                let arrival = waiting.front().map(|(arrival, ..)| *arrival);
                (self.owners[*owner].taken, arrival)
            })
    }

    /// Whether nobody has a seat and all that is shared is left.
    #[cfg(test)]
    pub(super) fn is_unused(&self) -> bool {
        self.seats.is_empty()
            && self.owners.is_empty()
            && self.by_name.is_empty()
            && self.crowded.is_empty()
            && self.left == signed(self.rule.shared)
    }
}

fn signed(count: usize) -> isize {
    isize::try_from(count).unwrap_or(isize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn permits(own: usize, most: usize, shared: usize) -> Permits<&'static str> {
        Permits::new(Rule { own, most, shared })
    }

    /// Takes all that a seat can have; returns how many that are.
    fn exhaust(permits: &mut Permits<&'static str>, seat: usize) -> usize {
        std::iter::from_fn(|| permits.take(seat, 1).then_some(())).count()
    }

    /// Gives one back; returns who waits no more.
    fn back(permits: &mut Permits<&'static str>, seat: usize) -> Vec<&'static str> {
        let granted = permits.give_back(seat, 1).into_iter();
        granted.map(|(_, waiter)| waiter).collect()
    }

    #[test]
    fn what_is_a_seats_own_is_there_whatever_others_take() {
        let mut permits = permits(4, 64, 256);
        for _ in 0..100 {
            let seat = permits.enter("loud");
            exhaust(&mut permits, seat);
        }
        for other in ["b", "c", "d", "e", "f", "g", "h", "i", "j", "k"] {
            let seat = permits.enter(other);
            exhaust(&mut permits, seat);
        }
        let quiet = permits.enter("quiet");
        assert_eq!(exhaust(&mut permits, quiet), 4);
    }

    #[test]
    fn an_owner_has_at_most_half_of_what_is_shared_whatever_number_of_seats() {
        let mut permits = permits(4, 64, 256);
        let mut taken = 0;
        for _ in 0..10 {
            let seat = permits.enter("loud");
            taken += exhaust(&mut permits, seat);
        }
        assert_eq!(taken, 10 * 4 + 128);
        // The next one has half of the other half.
        let (first, second) = (permits.enter("other"), permits.enter("other"));
        assert_eq!(exhaust(&mut permits, first), 4 + 60);
        assert_eq!(exhaust(&mut permits, second), 4 + 4);
    }

    #[test]
    fn a_seat_has_no_more_than_it_may_have_at_most() {
        let mut permits = permits(2, 5, 100);
        let seat = permits.enter("a");
        assert_eq!(exhaust(&mut permits, seat), 5);
        assert_eq!(back(&mut permits, seat), [""; 0]);
        assert_eq!(exhaust(&mut permits, seat), 1);
    }

    #[test]
    fn what_comes_back_goes_to_the_owner_that_holds_the_least() {
        let mut permits = permits(0, 10, 6);
        let (loud, quiet) = (permits.enter("loud"), permits.enter("quiet"));
        assert_eq!(exhaust(&mut permits, loud), 3);
        assert_eq!(exhaust(&mut permits, quiet), 2);
        permits.wait(loud, 1, "loud");
        permits.wait(quiet, 1, "first");
        permits.wait(quiet, 1, "second");
        assert_eq!(back(&mut permits, loud), [""; 0]);
        // Three are left: the loud one holds one, the quiet one two.
        assert_eq!(back(&mut permits, loud), ["loud"]);
        assert_eq!(back(&mut permits, quiet), ["first"]);
        assert_eq!(back(&mut permits, loud), ["second"]);
    }

    #[test]
    fn who_asks_at_a_seat_is_served_in_order() {
        let mut permits = permits(1, 1, 0);
        let seat = permits.enter("a");
        assert!(permits.take(seat, 1));
        permits.wait(seat, 1, "first");
        permits.wait(seat, 1, "second");
        assert_eq!(back(&mut permits, seat), ["first"]);
        assert!(!permits.take(seat, 1), "the second was here before");
        assert_eq!(back(&mut permits, seat), ["second"]);
        assert_eq!(back(&mut permits, seat), [""; 0]);
        assert!(permits.take(seat, 1));
    }

    #[test]
    fn a_new_seat_of_an_owner_shares_what_the_owner_holds() {
        let mut permits = permits(1, 10, 8);
        let old = permits.enter("a");
        assert_eq!(exhaust(&mut permits, old), 1 + 4);
        let new = permits.enter("a");
        assert_eq!(exhaust(&mut permits, new), 1);
        for _ in 0..5 {
            permits.give_back(old, 1);
        }
        permits.leave(old);
        assert_eq!(exhaust(&mut permits, new), 4);
        for _ in 0..5 {
            permits.give_back(new, 1);
        }
        permits.leave(new);
        assert!(permits.is_unused());
    }

    /// Deliveries are counted by their bytes: one may be larger than what a seat has of its own.
    #[test]
    fn several_permits_are_given_together() {
        let mut permits = permits(4, 20, 16);
        let (one, other) = (permits.enter("one"), permits.enter("other"));
        assert!(permits.take(one, 10), "6 of them are of what all share");
        assert!(
            !permits.take(one, 5),
            "5 more would leave less than it holds"
        );
        assert!(permits.take(one, 2));
        assert!(
            permits.take(other, 100),
            "who holds nothing gets what it asks for"
        );
        assert!(!permits.take(other, 1));
        permits.wait(one, 1, "one");
        assert_eq!(permits.give_back(one, 2), []);
        assert_eq!(permits.give_back(other, 100), [(1, "one")]);
        permits.give_back(one, 11);
        permits.leave(one);
        permits.leave(other);
        assert!(permits.is_unused());
    }
}
