//! The messages of the embedded bus, oldest first, within the limits of the stream. Pure: the time
//! comes as an argument.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use crate::settings::{Discard, StreamSettings};
use crate::{Outgoing, Position, StartAt, StoredMessage, Subject};

/// Most bytes that messages take in memory, whatever the settings say: then those give way that nobody
/// waits for, and if there are none, whoever publishes waits.
const MAX_MEMORY: usize = 256 << 20;

/// What a message takes besides its texts: its entry, and its subject among the last ones.
const OVERHEAD: usize = 256;

/// Most bytes of ids that are remembered; beyond that the duplicates window gets shorter.
const MAX_IDS: usize = 32 << 20;

/// What an id takes besides its text, which is there twice.
const ID_OVERHEAD: usize = 128;

/// JetStream's window where nothing is said.
const DUPLICATES: Duration = Duration::from_mins(2);

/// One message.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) sequence: u64,
    pub(super) stored_at: Timestamp,
    pub(super) subject: Subject,
    pub(super) payload: Bytes,
}

/// When messages give way, whether somebody waits for them or not: as the stream's settings say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Limits {
    messages: Option<usize>,
    bytes: Option<usize>,
    age: Option<Duration>,
    duplicates: Duration,
    discard: Discard,
}

/// What became of a message.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Appended {
    /// Stored under this number.
    Stored(u64),
    /// A message with this id is stored under this number already.
    Duplicate(u64),
    /// A limit is reached, and the stream is to refuse messages then.
    Full,
}

/// Messages with consecutive numbers.
#[derive(Debug)]
pub(super) struct Log {
    messages: VecDeque<Entry>,
    /// The number of the next message.
    next: u64,
    /// Of payload.
    bytes: usize,
    /// All that the messages take.
    memory: usize,
    limits: Limits,
    ids: HashMap<String, u64>,
    id_bytes: usize,
    /// The ids of the duplicates window, oldest first.
    id_times: VecDeque<(Timestamp, String)>,
    last_by_subject: HashMap<Subject, u64>,
    /// Messages that gave way since they were last asked for.
    dropped: Vec<Entry>,
}

impl Entry {
    fn cost(&self) -> usize {
        cost(&self.subject, &self.payload)
    }

    pub(super) fn stored(&self) -> StoredMessage {
        StoredMessage {
            position: Position::from_wire(self.sequence),
            stored_at: self.stored_at,
            payload: self.payload.clone(),
        }
    }
}

impl Limits {
    pub(super) fn of(settings: &StreamSettings) -> Self {
        let positive = |limit: Option<i64>| {
            limit
                .and_then(|limit| usize::try_from(limit).ok())
                .filter(|limit| *limit > 0)
        };
        Self {
            messages: positive(settings.max_msgs),
            bytes: positive(settings.max_bytes),
            age: settings.max_age.filter(|age| !age.is_zero()),
            duplicates: settings
                .duplicates
                .filter(|d| !d.is_zero())
                .unwrap_or(DUPLICATES),
            discard: settings.discard.unwrap_or(Discard::Old),
        }
    }

    fn are_exceeded(&self, messages: usize, bytes: usize) -> bool {
        self.messages.is_some_and(|limit| messages > limit)
            || self.bytes.is_some_and(|limit| bytes > limit)
    }
}

