//! The position of one durable consumer of the embedded bus. Pure: the time comes as an argument.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::log::{Entry, Log};
use crate::{Subject, SubscriptionConfig};

/// What was delivered and not yet acknowledged, and what comes next.
#[derive(Debug)]
pub(super) struct Consumer {
    /// How many deliveries there were.
    delivered: u64,
    subjects: Vec<Subject>,
    ack_wait: Duration,
    max_in_flight: usize,
    /// The number of the first message that was not looked at.
    next: u64,
    /// How many wanted messages are stored from `next` on.
    pending: u64,
    in_flight: BTreeMap<u64, InFlight>,
    /// When each message in flight is to be delivered again.
    due: BTreeSet<(Instant, u64)>,
}

#[derive(Debug)]
struct InFlight {
    attempts: u64,
    due: Instant,
}

/// What a consumer can do now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Deliver this message, with this delivery count.
    Deliver {
        /// Its number.
        sequence: u64,
        /// This delivery included.
        attempt: u64,
    },
    /// Nothing, until then or until it is woken.
    Wait(Option<Instant>),
}

impl Consumer {
    pub(super) fn new(config: &SubscriptionConfig, log: &Log) -> Self {
        let mut consumer = Self {
            delivered: 0,
            subjects: Vec::new(),
            ack_wait: Duration::ZERO,
            max_in_flight: 0,
            next: log.first_of(config.start),
            pending: 0,
            in_flight: BTreeMap::new(),
            due: BTreeSet::new(),
        };
        consumer.update(config, log);
        consumer
    }

    /// Takes over everything but the position.
    pub(super) fn update(&mut self, config: &SubscriptionConfig, log: &Log) {
        self.subjects.clone_from(&config.subjects);
        self.ack_wait = config.ack_wait;
        self.max_in_flight = config.max_in_flight.max(1);
        let wanted = log
            .from(self.next)
            .filter(|message| self.wants(&message.subject))
            .count();
        self.pending = wanted as u64;
    }

    pub(super) fn subjects(&self) -> &[Subject] {
        &self.subjects
    }

    fn wants(&self, subject: &Subject) -> bool {
        self.subjects.iter().any(|wanted| wanted.matches(subject))
    }

    /// Counts a message that was just stored; true if somebody waits for such.
    pub(super) fn stored(&mut self, subject: &Subject) -> bool {
        let wanted = self.wants(subject);
        self.pending += u64::from(wanted);
        wanted
    }

    /// Forgets a message that gave way.
    pub(super) fn dropped(&mut self, message: &Entry) {
        if message.sequence >= self.next && self.wants(&message.subject) {
            self.pending = self.pending.saturating_sub(1);
        }
        self.settle(message.sequence);
    }

    /// Whether a message is in somebody's hands, or is to be delivered yet.
    pub(super) fn needs(&self, message: &Entry) -> bool {
        self.in_flight.contains_key(&message.sequence)
            || message.sequence >= self.next && self.wants(&message.subject)
    }

    pub(super) fn turn(&mut self, log: &Log, now: Instant) -> Turn {
        if let Some(&(due, sequence)) = self.due.first()
            && due <= now
            && let Some(in_flight) = self.in_flight.get(&sequence)
        {
            let attempt = in_flight.attempts + 1;
            self.hand_out(sequence, attempt, now);
            return Turn::Deliver { sequence, attempt };
        }
        if self.in_flight.len() < self.max_in_flight && self.pending > 0 {
            let next = log
                .from(self.next)
                .find(|message| self.wants(&message.subject));
            if let Some(sequence) = next.map(|message| message.sequence) {
                self.next = sequence + 1;
                self.pending -= 1;
                self.hand_out(sequence, 1, now);
                return Turn::Deliver {
                    sequence,
                    attempt: 1,
                };
            }
        }
        Turn::Wait(self.due.first().map(|(due, _)| *due))
    }

    /// How many deliveries there were.
    pub(super) fn delivered(&self) -> u64 {
        self.delivered
    }

    /// The number of the last message that was delivered, or passed over; 0 if there is none.
    pub(super) fn reached(&self) -> u64 {
        self.next.saturating_sub(1)
    }

    /// The number of the last message before which everything is acknowledged; 0 if there is none.
    pub(super) fn done(&self) -> u64 {
        let open = self.in_flight.first_key_value();
        open.map_or(self.reached(), |(sequence, _)| sequence.saturating_sub(1))
    }

    /// How many messages are in flight, and how many of those were delivered before.
    pub(super) fn in_hand(&self) -> (u64, u64) {
        let repeated = self.in_flight.values().filter(|one| one.attempts > 1);
        (self.in_flight.len() as u64, repeated.count() as u64)
    }

    fn hand_out(&mut self, sequence: u64, attempts: u64, now: Instant) {
        self.delivered += 1;
        let due = now + self.ack_wait;
        if let Some(before) = self.in_flight.insert(sequence, InFlight { attempts, due }) {
            self.due.remove(&(before.due, sequence));
        }
        self.due.insert((due, sequence));
    }

    /// How many messages are still to be delivered for the first time.
    pub(super) fn pending(&self) -> u64 {
        self.pending
    }

    /// Whether nothing is left to be delivered or acknowledged.
    pub(super) fn is_idle(&self) -> bool {
        self.pending == 0 && self.in_flight.is_empty()
    }

    /// Ends the flight of a message.
    pub(super) fn settle(&mut self, sequence: u64) {
        if let Some(in_flight) = self.in_flight.remove(&sequence) {
            self.due.remove(&(in_flight.due, sequence));
        }
    }

    /// Lets a message in flight be delivered again at `due`.
    pub(super) fn postpone(&mut self, sequence: u64, due: Instant) {
        if let Some(in_flight) = self.in_flight.get_mut(&sequence) {
            self.due.remove(&(in_flight.due, sequence));
            in_flight.due = due;
            self.due.insert((due, sequence));
        }
    }

    pub(super) fn ack_wait(&self) -> Duration {
        self.ack_wait
    }

    /// As if it had been deleted and made again after the last acknowledged message.
    pub(super) fn begin_again(&mut self, now: Instant) {
        for in_flight in self.in_flight.values_mut() {
            in_flight.attempts = 0;
        }
        self.deliver_again(now);
    }

    /// Delivers all that is in flight again, in the order of the stream and before anything else.
    pub(super) fn deliver_again(&mut self, now: Instant) {
        self.due.clear();
        for (sequence, in_flight) in &mut self.in_flight {
            in_flight.due = now;
            self.due.insert((now, *sequence));
        }
    }
}
