//! The acknowledgement that goes before an action which must not be performed twice.

use std::time::Duration;

use super::super::WorkId;
use super::super::wake::{Act, Effect, Now};
use super::ending::Phase;
use super::work::{Duty, Stage, Write};
use super::{HEARTBEAT, TriggerState};

/// When an acknowledgement that nobody confirmed has arrived: the bus was there all the time in which
/// it would have had to deliver again, and did not.
const CERTAIN: Duration = Duration::from_secs(40);

/// How far the acknowledgement is that goes before an action.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Confirmation {
    /// None is wanted: the delivery is held.
    #[default]
    Held,
    /// It will be asked for; what is kept for the round is being forgotten already.
    Wanted,
    /// It was asked for.
    Asked,
    /// It was asked for, and no answer came.
    Uncertain(Duration),
    /// The bus will not deliver it again.
    Confirmed,
}

impl<A: Act> TriggerState<A> {
    /// Begins to acknowledge a round early: its kept events are forgotten, then its delivery is acknowledged.
    pub(super) fn acknowledge_early(&mut self, id: WorkId, now: Now) {
        let Some(work) = self.works.get_mut(&id) else {
            return;
        };
        let hand = work
            .sequence
            .and_then(|sequence| self.in_hand.get_mut(&sequence));
        if let Some(hand) = hand
            && hand.confirmation == Confirmation::Held
        {
            hand.confirmation = Confirmation::Wanted;
        }
        let is_kept = matches!(&work.duty, Duty::Fire(firing) if !firing.is_forgotten);
        if is_kept && self.rounds.keeps() {
            self.write(id, Write::ForgetFirst);
        } else {
            self.forgot_first(id, now);
        }
    }

    /// A round's kept events are forgotten: its delivery is acknowledged next.
    pub(super) fn forgot_first(&mut self, id: WorkId, now: Now) {
        let Some(work) = self.works.get_mut(&id) else {
            return;
        };
        work.stage = Stage::Unconfirmed;
        if let Duty::Fire(firing) = &mut work.duty {
            firing.is_forgotten = true;
        }
        let Some(sequence) = work.sequence else {
            return;
        };
        // The bus holds nothing of the round any more: the next one may be kept.
        for follower in self.ordering.leave_key(id, super::ROUNDS) {
            self.make_ready(follower, now);
        }
        let confirmation = self.in_hand.get(&sequence).map(|hand| hand.confirmation);
        // Nothing is delivered here any more that would make it certain.
        let is_lost = self.phase == Phase::HandingOver(None)
            && matches!(confirmation, Some(Confirmation::Uncertain(_)));
        if self.phase == Phase::Aborting || is_lost {
            return self.abandon(id, now);
        }
        if confirmation == Some(Confirmation::Confirmed) {
            self.perform(id, now);
        } else {
            self.ask_for_confirmation(sequence);
        }
    }

    /// Asks for a confirmation that is wanted, as soon as what is being stored of the delivery is.
    ///
    /// What waits for its turn behind another firing of the delivery is not waited for: that one may
    /// wait for this.
    pub(super) fn ask_for_confirmation(&mut self, sequence: u64) {
        let Some(hand) = self.in_hand.get_mut(&sequence) else {
            return;
        };
        if hand.confirmation != Confirmation::Wanted || self.phase == Phase::Aborting {
            return;
        }
        let mut works = hand.works.iter().filter_map(|work| self.works.get(work));
        let is_being_stored = works.clone().any(|work| {
            let is_asked = matches!(work.stage, Stage::Writing(_) | Stage::WriteAgain(_));
            is_asked && !matches!(work.duty, Duty::Fire(_))
        });
        if !is_being_stored && works.any(|work| matches!(work.stage, Stage::Unconfirmed)) {
            hand.confirmation = Confirmation::Asked;
            hand.came_again = false;
            self.effects.push(Effect::Confirm { sequence });
        }
    }

    /// The bus has confirmed, or not answered.
    ///
    /// An acknowledgement without an answer may have arrived or not. If not, the bus delivers again,
    /// and that delivery is acknowledged; if nothing comes within the time in which it would have
    /// to, it had arrived.
    pub(super) fn confirmed(&mut self, sequence: u64, is_confirmed: bool, now: Now) {
        let Some(hand) = self.in_hand.get_mut(&sequence) else {
            return;
        };
        if hand.confirmation != Confirmation::Asked {
            return;
        }
        if is_confirmed {
            hand.confirmation = Confirmation::Confirmed;
            self.go_on_unconfirmed(sequence, now);
        } else if matches!(self.phase, Phase::Aborting | Phase::HandingOver(None)) {
            hand.confirmation = Confirmation::Uncertain(now.uptime);
            self.go_on_unconfirmed(sequence, now);
        } else if hand.came_again {
            self.confirm_again(sequence);
        } else {
            hand.confirmation = Confirmation::Uncertain(now.uptime);
            self.uncertain.insert(sequence);
        }
    }

    /// Acknowledges the latest delivery of a message.
    pub(super) fn confirm_again(&mut self, sequence: u64) {
        if let Some(hand) = self.in_hand.get_mut(&sequence) {
            hand.confirmation = Confirmation::Asked;
            hand.came_again = false;
            self.uncertain.remove(&sequence);
            self.effects.push(Effect::Confirm { sequence });
        }
    }

    /// Takes uncertain acknowledgements for confirmed when nothing has come for long enough.
    pub(super) fn believe(&mut self, now: Now) {
        // Without a subscription, silence says nothing.
        let Some(connected) = self
            .connected_since
            .filter(|_| self.phase == Phase::Running)
        else {
            return;
        };
        let sure: Vec<u64> = self
            .uncertain
            .iter()
            .copied()
            .filter(|sequence| {
                let hand = self.in_hand.get(sequence);
                hand.is_none_or(|hand| match hand.confirmation {
                    Confirmation::Uncertain(since) => {
                        now.uptime >= since.max(connected).saturating_add(CERTAIN)
                    }
                    _ => true,
                })
            })
            .collect();
        for sequence in sure {
            self.uncertain.remove(&sequence);
            if let Some(hand) = self.in_hand.get_mut(&sequence) {
                hand.confirmation = Confirmation::Confirmed;
                self.go_on_unconfirmed(sequence, now);
            }
        }
    }

    /// Lets firings go on that waited for the acknowledgement of their delivery, or ends them.
    fn go_on_unconfirmed(&mut self, sequence: u64, now: Now) {
        let Some(hand) = self.in_hand.get(&sequence) else {
            return;
        };
        let is_confirmed = hand.confirmation == Confirmation::Confirmed;
        for id in hand.works.clone() {
            let waits = |work: &super::Work<A>| matches!(work.stage, Stage::Unconfirmed);
            if !self.works.get(&id).is_some_and(waits) {
                continue;
            }
            if is_confirmed && self.phase != Phase::Aborting {
                self.perform(id, now);
            } else {
                self.abandon(id, now);
            }
        }
    }

    /// The first heartbeat of what has just come.
    pub(super) fn put_off_heartbeat(&mut self, now: Now) {
        self.heartbeat_due = now.uptime + HEARTBEAT;
    }
}
