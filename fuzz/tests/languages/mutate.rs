//! Makes programs and events from others: by tokens mostly, so that many of them still compile. Some
//! programs are drawn from a grammar instead.

use super::choices::Choices;
use super::corpus::Case;
use super::events;
use super::grammar::Grammar;

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

/// One case in so many is drawn from the grammar: they take long in a build without optimisation.
const DRAWN: usize = if cfg!(fuzzing) { 4 } else { 40 };

/// What cases are made from.
#[derive(Debug)]
pub(crate) struct Origin {
    pub(crate) corpus: Vec<Case>,
    /// Not every language has one.
    pub(crate) grammar: Option<Grammar>,
}

/// Makes cases; the same ones for the same choices.
pub(crate) struct Mutator<'o> {
    choices: Choices,
    corpus: &'o [Case],
    grammar: Option<&'o Grammar>,
}

impl<'o> Mutator<'o> {
    pub(crate) fn new(choices: Choices, origin: &'o Origin) -> Self {
        Self {
            choices,
            corpus: &origin.corpus,
            grammar: origin.grammar.as_ref(),
        }
    }

    pub(crate) fn case(&mut self) -> Case {
        if let Some(grammar) = self.grammar
            && self.choices.one_in(DRAWN)
        {
            return Case {
                event: events::pick(&mut self.choices),
                program: grammar.draw(&mut self.choices),
            };
        }
        let first = self.choices.below(self.corpus.len());
        let Case {
            mut program,
            mut event,
        } = self.corpus[first].clone();
        if self.choices.one_in(4) {
            let other = self.choices.below(self.corpus.len());
            event.clone_from(&self.corpus[other].event);
        }
        for _ in 0..self.choices.below(5) {
            let other = self.choices.below(self.corpus.len());
            let other = self.corpus[other].program.clone();
            program = self.mutate(&program, &other);
        }
        if self.choices.one_in(3) {
            for _ in 0..=self.choices.below(3) {
                let other = self.choices.below(self.corpus.len());
                let other = String::from_utf8_lossy(&self.corpus[other].event).into_owned();
                event = self
                    .mutate(&String::from_utf8_lossy(&event), &other)
                    .into_bytes();
            }
        }
        if self.choices.one_in(20) && !event.is_empty() {
            let at = self.choices.below(event.len());
            event[at] = self.choices.next().to_le_bytes()[0];
        }
        Case { program, event }
    }

    fn repeats(&mut self) -> usize {
        let bound = if self.choices.one_in(10) {
            MAX_REPEATS
        } else {
            8
        };
        usize::try_from(1 + self.choices.next() % bound).expect("it is small")
    }

    /// One change; `other` is another text of the kind.
    fn mutate(&mut self, text: &str, other: &str) -> String {
        let mut tokens = tokens(text);
        let others = self::tokens(other);
        let from = self.choices.below(tokens.len() + 1);
        let to = (from + self.choices.below(4)).min(tokens.len());
        let token = if self.choices.one_in(2) {
            self.choices.pick(&others)
        } else {
            self.choices.pick(&ODD)
        };
        let repeated;
        match self.choices.below(9) {
            0 => drop(tokens.drain(from..to)),
            1 => {
                let part = tokens[from..to].to_vec();
                tokens.splice(to..to, part);
            }
            2 if tokens.len() > 1 => {
                let (one, other) = (
                    self.choices.below(tokens.len()),
                    self.choices.below(tokens.len()),
                );
                tokens.swap(one, other);
            }
            3 if from < tokens.len() => tokens[from] = token,
            4 => tokens.insert(from, token),
            5 => {
                let at = self.choices.below(others.len() + 1);
                tokens.truncate(from);
                tokens.extend(&others[at..]);
            }
            6 => {
                let (open, close) = BRACKETS[self.choices.below(BRACKETS.len())];
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
                let others_from = self.choices.below(others.len() + 1);
                let others_to = (others_from + self.choices.below(12)).min(others.len());
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
