//! Logins that end, kept until shortly before.

use std::fmt::Display;

use jiff::{SignedDuration, Timestamp};

/// How long before its end a login is renewed, as by the libraries of AWS.
const RENEWED_BEFORE: SignedDuration = SignedDuration::from_mins(5);

/// How long nobody is asked again after a login could not be renewed and still counts.
const ASKED_AGAIN: SignedDuration = SignedDuration::from_secs(30);

/// A login that may end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Temporary<L> {
    pub(crate) login: L,
    /// When it ends, if it does.
    pub(crate) expires: Option<Timestamp>,
}

/// A login, while it is kept.
#[derive(Debug)]
pub(crate) struct Kept<L> {
    known: Option<Temporary<L>>,
    /// Nobody is asked for another one before.
    asked_again_at: Option<Timestamp>,
}

impl<L> Default for Kept<L> {
    fn default() -> Self {
        Self {
            known: None,
            asked_again_at: None,
        }
    }
}

impl<L: Clone> Kept<L> {
    /// The login, unless another one is to be asked for.
    pub(crate) fn usable(&self, now: Timestamp) -> Option<L> {
        let known = self.known.as_ref()?;
        let left = known.expires.map(|end| end.duration_since(now));
        let is_fresh = left.is_none_or(|left| left > RENEWED_BEFORE);
        let is_asked_later = self.asked_again_at.is_some_and(|at| now < at);
        let counts = left.is_none_or(|left| left > SignedDuration::ZERO);
        (is_fresh || is_asked_later && counts).then(|| known.login.clone())
    }

    /// Keeps another login; if there is none, the one that is known stays for as long as it counts.
    pub(crate) fn answered<E: Display>(
        &mut self,
        asked: Result<Temporary<L>, E>,
        now: Timestamp,
    ) -> Result<L, E> {
        match asked {
            Ok(new) => {
                let login = new.login.clone();
                self.known = Some(new);
                // One that lasts less than it is renewed before is asked for no more often, either.
                self.asked_again_at = now.checked_add(ASKED_AGAIN).ok();
                Ok(login)
            }
            Err(error) => {
                self.asked_again_at = now.checked_add(ASKED_AGAIN).ok();
                let usable = self.usable(now);
                if usable.is_some() {
                    tracing::warn!(%error, "Failed to renew a login, which still counts");
                }
                usable.ok_or(error)
            }
        }
    }
}

impl<L> Kept<L> {
    /// Forgets a login that is `refused` before its end: another one is asked for at once.
    pub(crate) fn forget(&mut self, refused: impl FnOnce(&L) -> bool) {
        if self.known.take_if(|known| refused(&known.login)).is_some() {
            self.asked_again_at = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn temporary(login: &'static str, expires: &str) -> Temporary<&'static str> {
        Temporary {
            login,
            expires: Some(expires.parse().unwrap()),
        }
    }

    fn at(time: &str) -> Timestamp {
        format!("2026-01-02T{time}Z").parse().unwrap()
    }

    #[test]
    fn a_login_is_renewed_before_it_ends_and_kept_if_that_fails() {
        let mut kept = Kept::default();
        assert_eq!(kept.usable(at("10:00:00")), None);
        let first = temporary("first", "2026-01-02T11:00:00Z");
        kept.answered(Ok::<_, &str>(first), at("10:00:00")).unwrap();
        assert_eq!(kept.usable(at("10:54:59")), Some("first"));
        assert_eq!(kept.usable(at("10:55:00")), None);
        let still = kept.answered(Err("no answer"), at("10:55:00"));
        assert_eq!(still, Ok("first"));
        assert_eq!(kept.usable(at("10:55:29")), Some("first"));
        assert_eq!(kept.usable(at("10:55:30")), None);
        assert!(kept.answered(Err("no answer"), at("11:00:00")).is_err());
        assert_eq!(kept.usable(at("11:00:01")), None);
        let second = temporary("second", "2026-01-02T12:00:00Z");
        kept.answered(Ok::<_, &str>(second), at("11:00:02"))
            .unwrap();
        assert_eq!(kept.usable(at("11:30:00")), Some("second"));
        kept.forget(|login| *login == "first");
        assert_eq!(kept.usable(at("11:30:00")), Some("second"));
        kept.forget(|login| *login == "second");
        assert_eq!(kept.usable(at("11:30:00")), None);
    }
}
