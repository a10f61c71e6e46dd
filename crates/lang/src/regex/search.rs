//! Searches that cannot run away.
//!
//! The engine reads a text once for each match, but may have to look at every state of the pattern for
//! every byte, and nothing stops it. So what would take long at worst is left to an automaton that
//! nearly always needs one step for a byte, and that gives up where it does not.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use regex_automata::meta::{self, Regex as Engine};
use regex_automata::nfa::thompson;
use regex_automata::util::captures::Captures;
use regex_automata::util::iter::Searcher;
use regex_automata::{Anchored, Input, Match, MatchError, PatternID, hybrid};
use regex_syntax::hir::{Hir, HirKind};

use super::{Error, refusal};
use crate::deadline;

/// How many steps the engine may need at worst: the states of the pattern for each byte. They take a
/// tenth of a second.
const MAX_STEPS: usize = 20_000_000;

/// A search with fewer steps does not look at the clock.
const FEW_STEPS: usize = 100_000;

/// How much memory an automaton may take, once for the pattern and once for what it has learned; the
/// engine has one, too. Each of these may be there twice, for what is read forwards and backwards.
const AUTOMATON_BYTES: usize = 4 << 20;
const LEARNED_BYTES: usize = 1 << 20;

/// An automaton that has forgotten all it has learned so many times gives up, unless it has read many
/// bytes for each state.
const FORGOTTEN: usize = 3;
const LEAST_BYTES: usize = 10;

/// As many states of the pattern are looked at in the time of a byte that needs no look.
const STATES_OF_BYTE: usize = 5;

/// A compiled pattern. It matches anywhere in a text unless it is anchored.
#[derive(Debug, Clone)]
pub struct Regex(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    engine: Engine,
    source: String,
    /// About how many states have to be looked at for a byte at worst.
    states: usize,
    /// About how many it takes.
    bytes: usize,
    /// Made when it is needed first. `None`: the pattern is too large for it.
    automaton: OnceLock<Option<hybrid::regex::Regex>>,
}

/// A search that would take too long was not begun, or given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the pattern takes too long on a text of this length")]
pub struct TooLong;

/// The places of a match and of its groups: the first is that of the whole.
pub(crate) type Places = Vec<Option<Range<usize>>>;

impl Regex {
    /// Compiles what [`super::translate`] wrote, which is estimated to take so many bytes and may
    /// take `most`.
    pub(super) fn new(source: String, bytes: usize, most: usize) -> Result<Self, Error> {
        let config = meta::Config::new()
            .nfa_size_limit(Some(most))
            .hybrid_cache_capacity(LEARNED_BYTES);
        let engine = Engine::builder().configure(config).build(&source);
        let engine = engine.map_err(|error| Error {
            message: refusal(&error),
        })?;
        let states = regex_syntax::parse(&source).map_or(source.len(), |hir| states(&hir));
        Ok(Self(Arc::new(Inner {
            engine,
            source,
            states,
            bytes,
            automaton: OnceLock::new(),
        })))
    }

