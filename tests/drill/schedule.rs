//! What happens in a drill, and when: drawn from a seed, before anything is started.
//!
//! Nothing here waits, reads a clock or knows a server. The same seed and length give the same schedule.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::time::Duration;

use fastrand::Rng;

/// How many services there are at most: each is created, changed and deleted several times a minute.
const SERVICES: usize = 40;

/// Between two operations, in milliseconds: they come in bursts, so that there is much to do at some moments
/// and nothing at others.
const OPERATION_GAPS: [Range<u64>; 4] = [0..50, 0..50, 0..200, 200..2_000];

/// Between two events for the hostile sensor, in milliseconds. Each of them may take a core for as long as a
/// program has.
const ATTACK_GAP: Range<u64> = 1_000..5_000;

/// Between two faults of one part, in milliseconds: long enough for something to be done between them,
/// short enough for those of other parts to meet them.
const FAULT_GAP: Range<u64> = 6_000..22_000;

/// How many of ten operations on a service that is there delete it.
const DELETIONS_OF_TEN: u8 = 3;

/// What faults befall. At a time, each has one of them at most; those of different parts meet.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Part {
    /// The NATS server, and the line to it.
    Bus,
    /// The room in its store.
    Store,
    /// The API server, and the line to it.
    ApiServer,
    /// The process of `tiphys run`.
    Engine,
    /// The pods of an event source, one of which holds their lease.
    Sources,
    /// The pods of a sensor, one of which holds their lease.
    Sensors,
    /// The spec of that sensor.
    Spec,
}

/// What befalls a part.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Fault {
    /// SIGKILL, and a start after a while.
    Killed,
    /// SIGTERM, and a start after its end and a while.
    Stopped,
    /// SIGSTOP, and SIGCONT after a while. Of pods, the one with the lease, and for longer than that lasts.
    Frozen,
    /// Connections break, and no new ones come about.
    CutOff,
    /// Nothing that is sent arrives until the end.
    Silent,
    /// All that is sent is late.
    Slow,
    /// The store takes nothing.
    Full,
    /// The object is edited.
    Edited,
}

/// A fault of a part.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Incident {
    /// When it begins, after the start of the drill.
    pub(crate) at: Duration,
    pub(crate) part: Part,
    pub(crate) fault: Fault,
    /// How long it lasts at least: what has to start again takes longer.
    pub(crate) lasts: Duration,
}

/// Something the load does.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Operation {
    /// Creates an annotated service, or changes its port.
    Serve { service: usize, port: u16 },
    /// Deletes a service.
    Close { service: usize },
    /// Publishes an event that does harm where a sensor lets it.
    Attack(Attack),
}

/// What an event does to the sensor that waits for it.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Attack {
    /// A script that never ends: it runs into its deadline.
    Burn,
    /// A program that takes all the memory it may.
    Hoard,
    /// A format that once made the program panic.
    Panic,
    /// An object that the API server refuses.
    Fail,
    /// A target that takes the request and never answers.
    Hang,
    /// A target that is not there before the end.
    Away,
}

/// A whole drill.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Schedule {
    /// In the order of their beginnings.
    pub(crate) incidents: Vec<Incident>,
    /// In their order, with their moments after the start of the drill.
    pub(crate) operations: Vec<(Duration, Operation)>,
    /// The services that are there in the end, and their ports.
    pub(crate) services: BTreeMap<String, u16>,
}

impl Part {
    pub(crate) const ALL: [Self; 7] = [
        Self::Bus,
        Self::Store,
        Self::ApiServer,
        Self::Engine,
        Self::Sources,
        Self::Sensors,
        Self::Spec,
    ];

    /// What may befall it, and how long that lasts, in milliseconds.
    fn faults(self) -> &'static [(Fault, Range<u64>)] {
        // How long a lease lasts is in `stage.rs`: whoever is frozen for longer has lost it.
        const POD: [(Fault, Range<u64>); 3] = [
            (Fault::Killed, 0..3_000),
            (Fault::Stopped, 0..3_000),
            (Fault::Frozen, 14_000..20_000),
        ];
        match self {
            Self::Bus => &[
                (Fault::Killed, 0..4_000),
                (Fault::Frozen, 1_000..8_000),
                (Fault::CutOff, 1_000..8_000),
                (Fault::Silent, 2_000..12_000),
                (Fault::Slow, 5_000..15_000),
            ],
            Self::Store => &[(Fault::Full, 2_000..10_000)],
            Self::ApiServer => &[
                (Fault::Killed, 0..4_000),
                (Fault::Frozen, 1_000..8_000),
                (Fault::CutOff, 1_000..12_000),
                (Fault::Silent, 2_000..15_000),
                (Fault::Slow, 5_000..15_000),
            ],
            Self::Engine => &[
                (Fault::Killed, 0..3_000),
                (Fault::Stopped, 0..3_000),
                // After 30 s the bus delivers again what was not acknowledged.
                (Fault::Frozen, 1_000..36_000),
            ],
            Self::Sources | Self::Sensors => &POD,
            Self::Spec => &[(Fault::Edited, 0..1)],
        }
    }
}

