//! Carries the effects of a trigger's state out in the world, and holds each against the promises.

use std::collections::VecDeque;
use std::sync::Arc;

use tiphys_eventbus::DeadLetterReason;

use super::super::super::super::wake::{Attempt, Cancel, Fired, Performs};
use super::super::super::super::{Member, Outcome, Round, WorkId};
use super::super::promises::Place;
use super::{ACK_WAIT, Deed, Effect, Firing, Kind, Pending, Rule, Trial, Wake, World, places};

impl World {
    /// Wakes a runner, carries its effects out as far as they are immediate, and looks at its books.
    pub(super) fn wake(&mut self, number: usize, wake: Wake) {
        let mut wakes = VecDeque::from([wake]);
        while let Some(wake) = wakes.pop_front() {
            if !self.runners.iter().any(|runner| runner.number == number) {
                return;
            }
            let now = self.time();
            let effects: Vec<Effect> = self.runner(number).state.on(wake, now).collect();
            let mut decided = None;
            for effect in effects {
                self.say(|| format!("{number}: {effect:?}"));
                if let Effect::Decided(decision) = &effect {
                    decided = Some(decision.event_id.clone());
                }
                self.carry(number, effect, decided.as_deref(), &mut wakes);
            }
            self.balance(number);
        }
    }

    fn carry(
        &mut self,
        number: usize,
        effect: Effect,
        decided: Option<&str>,
        wakes: &mut VecDeque<Wake>,
    ) {
        match effect {
            Effect::Keep {
                work,
                dependency,
                member,
            } => {
                let place = (member.sequence, dependency);
                self.runner(number).kept.insert(place);
                self.ask(number, Pending::Keep(work, dependency, member));
            }
            Effect::Forget { work, dependencies } => {
                if let Some(firing) = self.runner(number).works.get_mut(&work) {
                    firing.is_released = true;
                }
                self.ask(number, Pending::Forget(work, dependencies));
            }
            Effect::DeadLetter {
                work,
                sequence,
                letter,
            } => {
                let message = &self.messages[usize::try_from(sequence).unwrap() - 1];
                let kind = match letter.reason {
                    DeadLetterReason::TransformFailed => Kind::Failed,
                    _ => Kind::Taken,
                };
                let own = message.arrivals.iter().filter(|(_, own)| *own == kind);
                let mut told: Vec<Place> = own.map(|(place, _)| (sequence, *place)).collect();
                if let Some(firing) = self.runner(number).works.get(&work) {
                    let round = places(&firing.round);
                    told.retain(|_| letter.reason == DeadLetterReason::Interrupted);
                    told.extend(round);
                }
                self.runner(number).last_words.extend(&told);
                self.ask(number, Pending::Letter(work, told));
            }
            Effect::Confirm { sequence } => {
                for firing in self.runner(number).works.values_mut() {
                    let has = |(_, member): &(usize, Member)| member.sequence == sequence;
                    firing.is_released |= firing.round.iter().any(has);
                }
                self.runner(number).released.insert(sequence);
                self.ask(number, Pending::Confirm(sequence));
            }
            Effect::Fire {
                work,
                level,
                round,
                performs,
                is_held,
            } => self.fire(number, work, level, round, performs, is_held),
            Effect::Perform {
                work,
                level,
                action,
                is_held,
            } => self.ask(
                number,
                Pending::Attempt(Trial {
                    work,
                    level,
                    round: action.round,
                    renders: false,
                    performs: true,
                    is_held,
                }),
            ),
            effect => self.carry_at_once(number, effect, decided, wakes),
        }
    }

