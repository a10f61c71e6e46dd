//! `goto` for Luau, which has only `break` and `continue`.
//!
//! A label that is jumped to from before ends a loop that runs once (`break` reaches the label); one
//! that is jumped to from after begins a loop that ends by itself (`continue` reaches it). Lua lets
//! no `goto` enter the scope of a local, so such a loop never hides a variable from what follows. A
//! jump out of several loops notes its number in a variable, which is looked at behind each of them.

use super::super::lex::Fault;
use super::{Parser, Place};

/// Order of insertions at one place.
const AFTER_LOOP: u8 = 0;
const CLOSE: u8 = 1;
const OPEN: u8 = 2;

/// One function of the script.
#[derive(Debug, Default)]
pub(super) struct Function {
    /// How many jumps leave more than one loop.
    far_jumps: usize,
}

/// One block of the script, its statements numbered.
#[derive(Debug, Default)]
pub(super) struct Block {
    /// The condition of a `repeat` sees the locals of its block.
    in_repeat: bool,
    statements: Vec<Statement>,
    labels: Vec<Label>,
    jumps: Vec<Jump>,
    /// Whether a semicolon may follow.
    open: bool,
}

#[derive(Debug)]
struct Statement {
    piece: usize,
    local: bool,
    label: bool,
}

#[derive(Debug)]
struct Label {
    name: String,
    statement: usize,
}

#[derive(Debug)]
struct Jump {
    /// The label, or nothing for `break`.
    label: Option<String>,
    piece: usize,
    line: usize,
    /// The statement of the current block that it is in.
    statement: usize,
    /// Where to look again, behind each loop that is left on the way.
    crossed: Vec<Place>,
}

/// A loop made for a label: the pieces it spans and where its closing text goes.
#[derive(Debug, Clone, Copy)]
struct Wrapper {
    label: usize,
    first: usize,
    end: usize,
    backward: bool,
}

impl Wrapper {
    /// Inner ones are shorter.
    fn rank(&self) -> i64 {
        i64::try_from(self.end - self.first).unwrap_or(i64::MAX)
    }

    fn holds(&self, piece: usize) -> bool {
        (self.first..self.end).contains(&piece)
    }
}

impl Block {
    pub(super) fn new(in_repeat: bool) -> Self {
        Self {
            in_repeat,
            ..Self::default()
        }
    }

    pub(super) fn begin(&mut self, piece: usize, local: bool) {
        self.statements.push(Statement {
            piece,
            local,
            label: false,
        });
        self.open = true;
    }

    /// Whether a semicolon is to be written here.
    pub(super) fn separate(&mut self) -> bool {
        std::mem::take(&mut self.open)
    }

    /// Notes a label; false if the block has it already.
    pub(super) fn label(&mut self, name: String, piece: usize) -> bool {
        let known = self.labels.iter().any(|label| label.name == name);
        self.labels.push(Label {
            name,
            statement: self.statements.len(),
        });
        self.statements.push(Statement {
            piece,
            local: false,
            label: true,
        });
        !known
    }

    pub(super) fn jump(&mut self, label: Option<String>, piece: usize, line: usize) {
        let statement = self.statements.len() - 1;
        self.jumps.push(Jump {
            label,
            piece,
            line,
            statement,
            crossed: Vec::new(),
        });
    }

    /// Takes over what leaves a block inside the statement just read.
    pub(super) fn take(&mut self, inner: Block) {
        let statement = self.statements.len() - 1;
        self.jumps.extend(
            inner
                .jumps
                .into_iter()
                .map(|jump| Jump { statement, ..jump }),
        );
    }

    fn find(&self, jump: &Jump) -> Option<usize> {
        let name = jump.label.as_ref()?;
        self.labels.iter().position(|label| label.name == *name)
    }

    /// A label with nothing but labels behind it is outside the scope of the locals of its block.
    fn is_last(&self, label: &Label) -> bool {
        self.statements[label.statement..]
            .iter()
            .all(|statement| statement.label)
    }

    fn check_scope(&self, jump: &Jump, label: &Label) -> Result<(), Fault> {
        let between = self.statements.get(jump.statement + 1..label.statement);
        let enters = between.is_some_and(|list| list.iter().any(|statement| statement.local));
        if enters && (self.in_repeat || !self.is_last(label)) {
            let message = format!("goto '{}' jumps into the scope of a local", label.name);
            return Err(Fault {
                message,
                line: jump.line,
            });
        }
        Ok(())
    }

    /// The loops that the labels of this block need.
    fn wrappers(&self, block_end: usize) -> Result<Vec<Wrapper>, Fault> {
        let mut wrappers: Vec<Wrapper> = Vec::new();
        for jump in &self.jumps {
            let Some(index) = self.find(jump) else {
                continue;
            };
            let label = &self.labels[index];
            self.check_scope(jump, label)?;
            let label_piece = self.statements[label.statement].piece;
            let backward = jump.statement > label.statement;
            let known = wrappers
                .iter_mut()
                .find(|w| w.label == index && w.backward == backward);
            let first = if backward {
                label_piece + 1
            } else {
                self.statements[jump.statement].piece
            };
            if let Some(wrapper) = known {
                wrapper.first = wrapper.first.min(first);
            } else {
                let end = if backward { block_end } else { label_piece };
                wrappers.push(Wrapper {
                    label: index,
                    first,
                    end,
                    backward,
                });
            }
        }
        self.nest(&mut wrappers)?;
        Ok(wrappers)
    }

