//! The object in the folder of a pod: a volume that is looked at, again and again.

use std::path::PathBuf;
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::unfold;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::{Change, Changes};
use crate::files::Files;
use crate::spec::{self, Refused};
use crate::{Key, Kind};

/// How often the files are looked at.
const LOOK: Duration = Duration::from_millis(200);

/// A folder that is looked at.
struct Folder {
    kind: Kind,
    path: PathBuf,
    files: Files,
    looks: Interval,
    /// What was in it last.
    key: Option<Key>,
}

/// The object in a folder, at first and after each change.
pub(crate) fn folder(kind: Kind, path: PathBuf) -> Changes {
    let mut looks = interval(LOOK);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let folder = Folder {
        kind,
        files: Files::new(spec::files(&path)),
        path,
        looks,
        key: None,
    };
    unfold(folder, |mut folder| async {
        let change = folder.next().await;
        Some((change, folder))
    })
    .boxed()
}

impl Folder {
    async fn next(&mut self) -> Change {
        loop {
            self.looks.tick().await;
            if self.files.have_changed() {
                return self.read().await;
            }
        }
    }

    async fn read(&mut self) -> Change {
        let (kind, path) = (self.kind, self.path.clone());
        let read = tokio::task::spawn_blocking(move || spec::load(kind, &path)).await;
        let read = read.unwrap_or_else(|error| {
            Err(Refused {
                key: None,
                generation: None,
                faults: vec![format!("compiling failed: {error}")],
            })
        });
        match read {
            Ok(spec) => {
                self.key = Some(spec.key.clone());
                Change::Applied(spec)
            }
            Err(mut refused) => {
                // There is one object: whatever its file has become, it is about this one.
                refused.key = self.key.clone().or(refused.key);
                Change::Refused(refused)
            }
        }
    }
}