    /// Carries out what nobody waits for.
    fn carry_at_once(
        &mut self,
        number: usize,
        effect: Effect,
        decided: Option<&str>,
        wakes: &mut VecDeque<Wake>,
    ) {
        match effect {
            Effect::Cancel(which) => self.cancel(number, which, wakes),
            Effect::Acknowledge { sequence } => {
                self.settle(number, sequence, false);
                if self.is_connected {
                    self.acknowledge(sequence);
                } else {
                    self.runner(number).outbox.push(sequence);
                }
            }
            Effect::NegativeAcknowledge { sequence } => {
                self.settle(number, sequence, true);
                self.messages[usize::try_from(sequence).unwrap() - 1].held = None;
            }
            Effect::GiveBack { sequence, delay } => {
                self.settle(number, sequence, true);
                let runner = self.runner(number);
                runner.away.insert(sequence);
                // It may have had its turn, or not.
                runner
                    .expected
                    .retain(|round| round.iter().all(|place| place.0 != sequence));
                let due = self.now + u64::try_from(delay.as_millis()).unwrap();
                let message = &mut self.messages[usize::try_from(sequence).unwrap() - 1];
                assert!(!message.is_acknowledged, "{sequence} cannot be given back");
                message.held = Some((number, due));
            }
            Effect::Recall { sequences } => {
                for sequence in sequences {
                    self.messages[usize::try_from(sequence).unwrap() - 1].held = None;
                }
            }
            Effect::Release { sequence } => {
                let is_undone = decided != Some(format!("e{sequence}").as_str());
                self.settle(number, sequence, is_undone);
            }
            Effect::InProgress { sequences } => {
                let due = self.now + ACK_WAIT;
                for message in &mut self.messages {
                    if self.is_connected && sequences.contains(&message.sequence) {
                        message.held = message.held.map(|(number, _)| (number, due));
                    }
                }
            }
            Effect::Decided(decision) => self.runner(number).decide(decision),
            Effect::Succeeded { round, .. } => {
                for firing in self.runner(number).works.values_mut() {
                    firing.is_over |= Arc::ptr_eq(&firing.round, &round);
                }
            }
            Effect::HandedOver(over) => {
                let runner = self.runner(number);
                runner.over = over;
                let is_free = |pending: &Pending| {
                    matches!(pending, Pending::Attempt(_) | Pending::Letter(..))
                };
                assert!(
                    runner.pending.iter().all(is_free),
                    "handed over with requests to the bus under way"
                );
                self.begin();
            }
            Effect::Ended => self.leave(number),
            // What is only told changes nothing.
            _ => {}
        }
    }

    fn ask(&mut self, number: usize, pending: Pending) {
        if let Pending::Attempt(trial) = &pending
            && trial.performs
        {
            self.begin_to_act(&Arc::clone(&trial.round));
        }
        self.runner(number).pending.push(pending);
    }

    fn fire(
        &mut self,
        number: usize,
        work: WorkId,
        level: usize,
        round: Arc<Round>,
        performs: Performs,
        is_held: bool,
    ) {
        let (is_strict, is_any) = (!self.resets, self.conditions == Rule::Any);
        let runner = self.runner(number);
        if level == 0 && is_strict {
            let wanted = places(&round);
            let found = runner.expected.iter().position(|round| *round == wanted);
            let found = found.unwrap_or_else(|| panic!("round {wanted:?} is not due"));
            runner.expected.remove(found);
        }
        if let (true, [(_, member)]) = (is_any && level == 0, &round[..])
            && let Some(object) = member.object
        {
            let open = runner.works.values().filter(|firing| !firing.is_over);
            let open = open.flat_map(|firing| places(&firing.round));
            let queued = runner.expected.iter().flatten().copied();
            let older = open.chain(queued).map(|place| place.0);
            let older = older.chain(runner.away.iter().copied());
            let older: Vec<u64> = older.filter(|other| *other < member.sequence).collect();
            let is_same = |sequence: &&u64| {
                let message = &self.messages[usize::try_from(**sequence).unwrap() - 1];
                message.object == Some(object)
            };
            let overtaken = older.iter().find(is_same);
            assert_eq!(overtaken, None, "overtaken by {}", member.sequence);
            self.ledger.start(object, member.sequence);
        }
        let released = &self.runner(number).released;
        let firing = Firing {
            is_released: round
                .iter()
                .any(|(_, member)| released.contains(&member.sequence)),
            round: Arc::clone(&round),
            is_over: false,
        };
        // One that was given back has the same work, and another copy of its round.
        let known = self.runner(number).works.entry(work).or_insert(firing);
        known.round = Arc::clone(&round);
        let performs = performs.includes(level == 0 && self.is_repeatable);
        self.ask(
            number,
            Pending::Attempt(Trial {
                work,
                level,
                round,
                renders: true,
                performs,
                is_held,
            }),
        );
    }

