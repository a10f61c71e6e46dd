//! How the servers of a bus are (pure): what the StatefulSet and the kubelet say, as a condition.

use tiphys_base::Reason;

use crate::condition::{Cause, Verdict};

/// Reason of the condition of a bus whose servers have a majority.
pub(super) const SERVING: Reason = Reason::Serving;

/// What there is to see of a bus' servers.
#[derive(Clone, Debug)]
pub(super) struct Servers {
    /// How many there should be.
    pub(super) wanted: i32,
    /// How many are ready.
    pub(super) ready: i32,
    /// Why some do not start, or are not made.
    pub(super) troubles: Vec<Trouble>,
}

/// Why a server does not start.
#[derive(Clone, Debug)]
pub(super) struct Trouble {
    /// What it is about, such as `pod a`.
    pub(super) subject: String,
    pub(super) reason: Cause,
    pub(super) message: String,
}

impl Servers {
    /// True if there are enough of them to agree on what is stored: more than half.
    pub(super) fn verdict(&self) -> Verdict {
        let Self { wanted, ready, .. } = self;
        let trouble = self.troubles.first();
        let message = match trouble {
            Some(Trouble {
                subject, message, ..
            }) => format!("{ready} of {wanted} servers are ready; {subject}: {message}"),
            None => format!("{ready} of {wanted} servers are ready"),
        };
        if *ready > wanted / 2 {
            return Verdict::is_well(SERVING, message);
        }
        match trouble {
            Some(trouble) => Verdict::fails(trouble.reason.clone(), message),
            None => Verdict::unknown(Reason::ServersStarting, message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Cause, Servers, Trouble};

    #[track_caller]
    fn check(ready: i32, wanted: i32, trouble: bool, expected: (&str, &str, &str)) {
        let trouble = trouble.then(|| Trouble {
            subject: "pod eventbus-eb-js-2".to_owned(),
            reason: Cause::kubernetes("ImagePullBackOff"),
            message: "Back-off pulling image".to_owned(),
        });
        let servers = Servers {
            wanted,
            ready,
            troubles: trouble.into_iter().collect(),
        };
        let verdict = servers.verdict();
        let status = format!("{:?}", verdict.status);
        assert_eq!(
            (
                status.as_str(),
                verdict.reason.as_str(),
                verdict.message.as_str()
            ),
            expected
        );
    }

    #[test]
    fn a_majority_serves() {
        check(1, 1, false, ("True", "Serving", "1 of 1 servers are ready"));
        check(2, 3, false, ("True", "Serving", "2 of 3 servers are ready"));
        let message = "2 of 3 servers are ready; pod eventbus-eb-js-2: Back-off pulling image";
        check(2, 3, true, ("True", "Serving", message));
    }

    #[test]
    fn half_of_the_servers_are_no_majority() {
        let starting = "ServersStarting";
        check(
            0,
            1,
            false,
            ("Unknown", starting, "0 of 1 servers are ready"),
        );
        check(
            1,
            3,
            false,
            ("Unknown", starting, "1 of 3 servers are ready"),
        );
        check(
            2,
            4,
            false,
            ("Unknown", starting, "2 of 4 servers are ready"),
        );
        let message = "0 of 3 servers are ready; pod eventbus-eb-js-2: Back-off pulling image";
        check(0, 3, true, ("False", "ImagePullBackOff", message));
    }
}