impl Attack {
    pub(crate) const ALL: [Self; 6] = [
        Self::Burn,
        Self::Hoard,
        Self::Panic,
        Self::Fail,
        Self::Hang,
        Self::Away,
    ];

    /// The name of its event, and of the trigger that waits for that.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Burn => "burn",
            Self::Hoard => "hoard",
            Self::Panic => "panic",
            Self::Fail => "fail",
            Self::Hang => "hang",
            Self::Away => "away",
        }
    }
}

impl Schedule {
    /// Draws a drill of this length.
    pub(crate) fn draw(seed: u64, length: Duration) -> Self {
        let mut random = Rng::with_seed(seed);
        let mut incidents: Vec<Incident> = Part::ALL
            .into_iter()
            .flat_map(|part| incidents(part, length, &mut random.fork()))
            .collect();
        incidents.sort_by_key(|incident| incident.at);
        let (mut operations, services) = load(length, &mut random.fork());
        operations.extend(attacks(length, &mut random.fork()));
        operations.sort_by_key(|(at, _)| *at);
        Self {
            incidents,
            operations,
            services,
        }
    }

    /// The faults of one part, in order.
    pub(crate) fn of(&self, part: Part) -> Vec<Incident> {
        let incidents = self.incidents.iter().copied();
        incidents.filter(|incident| incident.part == part).collect()
    }

    /// How often a fault befalls a part.
    pub(crate) fn count(&self, part: Part, fault: Fault) -> usize {
        let of_part = self.of(part).into_iter();
        of_part.filter(|incident| incident.fault == fault).count()
    }
}

/// The name of a service.
pub(crate) fn service(number: usize) -> String {
    format!("web-{number}")
}

fn millis(range: &Range<u64>, random: &mut Rng) -> Duration {
    Duration::from_millis(random.u64(range.clone()))
}

/// Every kind of fault comes once before one comes again; all of them end within the drill.
fn incidents(part: Part, length: Duration, random: &mut Rng) -> Vec<Incident> {
    let mut incidents = Vec::new();
    let mut deck: Vec<&(Fault, Range<u64>)> = Vec::new();
    let mut at = millis(&FAULT_GAP, random) / 2;
    loop {
        if deck.is_empty() {
            deck.extend(part.faults());
            random.shuffle(&mut deck);
        }
        let Some((fault, range)) = deck.pop() else {
            return incidents;
        };
        let lasts = millis(range, random);
        if at + lasts > length {
            return incidents;
        }
        incidents.push(Incident {
            at,
            part,
            fault: *fault,
            lasts,
        });
        at += lasts + millis(&FAULT_GAP, random);
    }
}

/// Services that come, change and go, and those that are left.
fn load(length: Duration, random: &mut Rng) -> (Vec<(Duration, Operation)>, BTreeMap<String, u16>) {
    let mut operations = Vec::new();
    let mut ports = BTreeMap::new();
    // Each port once, so that an old one is seen to be old.
    let mut next_ports = (1..=u16::MAX).cycle();
    let mut at = Duration::ZERO;
    while at < length {
        let number = random.usize(0..SERVICES);
        let name = service(number);
        let closes = ports.contains_key(&name) && random.u8(0..10) < DELETIONS_OF_TEN;
        let operation = if closes {
            ports.remove(&name);
            Operation::Close { service: number }
        } else {
            let port = next_ports.next().unwrap_or(1);
            ports.insert(name, port);
            Operation::Serve {
                service: number,
                port,
            }
        };
        operations.push((at, operation));
        at += millis(
            &OPERATION_GAPS[random.usize(0..OPERATION_GAPS.len())],
            random,
        );
    }
    (operations, ports)
}

fn attacks(length: Duration, random: &mut Rng) -> Vec<(Duration, Operation)> {
    let mut attacks = Vec::new();
    let mut at = millis(&ATTACK_GAP, random);
    while at < length {
        let attack = Attack::ALL[random.usize(0..Attack::ALL.len())];
        attacks.push((at, Operation::Attack(attack)));
        at += millis(&ATTACK_GAP, random);
    }
    attacks
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Bus => "bus",
            Self::Store => "store",
            Self::ApiServer => "API server",
            Self::Engine => "engine",
            Self::Sources => "source pods",
            Self::Sensors => "sensor pods",
            Self::Spec => "sensor",
        })
    }
}

impl Fault {
    pub(crate) const ALL: [Self; 8] = [
        Self::Killed,
        Self::Stopped,
        Self::Frozen,
        Self::CutOff,
        Self::Silent,
        Self::Slow,
        Self::Full,
        Self::Edited,
    ];
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Killed => "killed",
            Self::Stopped => "stopped",
            Self::Frozen => "frozen",
            Self::CutOff => "cut off",
            Self::Silent => "silent",
            Self::Slow => "slow",
            Self::Full => "full",
            Self::Edited => "edited",
        })
    }
}

impl fmt::Display for Incident {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            at,
            part,
            fault,
            lasts,
        } = self;
        let (at, lasts) = (at.as_secs_f32(), lasts.as_secs_f32());
        write!(f, "{at:6.1} s  {part:<11} {fault}")?;
        if *fault == Fault::Edited {
            return Ok(());
        }
        write!(f, " for {lasts:.1} s")
    }
}

#[cfg(test)]
mod tests;
