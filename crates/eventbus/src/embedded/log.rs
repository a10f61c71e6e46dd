//! The messages of the embedded bus, oldest first, within the limits of the stream. Pure: the time
//! comes as an argument.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;

use crate::settings::{Discard, StreamSettings};
use crate::{Outgoing, Position, StartAt, StoredMessage, Subject};

/// Most bytes of payload in memory, whatever the settings say.
const MAX_BYTES: usize = 256 * 1024 * 1024;

/// Most messages in memory, whatever the settings say.
const MAX_MESSAGES: usize = 1_000_000;

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

/// When messages give way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Limits {
    messages: usize,
    bytes: usize,
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
    bytes: usize,
    limits: Limits,
    ids: HashMap<String, u64>,
    /// The ids of the duplicates window, oldest first.
    id_times: VecDeque<(Timestamp, String)>,
    last_by_subject: HashMap<Subject, u64>,
    /// Messages that gave way since they were last asked for.
    dropped: Vec<Entry>,
}

impl Entry {
    fn stored(&self) -> StoredMessage {
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
            messages: positive(settings.max_msgs)
                .unwrap_or(MAX_MESSAGES)
                .min(MAX_MESSAGES),
            bytes: positive(settings.max_bytes)
                .unwrap_or(MAX_BYTES)
                .min(MAX_BYTES),
            age: settings.max_age.filter(|age| !age.is_zero()),
            duplicates: settings
                .duplicates
                .filter(|d| !d.is_zero())
                .unwrap_or(DUPLICATES),
            discard: settings.discard.unwrap_or(Discard::Old),
        }
    }
}

impl Log {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            messages: VecDeque::new(),
            next: 1,
            bytes: 0,
            limits,
            ids: HashMap::new(),
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
        while self.messages.len() > self.limits.messages || self.bytes > self.limits.bytes {
            self.drop_first();
        }
        changed
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
        while self.messages.len() >= self.limits.messages
            || self.bytes + payload.len() > self.limits.bytes
        {
            if self.limits.discard == Discard::New || self.messages.is_empty() {
                return Appended::Full;
            }
            self.drop_first();
        }
        let sequence = self.next;
        self.next += 1;
        self.bytes += payload.len();
        self.ids.insert(id.clone(), sequence);
        self.id_times.push_back((now, id));
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

    /// Drops what is too old, and forgets ids that are out of the duplicates window.
    pub(super) fn expire(&mut self, now: Timestamp) {
        let window = self.limits.duplicates;
        while self
            .id_times
            .front()
            .is_some_and(|(at, _)| is_older(*at, window, now))
        {
            if let Some((_, id)) = self.id_times.pop_front() {
                self.ids.remove(&id);
            }
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

fn is_older(time: Timestamp, age: Duration, now: Timestamp) -> bool {
    Duration::try_from(now.duration_since(time)).is_ok_and(|since| since > age)
}