impl Log {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            messages: VecDeque::new(),
            next: 1,
            bytes: 0,
            memory: 0,
            limits,
            ids: HashMap::new(),
            id_bytes: 0,
            id_times: VecDeque::new(),
            last_by_subject: HashMap::new(),
            dropped: Vec::new(),
        }
    }

    /// Takes over what `settings` say, and returns the names of what that changed.
    pub(super) fn set_limits(
        &mut self,
        settings: &StreamSettings,
        now: Timestamp,
    ) -> Vec<&'static str> {
        let wanted = Limits::of(settings);
        let limits = &mut self.limits;
        let mut changed = Vec::new();
        let mut set = |name, said: bool, change: &mut dyn FnMut() -> bool| {
            if said && change() {
                changed.push(name);
            }
        };
        set("maxMsgs", settings.max_msgs.is_some(), &mut || {
            std::mem::replace(&mut limits.messages, wanted.messages) != wanted.messages
        });
        set("maxAge", settings.max_age.is_some(), &mut || {
            std::mem::replace(&mut limits.age, wanted.age) != wanted.age
        });
        set("maxBytes", settings.max_bytes.is_some(), &mut || {
            std::mem::replace(&mut limits.bytes, wanted.bytes) != wanted.bytes
        });
        set("duplicates", settings.duplicates.is_some(), &mut || {
            std::mem::replace(&mut limits.duplicates, wanted.duplicates) != wanted.duplicates
        });
        set("discard", settings.discard.is_some(), &mut || {
            std::mem::replace(&mut limits.discard, wanted.discard) != wanted.discard
        });
        self.expire(now);
        while self.limits.are_exceeded(self.messages.len(), self.bytes) {
            self.drop_first();
        }
        changed
    }

    /// Whether there is room in memory for a message. What nobody needs gives way for it.
    pub(super) fn has_room(
        &mut self,
        message: &Outgoing,
        now: Timestamp,
        is_needed: impl Fn(&Entry) -> bool,
    ) -> bool {
        self.expire(now);
        if self.ids.contains_key(&message.id) {
            // It is stored already.
            return true;
        }
        let cost = cost(&message.subject, &message.payload);
        while self.memory + cost > MAX_MEMORY {
            match self.messages.front() {
                Some(first) if is_needed(first) => return false,
                Some(_) => self.drop_first(),
                None => break,
            }
        }
        true
    }

    pub(super) fn append(&mut self, message: Outgoing, now: Timestamp) -> Appended {
        self.expire(now);
        let Outgoing {
            subject,
            id,
            payload,
        } = message;
        if let Some(&sequence) = self.ids.get(&id) {
            return Appended::Duplicate(sequence);
        }
        while self
            .limits
            .are_exceeded(self.messages.len() + 1, self.bytes + payload.len())
        {
            if self.limits.discard == Discard::New || self.messages.is_empty() {
                return Appended::Full;
            }
            self.drop_first();
        }
        let sequence = self.next;
        self.next += 1;
        self.bytes += payload.len();
        self.memory += cost(&subject, &payload);
        self.remember(id, sequence, now);
        match self.last_by_subject.get_mut(&subject) {
            Some(last) => *last = sequence,
            None => {
                self.last_by_subject.insert(subject.clone(), sequence);
            }
        }
        self.messages.push_back(Entry {
            sequence,
            stored_at: now,
            subject,
            payload,
        });
        Appended::Stored(sequence)
    }

    fn remember(&mut self, id: String, sequence: u64, now: Timestamp) {
        self.id_bytes += id_cost(&id);
        self.ids.insert(id.clone(), sequence);
        self.id_times.push_back((now, id));
        while self.id_bytes > MAX_IDS {
            self.forget_id();
        }
    }

    fn forget_id(&mut self) {
        if let Some((_, id)) = self.id_times.pop_front() {
            self.id_bytes -= id_cost(&id);
            self.ids.remove(&id);
        }
    }

    /// Drops what is too old, and forgets ids that are out of the duplicates window.
    pub(super) fn expire(&mut self, now: Timestamp) {
        let window = self.limits.duplicates;
        while self
            .id_times
            .front()
            .is_some_and(|(at, _)| is_older(*at, window, now))
        {
            self.forget_id();
        }
        if let Some(age) = self.limits.age {
            while self
                .messages
                .front()
                .is_some_and(|first| is_older(first.stored_at, age, now))
            {
                self.drop_first();
            }
        }
    }

    fn drop_first(&mut self) {
        if let Some(first) = self.messages.pop_front() {
            self.bytes -= first.payload.len();
            self.memory -= first.cost();
            if self.last_by_subject.get(&first.subject) == Some(&first.sequence) {
                self.last_by_subject.remove(&first.subject);
            }
            self.dropped.push(first);
        }
    }

    /// The messages that gave way since the last call.
    pub(super) fn take_dropped(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.dropped)
    }

    pub(super) fn get(&self, sequence: u64) -> Option<&Entry> {
        let first = self.messages.front()?.sequence;
        self.messages
            .get(usize::try_from(sequence.checked_sub(first)?).ok()?)
    }

    /// How many messages are stored.
    pub(super) fn len(&self) -> usize {
        self.messages.len()
    }

    /// The number of the next message.
    pub(super) fn next(&self) -> u64 {
        self.next
    }

    /// The messages from `sequence` on.
    pub(super) fn from(&self, sequence: u64) -> impl Iterator<Item = &Entry> {
        let first = self
            .messages
            .front()
            .map_or(self.next, |first| first.sequence);
        let skip = usize::try_from(sequence.saturating_sub(first)).unwrap_or(usize::MAX);
        self.messages.range(skip.min(self.messages.len())..)
    }

    /// The number of the first message of a consumer or reader that begins there.
    pub(super) fn first_of(&self, start: StartAt) -> u64 {
        match start {
            StartAt::First => 1,
            StartAt::Time(time) => self.since(time),
            StartAt::After(position) => position.to_wire() + 1,
        }
    }

    /// The messages under a subject.
    pub(super) fn stored(
        &self,
        subject: &Subject,
        start: StartAt,
    ) -> impl Iterator<Item = StoredMessage> {
        self.from(self.first_of(start))
            .filter(move |message| message.subject == *subject)
            .map(Entry::stored)
    }

    /// The number of the first message stored at or after `time`.
    fn since(&self, time: Timestamp) -> u64 {
        let index = self
            .messages
            .partition_point(|message| message.stored_at < time);
        self.messages
            .get(index)
            .map_or(self.next, |message| message.sequence)
    }

    pub(super) fn last(&self, subject: &Subject) -> Option<StoredMessage> {
        let message = self.get(*self.last_by_subject.get(subject)?)?;
        Some(message.stored())
    }
}

