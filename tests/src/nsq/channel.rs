//! Topics and their channels: what waits, what is with a client, and until when.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

/// A message of a channel.
#[derive(Debug, Clone)]
pub(super) struct Message {
    pub(super) id: String,
    pub(super) timestamp: i64,
    pub(super) attempts: u16,
    pub(super) body: Vec<u8>,
}

/// All topics of an nsqd.
#[derive(Debug)]
pub(super) struct Topics {
    named: BTreeMap<String, Topic>,
    timeout: Duration,
    last: u64,
}

#[derive(Debug, Default)]
struct Topic {
    /// What was published before there was a channel.
    waiting: VecDeque<Message>,
    channels: BTreeMap<String, Channel>,
}

#[derive(Debug, Default)]
struct Channel {
    waiting: VecDeque<Message>,
    deferred: Vec<(Instant, Message)>,
    in_flight: Vec<InFlight>,
}

#[derive(Debug)]
struct InFlight {
    client: u64,
    until: Instant,
    message: Message,
}

impl Topics {
    pub(super) fn new(names: &[&str], timeout: Duration) -> Self {
        let topics = names
            .iter()
            .map(|&name| (name.to_owned(), Topic::default()));
        Self {
            named: topics.collect(),
            timeout,
            last: 0,
        }
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(super) fn has(&self, topic: &str) -> bool {
        self.named.contains_key(topic)
    }

    /// A copy for each channel.
    pub(super) fn publish(&mut self, topic: &str, body: Vec<u8>) {
        self.last += 1;
        let now = jiff::Timestamp::now().as_nanosecond();
        let message = Message {
            id: format!("{:016x}", self.last),
            timestamp: i64::try_from(now).unwrap_or(i64::MAX),
            attempts: 0,
            body,
        };
        let topic = self.named.entry(topic.to_owned()).or_default();
        if topic.channels.is_empty() {
            topic.waiting.push_back(message);
        } else {
            for channel in topic.channels.values_mut() {
                channel.waiting.push_back(message.clone());
            }
        }
    }

    /// Makes what is missing; the first channel gets what has waited for it.
    pub(super) fn subscribe(&mut self, topic: &str, channel: &str) {
        let topic = self.named.entry(topic.to_owned()).or_default();
        let channel = topic.channels.entry(channel.to_owned()).or_default();
        channel.waiting.append(&mut topic.waiting);
    }

    /// The next message, for a client that has fewer than `ready`.
    pub(super) fn take(
        &mut self,
        (topic, channel): (&str, &str),
        client: u64,
        ready: usize,
        now: Instant,
    ) -> Option<Message> {
        let until = now + self.timeout;
        let channel = self.channel(topic, channel)?;
        channel.expire(now);
        let has = channel.in_flight.iter().filter(|one| one.client == client);
        if has.count() >= ready {
            return None;
        }
        let mut message = channel.waiting.pop_front()?;
        message.attempts += 1;
        channel.in_flight.push(InFlight {
            client,
            until,
            message: message.clone(),
        });
        Some(message)
    }

    /// Ends what a client has of a message; `None` if it has it no longer.
    pub(super) fn finish(&mut self, of: (&str, &str), client: u64, id: &str) -> Option<Message> {
        let channel = self.channel(of.0, of.1)?;
        let mut in_flight = channel.in_flight.iter();
        let place = in_flight.position(|one| one.client == client && one.message.id == id)?;
        Some(channel.in_flight.remove(place).message)
    }

    /// Gives a message back, to come again after a while; `None` if the client has it no longer.
    pub(super) fn requeue(
        &mut self,
        of: (&str, &str),
        client: u64,
        id: &str,
        at: Option<Instant>,
    ) -> Option<()> {
        let message = self.finish(of, client, id)?;
        let channel = self.channel(of.0, of.1)?;
        match at {
            Some(at) => channel.deferred.push((at, message)),
            None => channel.waiting.push_back(message),
        }
        Some(())
    }

    /// A client needs longer; `None` if it has the message no longer.
    pub(super) fn touch(
        &mut self,
        of: (&str, &str),
        client: u64,
        id: &str,
        now: Instant,
    ) -> Option<()> {
        let until = now + self.timeout;
        let mut in_flight = self.channel(of.0, of.1)?.in_flight.iter_mut();
        let one = in_flight.find(|one| one.client == client && one.message.id == id)?;
        one.until = until;
        Some(())
    }

    /// nsqd ends and starts again: clients have nothing any more.
    pub(super) fn restart(&mut self) {
        for topic in self.named.values_mut() {
            for channel in topic.channels.values_mut() {
                for one in channel.in_flight.drain(..).rev() {
                    channel.waiting.push_front(one.message);
                }
            }
        }
    }

    pub(super) fn depth(&self, topic: &str, channel: &str) -> usize {
        let Some(topic) = self.named.get(topic) else {
            return 0;
        };
        match topic.channels.get(channel) {
            Some(channel) => {
                channel.waiting.len() + channel.deferred.len() + channel.in_flight.len()
            }
            None => topic.waiting.len(),
        }
    }

    pub(super) fn in_flight(&self, topic: &str, channel: &str) -> usize {
        let topic = self.named.get(topic);
        let channel = topic.and_then(|topic| topic.channels.get(channel));
        channel.map_or(0, |channel| channel.in_flight.len())
    }

    fn channel(&mut self, topic: &str, channel: &str) -> Option<&mut Channel> {
        self.named.get_mut(topic)?.channels.get_mut(channel)
    }
}

impl Channel {
    /// What clients have kept too long goes back, as does what was to come again by now.
    fn expire(&mut self, now: Instant) {
        for one in self.in_flight.extract_if(.., |one| one.until <= now) {
            self.waiting.push_back(one.message);
        }
        for (_, message) in self.deferred.extract_if(.., |(at, _)| *at <= now) {
            self.waiting.push_back(message);
        }
    }
}
