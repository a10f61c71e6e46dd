//! Up to which resourceVersion everything is published, while later changes already are and earlier ones
//! are not yet.

use std::collections::VecDeque;

use super::object::Version;

/// The changes that are being published, in the order in which the API server reported them.
#[derive(Debug, Default)]
pub(super) struct Watermark {
    pending: VecDeque<Pending>,
    first: u64,
    version: Option<Version>,
}

#[derive(Debug)]
struct Pending {
    /// Where everything is published once this and all before it is; none within a list.
    version: Option<Version>,
    is_settled: bool,
}

impl Watermark {
    /// Begins a change; its number is to be settled when it is published.
    pub(super) fn begin(&mut self, version: Option<Version>) -> u64 {
        self.pending.push_back(Pending {
            version,
            is_settled: false,
        });
        self.first + self.pending.len() as u64 - 1
    }

    /// There is nothing to publish up to here.
    pub(super) fn pass(&mut self, version: Version) {
        match self.pending.back_mut() {
            None => self.version = Some(version),
            // However many of them come, they take the place of one.
            Some(change) if change.is_settled => change.version = Some(version),
            Some(_) => self.pending.push_back(Pending {
                version: Some(version),
                is_settled: true,
            }),
        }
    }

    /// The change of this number is published.
    pub(super) fn settle(&mut self, number: u64) {
        let at = number
            .checked_sub(self.first)
            .and_then(|at| usize::try_from(at).ok());
        if let Some(change) = at.and_then(|at| self.pending.get_mut(at)) {
            change.is_settled = true;
        }
        while self.pending.front().is_some_and(|change| change.is_settled) {
            self.first += 1;
            if let Some(Pending {
                version: Some(version),
                ..
            }) = self.pending.pop_front()
            {
                self.version = Some(version);
            }
        }
    }

    /// Everything up to this is published.
    pub(super) fn version(&self) -> Option<&Version> {
        self.version.as_ref()
    }
}

#[cfg(test)]
mod tests {
    use super::Watermark;

    fn version(watermark: &Watermark) -> Option<&str> {
        watermark.version().map(super::Version::as_str)
    }

    #[test]
    fn the_position_waits_for_the_earliest() {
        let mut watermark = Watermark::default();
        let first = watermark.begin(Some("1".into()));
        let second = watermark.begin(Some("2".into()));
        watermark.pass("3".into());
        watermark.pass("4".into());
        watermark.settle(second);
        assert_eq!(version(&watermark), None);
        watermark.settle(first);
        assert_eq!(version(&watermark), Some("4"));
        watermark.pass("5".into());
        assert_eq!(version(&watermark), Some("5"));
        let third = watermark.begin(Some("6".into()));
        assert_eq!(version(&watermark), Some("5"));
        watermark.settle(third);
        assert_eq!(version(&watermark), Some("6"));
    }

    #[test]
    fn what_a_list_leaves_moves_the_position_only_at_its_end() {
        let mut watermark = Watermark::default();
        let first = watermark.begin(None);
        let second = watermark.begin(None);
        watermark.pass("9".into());
        watermark.settle(first);
        assert_eq!(version(&watermark), None);
        watermark.settle(second);
        assert_eq!(version(&watermark), Some("9"));
    }
}
