//! Programs drawn from grammars that prefer what costs most: what repeats, nests, sorts and builds texts.
//!
//! A line of a grammar begins with a letter, or goes on with the line before. What stands in it, two
//! spaces apart, is what the letter may stand for, where `§X` is anything that `X` stands for. The first
//! letter is the program. Letters of the file `shared.txt` are in all of them.

use super::choices::Choices;

/// What each letter may stand for.
#[derive(Debug)]
pub(crate) struct Grammar(Vec<Rule>);

#[derive(Debug)]
struct Rule {
    letter: char,
    /// Those that end a text: hardly anything else is in them.
    plain: Vec<&'static str>,
    all: Vec<&'static str>,
}

const SHARED: &str = include_str!("grammars/shared.txt");

/// How deep texts are put into each other.
const DEPTH: usize = 5;

/// A text that is this long is brought to an end.
const LENGTH: usize = 1_500;

impl Grammar {
    pub(crate) fn read(text: &'static str) -> Self {
        let mut rules: Vec<Rule> = Vec::new();
        for line in text.lines().chain(SHARED.lines()) {
            let mut parts = line.split("  ").map(str::trim);
            let letter = parts.next().and_then(|first| first.chars().next());
            if let Some(letter) = letter {
                rules.push(Rule {
                    letter,
                    plain: Vec::new(),
                    all: Vec::new(),
                });
            }
            let rule = rules.last_mut().expect("a grammar begins with a letter");
            rule.all.extend(parts.filter(|part| !part.is_empty()));
        }
        for rule in &mut rules {
            let nests = |text: &&str| text.replace("§N", "").replace("§R", "").contains('§');
            let plain = rule.all.iter().filter(|text| !nests(text));
            rule.plain = plain.copied().collect();
        }
        Self(rules)
    }

    /// A text that the first letter stands for.
    pub(crate) fn draw(&self, choices: &mut Choices) -> String {
        let mut text = String::new();
        self.expand(&self.0[0], DEPTH, choices, &mut text);
        text
    }

    fn expand(&self, rule: &Rule, depth: usize, choices: &mut Choices, text: &mut String) {
        let ends = depth == 0 || text.len() > LENGTH;
        let is_plain = !rule.plain.is_empty() && (ends || choices.one_in(5));
        let mut rest = choices.pick(if is_plain { &rule.plain } else { &rule.all });
        while let Some((before, after)) = rest.split_once('§') {
            text.push_str(before);
            let letter = after.chars().next().expect("a letter follows");
            let inner = self.0.iter().find(|rule| rule.letter == letter);
            let inner = inner.unwrap_or_else(|| panic!("{letter} stands for something"));
            self.expand(inner, depth.saturating_sub(1), choices, text);
            rest = &after[letter.len_utf8()..];
        }
        text.push_str(rest);
    }
}
