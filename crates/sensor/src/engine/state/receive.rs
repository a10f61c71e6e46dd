//! What a delivery leads to.

use tiphys_base::Failure;
use tiphys_eventbus::DeadLetterReason;

use super::super::books::Fate;
use super::super::wake::{Act, Arrival, Arrived, Content, Effect, Letter, Now};
use super::super::{Outcome, Rounds, Step};
use super::confirm::Confirmation;
use super::ending::Phase;
use super::fire::Firing;
use super::work::Duty;
use super::{Hand, ROUNDS, TriggerState};
use crate::filter::Verdict;

impl<A: Act> TriggerState<A> {
    pub(super) fn receive(&mut self, arrived: Arrived, now: Now) {
        let Arrived {
            sequence,
            weight,
            content,
        } = arrived;
        self.books.receive();
        if self.in_hand.contains_key(&sequence) {
            return self.receive_again(sequence);
        }
        if self.phase != Phase::Running {
            self.books.give_back();
            self.effects.push(Effect::NegativeAcknowledge { sequence });
            return;
        }
        if self.in_hand.is_empty() {
            self.put_off_heartbeat(now);
        }
        let returned = self.given_back.remove(&sequence);
        self.weight += weight;
        match content {
            Content::Unusable(reason, error) => {
                let hand = Hand {
                    weight,
                    returned,
                    ..Hand::default()
                };
                self.in_hand.insert(sequence, hand);
                self.add_letter(sequence, reason, error, Vec::new(), now);
            }
            Content::Event {
                context,
                replay,
                arrivals,
            } => {
                let seen = self.seen.insert(&context, replay.as_deref(), now.time);
                let mut fate = Fate::default();
                if seen.is_none() {
                    fate.note(Outcome::Deduplicated, || "it has been here".to_owned());
                }
                let hand = Hand {
                    event_id: context.id.clone(),
                    weight,
                    is_single: arrivals.len() == 1,
                    returned,
                    seen,
                    fate,
                    ..Hand::default()
                };
                self.in_hand.insert(sequence, hand);
                if seen.is_some() {
                    let arrivals = self.not_spent(sequence, arrivals);
                    for (dependency, arrival) in arrivals {
                        self.arrive(sequence, dependency, arrival, now);
                    }
                }
            }
        }
        self.forget_returned(sequence, now);
        self.settle(sequence);
    }

    /// Leaves out the places that an earlier runner kept the event in, and that a round or a newer event
    /// has taken since. In the others it is kept anew.
    fn not_spent(
        &mut self,
        sequence: u64,
        mut arrivals: Vec<(usize, Arrival)>,
    ) -> Vec<(usize, Arrival)> {
        let is_kept = |rounds: &Rounds, dependency| {
            let mut kept = rounds.kept();
            kept.any(|(place, member)| place == dependency && member.sequence == sequence)
        };
        let all = arrivals.len();
        arrivals.retain(|(dependency, _)| {
            let was_kept = self.restored.remove(&(sequence, *dependency));
            !was_kept || is_kept(&self.rounds, *dependency)
        });
        self.rounds.forget_event(sequence);
        if let (true, Some(hand)) = (arrivals.len() < all, self.in_hand.get_mut(&sequence)) {
            let why = || "it was kept before a restart".to_owned();
            hand.fate.note(Outcome::Deduplicated, why);
        }
        arrivals
    }

    /// A delivery of what is being worked on: only the latest can be answered.
    fn receive_again(&mut self, sequence: u64) {
        self.books.receive_again();
        let Some(hand) = self.in_hand.get_mut(&sequence) else {
            return;
        };
        hand.came_again = true;
        if let Confirmation::Uncertain(_) = hand.confirmation {
            self.confirm_again(sequence);
        }
    }

    fn arrive(&mut self, sequence: u64, dependency: usize, arrival: Arrival, now: Now) {
        let member = match arrival {
            Arrival::Taken(member) => member,
            Arrival::Filtered(verdict) => return self.refuse(sequence, dependency, verdict),
            Arrival::Failed(error) => {
                let reason = DeadLetterReason::TransformFailed;
                return self.add_letter(sequence, reason, error, vec![dependency], now);
            }
        };
        if self.reset_due.is_some() {
            self.reset(member.stored_at, now);
        }
        let step = self.rounds.arrive(dependency, member, &self.plan.names);
        match step {
            Step::Fire { round, replaced } => {
                let objects = round.iter().filter_map(|(_, member)| member.object);
                let rounds = self.rounds.keeps().then_some(ROUNDS);
                let keys = objects.chain(rounds).collect();
                let Some(round) = self.take_returned(sequence, dependency, round, now) else {
                    return;
                };
                let retry_wait = self.plan.levels.first().map(|level| level.retry.duration);
                let firing = Firing::new(dependency, round, retry_wait.unwrap_or_default());
                self.add(sequence, keys, Duty::Fire(Box::new(firing)), replaced, now);
            }
            Step::Keep { member, replaced } => {
                if let Some(hand) = self.in_hand.get_mut(&sequence) {
                    hand.fate.keep();
                }
                let duty = Duty::Keep { dependency, member };
                self.add(sequence, vec![ROUNDS], duty, replaced, now);
            }
        }
    }

    fn refuse(&mut self, sequence: u64, dependency: usize, verdict: Verdict) {
        let Some(hand) = self.in_hand.get_mut(&sequence) else {
            return;
        };
        hand.fate.note(Outcome::Filtered, || match &verdict {
            Verdict::Reject(_) => "its filters do not take it".to_owned(),
            Verdict::Fail(_) => "its filters cannot tell".to_owned(),
            Verdict::Pass => String::new(),
        });
        self.effects.push(Effect::Refused {
            dependency,
            event_id: hand.event_id.clone(),
            verdict,
        });
    }

    fn add_letter(
        &mut self,
        sequence: u64,
        reason: DeadLetterReason,
        error: Failure,
        dependencies: Vec<usize>,
        now: Now,
    ) {
        let letter = Letter::of(reason, error, dependencies);
        self.add(
            sequence,
            Vec::new(),
            Duty::DeadLetter(Some(letter)),
            None,
            now,
        );
    }
}