    /// Attempts are cut short: they are done or not.
    fn cancel(&mut self, number: usize, which: Cancel, wakes: &mut VecDeque<Wake>) {
        let waits = self.random.bool();
        let is_meant = |pending: &mut Pending| match pending {
            Pending::Attempt(trial) => {
                (trial.performs || waits) && (trial.is_held || which == Cancel::All)
            }
            _ => false,
        };
        let cut: Vec<Pending> = self
            .runner(number)
            .pending
            .extract_if(.., is_meant)
            .collect();
        for pending in cut {
            let Pending::Attempt(trial) = pending else {
                continue;
            };
            if trial.renders && (!trial.performs || self.random.bool()) {
                let (work, fired) = (trial.work, Fired::Interrupted);
                wakes.push_back(Wake::Fired { work, fired });
                continue;
            }
            let may_be_done = self.random.bool();
            let round = places(&trial.round);
            self.ledger.may_repeat(&round);
            if may_be_done && self.random.bool() {
                self.act(&trial.round, trial.level);
            }
            let (work, attempt) = (trial.work, Attempt::Interrupted { may_be_done });
            wakes.push_back(if trial.renders {
                let deed = Deed {
                    is_repeatable: trial.level == 0 && self.is_repeatable,
                    round: trial.round,
                };
                let fired = Fired::Performed(deed, attempt);
                Wake::Fired { work, fired }
            } else {
                Wake::Performed { work, attempt }
            });
        }
        let rounds: Vec<_> = self
            .runner(number)
            .works
            .values()
            .map(|w| places(&w.round))
            .collect();
        for round in rounds {
            self.ledger.may_repeat(&round);
        }
    }

    /// A runner has nothing to do with a delivery any more.
    fn settle(&mut self, number: usize, sequence: u64, is_undone: bool) {
        let runner = self.runner(number);
        assert!(
            runner.in_hand.remove(&sequence),
            "{sequence} is settled twice"
        );
        if !is_undone {
            return;
        }
        runner.received -= 1;
        let rounds = runner.works.values().map(|firing| places(&firing.round));
        let rounds: Vec<_> = rounds
            .filter(|round| round.iter().any(|place| place.0 == sequence))
            .collect();
        for round in rounds {
            self.ledger.may_repeat(&round);
        }
    }

    /// A runner has ended; what it did not settle is free.
    fn leave(&mut self, number: usize) {
        let runner = self.runner(number);
        assert!(runner.pending.is_empty(), "ended with effects under way");
        assert!(runner.in_hand.is_empty(), "ended with deliveries in hand");
        self.balance(number);
        // The bus did not take it in time, and nobody waits any longer.
        let last_words = std::mem::take(&mut self.runner(number).last_words);
        self.ledger.may_be_lost(&last_words);
        // What could not be sent in time is not sent.
        let unsent = std::mem::take(&mut self.runner(number).outbox);
        let rounds: Vec<_> = self
            .runner(number)
            .works
            .values()
            .map(|w| places(&w.round))
            .collect();
        for round in rounds {
            if round.iter().any(|place| unsent.contains(&place.0)) {
                self.ledger.may_repeat(&round);
            }
        }
        self.runners.retain(|runner| runner.number != number);
        for message in &mut self.messages {
            message.held = message.held.filter(|(holder, _)| *holder != number);
        }
    }

    /// What came is what became of it.
    fn balance(&mut self, number: usize) {
        let limits = self.limits;
        let Some(runner) = self.runners.iter().find(|runner| runner.number == number) else {
            return;
        };
        let tally = runner.over.plus(&runner.state.tally());
        assert_eq!(tally.received(), runner.received, "received");
        let in_hand = runner.in_hand.len() as u64;
        assert_eq!(tally.count(Outcome::InFlight), in_hand, "in flight");
        for outcome in Outcome::ALL {
            if outcome != Outcome::InFlight {
                let count = runner.counts.get(&outcome).copied().unwrap_or_default();
                assert_eq!(tally.count(outcome), count, "{outcome}");
            }
        }
        let is_attempt = |pending: &&Pending| matches!(pending, Pending::Attempt(_));
        let running = runner.pending.iter().filter(is_attempt).count();
        assert!(running <= limits.running, "{running} attempts at a time");
    }
}