    /// Widens forward loops until each two are apart or one inside the other.
    fn nest(&self, wrappers: &mut [Wrapper]) -> Result<(), Fault> {
        let mut changed = true;
        while std::mem::take(&mut changed) {
            for one in 0..wrappers.len() {
                for two in 0..wrappers.len() {
                    let (a, b) = (wrappers[one], wrappers[two]);
                    let overlap = a.first < b.first && b.first < a.end && a.end < b.end;
                    if !overlap {
                        continue;
                    }
                    if b.backward {
                        return self.unsupported(&a);
                    }
                    wrappers[two].first = a.first;
                    changed = true;
                }
            }
        }
        for wrapper in wrappers.iter() {
            let hides = self
                .statements
                .iter()
                .any(|s| s.local && wrapper.holds(s.piece));
            if self.in_repeat && hides {
                return self.unsupported(wrapper);
            }
        }
        Ok(())
    }

    fn unsupported<T>(&self, wrapper: &Wrapper) -> Result<T, Fault> {
        let label = &self.labels[wrapper.label];
        let line = self
            .jumps
            .iter()
            .find(|jump| self.find(jump) == Some(wrapper.label));
        Err(Fault {
            message: format!(
                "goto '{}' crosses another loop in a way not supported",
                label.name
            ),
            line: line.map_or(1, |jump| jump.line),
        })
    }
}

impl Parser {
    /// Writes the loops for the labels of a finished block, and the jumps to them.
    pub(super) fn resolve(
        &mut self,
        function: &mut Function,
        block: &mut Block,
    ) -> Result<(), Fault> {
        let wrappers = block.wrappers(self.pieces.len())?;
        for wrapper in &wrappers {
            let (open, close) = if wrapper.backward {
                ("while true do do", "end break end")
            } else {
                ("repeat do", "end until true")
            };
            let rank = wrapper.rank();
            self.inserts
                .push(((wrapper.first, OPEN, -rank, 0), open.into()));
            self.inserts
                .push(((wrapper.end, CLOSE, rank, 0), close.into()));
        }
        for mut jump in std::mem::take(&mut block.jumps) {
            let label = block.find(&jump);
            let target = label.and_then(|label| {
                let backward = jump.statement > block.labels[label].statement;
                wrappers
                    .iter()
                    .find(|w| w.label == label && w.backward == backward)
            });
            let mut crossed: Vec<_> = wrappers
                .iter()
                .filter(|w| w.holds(jump.piece))
                .filter(|w| target.is_none_or(|target| w.rank() < target.rank()))
                .map(|w| (w.end, CLOSE, w.rank(), 1))
                .collect();
            crossed.sort_by_key(|place| place.2);
            jump.crossed.extend(crossed);
            match target {
                Some(wrapper) => {
                    let action = if wrapper.backward {
                        "continue"
                    } else {
                        "break"
                    };
                    self.write_jump(function, &jump, action);
                }
                None => block.jumps.push(jump),
            }
        }
        Ok(())
    }

    /// Resolves the breaks of a loop just read; other jumps have one more loop to leave.
    pub(super) fn close_loop(
        &mut self,
        function: &mut Function,
        block: &mut Block,
        mut inner: Block,
    ) {
        let place = (self.pieces.len(), AFTER_LOOP, 0, 0);
        let jumps = std::mem::take(&mut inner.jumps);
        for mut jump in jumps {
            if jump.label.is_none() {
                self.write_jump(function, &jump, "break");
            } else {
                jump.crossed.push(place);
                inner.jumps.push(jump);
            }
        }
        block.take(inner);
    }

    /// Refuses jumps that nothing caught, and declares what the far ones need.
    pub(super) fn close_function(
        &mut self,
        start: usize,
        function: &Function,
        block: Block,
    ) -> Result<(), Fault> {
        if let Some(jump) = block.jumps.into_iter().next() {
            let message = match jump.label {
                Some(name) => format!("no visible label '{name}' for goto"),
                None => "break outside of a loop".into(),
            };
            return Err(Fault {
                message,
                line: jump.line,
            });
        }
        if function.far_jumps > 0 {
            let pending = format!("local {} = 0;", self.pending);
            self.inserts.push(((start, OPEN, i64::MIN, 0), pending));
        }
        Ok(())
    }

    fn write_jump(&mut self, function: &mut Function, jump: &Jump, action: &str) {
        let Some((last, others)) = jump.crossed.split_last() else {
            self.pieces[jump.piece].text = format!("do {action} end");
            return;
        };
        function.far_jumps += 1;
        let (number, pending) = (function.far_jumps, &self.pending);
        self.pieces[jump.piece].text = format!("do {pending} = {number} break end");
        for place in others {
            self.inserts
                .push((*place, format!("if {pending} == {number} then break end")));
        }
        let text = format!("if {pending} == {number} then {pending} = 0 {action} end");
        self.inserts.push((*last, text));
    }
}
