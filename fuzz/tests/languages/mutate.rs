//! Makes programs and events from others: by tokens mostly, so that many of them still compile.

use super::corpus::Case;

/// What breaks things: numbers at the edges, brackets without end, and characters of odd width.
const ODD: [&str; 28] = [
    "0",
    "-1",
    "1",
    "2",
    "9223372036854775807",
    "-9223372036854775808",
    "18446744073709551616",
    "99999999999999999999999999",
    "1e308",
    "1e-400",
    "1e999",
    "0.1",
    "\"\"",
    "''",
    "`",
    "\\",
    "\u{0}",
    "\u{e9}",
    "\u{2028}",
    "\u{1f600}",
    "\u{fffd}",
    "\n",
    "\t",
    "null",
    "true",
    "{}",
    "[]",
    "..",
];

const BRACKETS: [(&str, &str); 8] = [
    ("(", ")"),
    ("[", "]"),
    ("{", "}"),
    ("{{", "}}"),
    ("\"", "\""),
    ("[[", "]]"),
    ("((", "))"),
    ("!", ""),
];

/// How often brackets or tokens are repeated at most.
const MAX_REPEATS: u64 = 3000;

/// The longest program or event made.
const MAX_LENGTH: usize = 64 * 1024;

/// Makes cases; the same ones for the same choices or seed.
pub(crate) struct Mutator<'c> {
    /// Decides before the seed does; the next one is at its end.
    choices: Vec<u8>,
    state: u64,
    corpus: &'c [Case],
}

impl<'c> Mutator<'c> {
    pub(crate) fn new(seed: u64, corpus: &'c [Case]) -> Self {
        Self {
            choices: Vec::new(),
            state: seed,
            corpus,
        }
    }

    /// Lets `choices` decide what is mutated, for as long as they last.
    #[cfg(fuzzing)]
    pub(crate) fn guided(choices: &[u8], corpus: &'c [Case]) -> Self {
        Self {
            choices: choices.iter().rev().copied().collect(),
            state: 1,
            corpus,
        }
    }

    pub(crate) fn case(&mut self) -> Case {
        let first = self.below(self.corpus.len());
        let Case {
            mut program,
            mut event,
        } = self.corpus[first].clone();
        if self.one_in(4) {
            let other = self.below(self.corpus.len());
            event.clone_from(&self.corpus[other].event);
        }
        for _ in 0..self.below(5) {
            let other = self.below(self.corpus.len());
            let other = self.corpus[other].program.clone();
            program = self.mutate(&program, &other);
        }
        if self.one_in(3) {
            for _ in 0..=self.below(3) {
                let other = self.below(self.corpus.len());
                let other = String::from_utf8_lossy(&self.corpus[other].event).into_owned();
                event = self
                    .mutate(&String::from_utf8_lossy(&event), &other)
                    .into_bytes();
            }
        }
        if self.one_in(20) && !event.is_empty() {
            let at = self.below(event.len());
            event[at] = self.next().to_le_bytes()[0];
        }
        Case { program, event }
    }

    /// The next choice, or else the next number of the `SplitMix64` generator.
    fn next(&mut self) -> u64 {
        if let Some(rest) = self.choices.len().checked_sub(2) {
            return self
                .choices
                .drain(rest..)
                .fold(0, |number, byte| number << 8 | u64::from(byte));
        }
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        let bound = u64::try_from(bound.max(1)).expect("lengths fit");
        usize::try_from(self.next() % bound).expect("it is below a length")
    }

    fn one_in(&mut self, chances: usize) -> bool {
        self.below(chances) == 0
    }

    fn pick<'a>(&mut self, tokens: &[&'a str]) -> &'a str {
        if tokens.is_empty() {
            return "";
        }
        let at = self.below(tokens.len());
        tokens[at]
    }

    fn repeats(&mut self) -> usize {
        let bound = if self.one_in(10) { MAX_REPEATS } else { 8 };
        usize::try_from(1 + self.next() % bound).expect("it is small")
    }

    /// One change; `other` is another text of the kind.
    fn mutate(&mut self, text: &str, other: &str) -> String {
        let mut tokens = tokens(text);
        let others = self::tokens(other);
        let from = self.below(tokens.len() + 1);
        let to = (from + self.below(4)).min(tokens.len());
        let token = if self.one_in(2) {
            self.pick(&others)
        } else {
            self.pick(&ODD)
        };
        let repeated;
        match self.below(9) {
            0 => drop(tokens.drain(from..to)),
            1 => {
                let part = tokens[from..to].to_vec();
                tokens.splice(to..to, part);
            }
            2 if tokens.len() > 1 => {
                let (one, other) = (self.below(tokens.len()), self.below(tokens.len()));
                tokens.swap(one, other);
            }
            3 if from < tokens.len() => tokens[from] = token,
            4 => tokens.insert(from, token),
            5 => {
                let at = self.below(others.len() + 1);
                tokens.truncate(from);
                tokens.extend(&others[at..]);
            }
            6 => {
                let (open, close) = BRACKETS[self.below(BRACKETS.len())];
                let times = self.repeats();
                repeated = (open.repeat(times), close.repeat(times));
                tokens.insert(to, &repeated.1);
                tokens.insert(from, &repeated.0);
            }
            7 => {
                let part = tokens[from..to].concat();
                let times = self.repeats().min(MAX_LENGTH / part.len().max(1));
                repeated = (part.repeat(times), String::new());
                tokens.insert(to, &repeated.0);
            }
            _ => {
                let others_from = self.below(others.len() + 1);
                let others_to = (others_from + self.below(12)).min(others.len());
                tokens.splice(from..from, others[others_from..others_to].iter().copied());
            }
        }
        let mut mutated = tokens.concat();
        if mutated.len() > MAX_LENGTH {
            mutated.truncate(mutated.floor_char_boundary(MAX_LENGTH));
        }
        mutated
    }
}

/// Words, runs of blanks, and single characters.
fn tokens(text: &str) -> Vec<&str> {
    #[derive(PartialEq)]
    enum Kind {
        Word,
        Blank,
        Other,
    }
    let kind = |char: char| match char {
        char if char.is_alphanumeric() || char == '_' => Kind::Word,
        char if char.is_whitespace() => Kind::Blank,
        _ => Kind::Other,
    };
    let mut tokens = Vec::new();
    let mut start = 0;
    let mut before: Option<Kind> = None;
    for (at, char) in text.char_indices() {
        let kind = kind(char);
        if before.is_some_and(|before| before != kind || kind == Kind::Other) {
            tokens.push(&text[start..at]);
            start = at;
        }
        before = Some(kind);
    }
    if start < text.len() {
        tokens.push(&text[start..]);
    }
    tokens
}
