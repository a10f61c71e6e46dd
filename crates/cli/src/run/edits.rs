//! Manifests that are edited while they run: found changed by looking at their files.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::{BoxStream, pending, unfold};
use tiphys_worker::{Edition, Files};
use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::{error, info};

use super::{Seen, edition};
use crate::files;

/// How often the files are looked at. An edit counts at the second look that finds it unchanged: an
/// editor may write a file in parts.
const LOOK: Duration = Duration::from_millis(500);

/// Files and folders of manifests that are looked at.
pub(super) struct Edits {
    paths: Vec<PathBuf>,
    namespace: String,
    files: Files,
    looks: Interval,
    seen: Seen,
    /// Something has changed that was not read yet.
    is_due: bool,
}

impl Edits {
    /// Looks at the files from here on; objects without a namespace are in `namespace`.
    pub(super) fn new(paths: Vec<PathBuf>, namespace: String) -> Self {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut edits = Self {
            files: Files::new(Vec::new()),
            paths,
            namespace,
            looks,
            seen: Seen::default(),
            is_due: false,
        };
        edits.have_changed();
        edits
    }

    /// The objects after each edit. `seen` is what was found before.
    pub(super) fn editions(mut self, seen: Seen) -> BoxStream<'static, Edition> {
        // What was read from standard input does not change.
        if self.paths.iter().any(|path| path == Path::new("-")) {
            return pending().boxed();
        }
        self.seen = seen;
        let editions = unfold(self, |mut edits| async {
            let edition = edits.next().await;
            Some((edition, edits))
        });
        editions.boxed()
    }

    async fn next(&mut self) -> Edition {
        loop {
            self.looks.tick().await;
            if self.have_changed() {
                self.is_due = true;
            } else if std::mem::take(&mut self.is_due)
                && let Some(edition) = self.read().await
            {
                return edition;
            }
        }
    }

    fn have_changed(&mut self) -> bool {
        let is_other = self.files.watch(files::listed(&self.paths));
        self.files.have_changed() || is_other
    }

    /// The objects; `None` if they cannot be read.
    async fn read(&mut self) -> Option<Edition> {
        let (paths, namespace) = (self.paths.clone(), self.namespace.clone());
        let read = tokio::task::spawn_blocking(move || files::load(&paths, &namespace)).await;
        match read {
            Ok(Ok(loaded)) => {
                info!("The manifests were edited");
                let is_whole = self.seen.note(&loaded);
                Some(edition(loaded, &self.namespace, is_whole))
            }
            Ok(Err(error)) => {
                error!("{error:#}: what runs goes on");
                None
            }
            Err(error) => {
                error!(%error, "Reading the manifests failed: what runs goes on");
                None
            }
        }
    }
}