    /// About how many bytes it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.0.bytes
    }

    /// The names of the groups, the whole not counted.
    pub(crate) fn group_names(&self) -> impl Iterator<Item = Option<&str>> {
        let names = self.0.engine.group_info().pattern_names(PatternID::ZERO);
        names.skip(1)
    }

    /// Whether the pattern matches anywhere in `text`.
    ///
    /// # Errors
    /// If it would take too long to find out.
    pub fn is_match(&self, text: &str) -> Result<bool, TooLong> {
        if self.is_cheap(text.len(), 1)? {
            return Ok(self.0.engine.is_match(text));
        }
        let automaton = self.automaton()?.forward();
        let input = Input::new(text).earliest(true);
        let found = automaton.try_search_fwd(&mut automaton.create_cache(), &input);
        found.map(|end| end.is_some()).map_err(|_| TooLong)
    }

    /// Where the pattern matches in `text`, from left to right.
    pub(crate) fn find_iter<'s>(
        &'s self,
        text: &'s str,
    ) -> impl Iterator<Item = Result<Range<usize>, TooLong>> + 's {
        let mut searcher = Searcher::new(Input::new(text));
        let mut cache = None;
        std::iter::from_fn(move || {
            let found = searcher.try_advance(|input| self.find(input, &mut cache));
            found.map_err(|_| TooLong).transpose()
        })
        .map(|found| found.map(|found| found.range()))
    }

    /// Where the pattern and its groups match in `text`, from left to right.
    pub(crate) fn captures_iter<'s>(
        &'s self,
        text: &'s str,
    ) -> impl Iterator<Item = Result<Places, TooLong>> + 's {
        let mut searcher = Searcher::new(Input::new(text));
        let mut captures = self.0.engine.create_captures();
        let mut cache = None;
        std::iter::from_fn(move || {
            let found =
                searcher.try_advance(|input| self.capture(input, &mut captures, &mut cache));
            match found {
                Ok(found) => found.map(|_| Ok(places(&captures))),
                Err(_) => Some(Err(TooLong)),
            }
        })
    }

    fn find(&self, input: &Input<'_>, cache: &mut Cache) -> Result<Option<Match>, MatchError> {
        let gives_up = |_| MatchError::gave_up(input.start());
        if self.is_cheap(input.get_span().len(), 1).map_err(gives_up)? {
            return Ok(self.0.engine.search(input));
        }
        let automaton = self.automaton().map_err(gives_up)?;
        let cache = cache.get_or_insert_with(|| automaton.create_cache());
        automaton.try_search(cache, input)
    }

    fn capture(
        &self,
        input: &Input<'_>,
        captures: &mut Captures,
        cache: &mut Cache,
    ) -> Result<Option<Match>, MatchError> {
        let gives_up = |_| MatchError::gave_up(input.start());
        let groups = self.0.engine.captures_len();
        let is_cheap = |length| self.is_cheap(length, groups).map_err(gives_up);
        if is_cheap(input.get_span().len())? {
            self.0.engine.search_captures(input, captures);
            return Ok(captures.get_match());
        }
        let Some(found) = self.find(input, cache)? else {
            return Ok(None);
        };
        if !is_cheap(found.len())? {
            return Err(gives_up(TooLong));
        }
        let input = input.clone().span(found.span()).anchored(Anchored::Yes);
        self.0.engine.search_captures(&input, captures);
        Ok(captures.get_match())
    }

    /// Whether the engine ends soon on so many bytes.
    fn is_cheap(&self, length: usize, groups: usize) -> Result<bool, TooLong> {
        let steps = self.0.states.saturating_mul(length).saturating_mul(groups);
        if steps > FEW_STEPS && deadline::is_over() {
            return Err(TooLong);
        }
        Ok(steps <= MAX_STEPS)
    }

    fn automaton(&self) -> Result<&hybrid::regex::Regex, TooLong> {
        let automaton = self.0.automaton.get_or_init(|| {
            let config = hybrid::dfa::Config::new()
                .cache_capacity(LEARNED_BYTES)
                .minimum_cache_clear_count(Some(FORGOTTEN))
                .minimum_bytes_per_state(Some(LEAST_BYTES.max(self.0.states / STATES_OF_BYTE)));
            hybrid::regex::Builder::new()
                .dfa(config)
                .thompson(thompson::Config::new().nfa_size_limit(Some(AUTOMATON_BYTES)))
                .build(&self.0.source)
                .ok()
        });
        automaton.as_ref().ok_or(TooLong)
    }
}

/// What an automaton has learned.
type Cache = Option<hybrid::regex::Cache>;

fn places(captures: &Captures) -> Places {
    captures
        .iter()
        .map(|group| group.map(|span| span.range()))
        .collect()
}

/// About how many states the engine looks at for a byte at worst.
fn states(hir: &Hir) -> usize {
    match hir.kind() {
        HirKind::Empty | HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len(),
        HirKind::Class(_) => 4,
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or(repetition.min).max(1);
            states(&repetition.sub).saturating_mul(times as usize)
        }
        HirKind::Capture(capture) => states(&capture.sub),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(states).fold(0, usize::saturating_add)
        }
    }
}