/// What a message takes in memory.
fn cost(subject: &Subject, payload: &Bytes) -> usize {
    OVERHEAD + subject.as_str().len() + payload.len()
}

fn id_cost(id: &str) -> usize {
    ID_OVERHEAD + 2 * id.len()
}

fn is_older(time: Timestamp, age: Duration, now: Timestamp) -> bool {
    Duration::try_from(now.duration_since(time)).is_ok_and(|since| since > age)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(id: u32, payload: usize) -> Outgoing {
        Outgoing {
            subject: Subject::event("s", "e"),
            id: format!("{id:032}"),
            payload: Bytes::from(vec![b'x'; payload]),
        }
    }

    #[test]
    fn what_nobody_needs_gives_way_and_what_somebody_needs_stays() {
        let now = Timestamp::UNIX_EPOCH;
        let mut log = Log::new(Limits::of(&StreamSettings::default()));
        // The subject has 11 bytes.
        let mebibyte = (1 << 20) - 256 - 11;
        for id in 0..256 {
            assert!(log.has_room(&message(id, mebibyte), now, |_| true));
            assert_eq!(
                log.append(message(id, mebibyte), now),
                Appended::Stored(u64::from(id) + 1)
            );
        }
        let next = message(256, mebibyte);
        assert!(!log.has_room(&next, now, |_| true));
        assert!(!log.has_room(&message(256, 0), now, |_| true));
        assert!(
            log.has_room(&message(255, mebibyte), now, |_| true),
            "it is stored already"
        );
        // The first three are done with.
        assert!(log.has_room(&next, now, |entry| entry.sequence > 3));
        assert_eq!(log.take_dropped().len(), 1);
        let twice = message(256, 2 * mebibyte);
        assert!(log.has_room(&twice, now, |entry| entry.sequence > 3));
        assert_eq!(log.take_dropped().len(), 1);
        let thrice = message(256, 3 << 20);
        assert!(!log.has_room(&thrice, now, |entry| entry.sequence > 3));
    }

    #[test]
    fn ids_take_bounded_memory() {
        let now = Timestamp::UNIX_EPOCH;
        let mut log = Log::new(Limits::of(&StreamSettings::parse("maxMsgs: 1").unwrap()));
        for id in 0..200_000 {
            log.append(message(id, 0), now);
        }
        // 192 bytes each.
        assert_eq!(log.ids.len(), 174_762);
        assert_eq!(log.id_times.len(), 174_762);
        assert_eq!(
            log.append(message(199_999, 0), now),
            Appended::Duplicate(200_000)
        );
        assert_eq!(log.append(message(0, 0), now), Appended::Stored(200_001));
    }
}
