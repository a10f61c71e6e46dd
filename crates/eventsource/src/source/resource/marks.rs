//! Up to which resourceVersion everything is told, while later things already are and earlier ones
//! are not yet.

use std::collections::VecDeque;

use super::object::Version;

/// Marks, in the order in which the API server said things.
#[derive(Debug, Default)]
pub(super) struct Marks {
    open: VecDeque<Mark>,
    first: u64,
    told: Option<Version>,
}

#[derive(Debug)]
struct Mark {
    /// Where everything is told once this and all before it is; none within a list.
    version: Option<Version>,
    is_settled: bool,
}

impl Marks {
    /// Opens a mark, to be settled when what it stands for is told.
    pub(super) fn open(&mut self, version: Option<Version>) -> u64 {
        self.open.push_back(Mark {
            version,
            is_settled: false,
        });
        self.first + self.open.len() as u64 - 1
    }

    /// There was nothing to tell up to here.
    pub(super) fn pass(&mut self, version: Version) {
        match self.open.back_mut() {
            None => self.told = Some(version),
            // However many of them come, they take the place of one.
            Some(mark) if mark.is_settled => mark.version = Some(version),
            Some(_) => self.open.push_back(Mark {
                version: Some(version),
                is_settled: true,
            }),
        }
    }

    /// What the mark stands for is told.
    pub(super) fn settle(&mut self, mark: u64) {
        let at = mark
            .checked_sub(self.first)
            .and_then(|at| usize::try_from(at).ok());
        if let Some(mark) = at.and_then(|at| self.open.get_mut(at)) {
            mark.is_settled = true;
        }
        while self.open.front().is_some_and(|mark| mark.is_settled) {
            self.first += 1;
            if let Some(Mark {
                version: Some(version),
                ..
            }) = self.open.pop_front()
            {
                self.told = Some(version);
            }
        }
    }

    /// Everything up to this is told.
    pub(super) fn told(&self) -> Option<&Version> {
        self.told.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::Marks;

    fn told(marks: &Marks) -> Option<&str> {
        marks.told().map(super::Version::as_str)
    }

    #[test]
    fn the_position_waits_for_the_earliest() {
        let mut marks = Marks::default();
        let first = marks.open(Some("1".into()));
        let second = marks.open(Some("2".into()));
        marks.pass("3".into());
        marks.pass("4".into());
        marks.settle(second);
        assert_eq!(told(&marks), None);
        marks.settle(first);
        assert_eq!(told(&marks), Some("4"));
        marks.pass("5".into());
        assert_eq!(told(&marks), Some("5"));
        let third = marks.open(Some("6".into()));
        assert_eq!(told(&marks), Some("5"));
        marks.settle(third);
        assert_eq!(told(&marks), Some("6"));
    }

    #[test]
    fn what_a_list_leaves_moves_the_position_only_at_its_end() {
        let mut marks = Marks::default();
        let first = marks.open(None);
        let second = marks.open(None);
        marks.pass("9".into());
        marks.settle(first);
        assert_eq!(told(&marks), None);
        marks.settle(second);
        assert_eq!(told(&marks), Some("9"));
    }
}
