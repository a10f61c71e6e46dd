//! How a source hears that something happens in a directory.

use std::ffi::OsString;
use std::io;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

#[cfg(target_os = "linux")]
use self::kernel::Kernel;
use super::super::files::{Directory, Operation};

/// The pause between two looks, as in Argo Events.
const PAUSE: Duration = Duration::from_millis(100);

/// A large directory is looked at for a tenth of the time at most, and every ten seconds at least.
const PATIENCE: u32 = 10;
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What there is to hear.
#[derive(Debug)]
pub(super) enum News {
    /// Something happened to the file of this name.
    Told(Operation, OsString),
    /// Anything may have happened: look, and say so by [`Watch::looked`].
    Look,
}

/// What tells.
#[derive(Debug)]
pub(super) enum Watch {
    /// The kernel does.
    #[cfg(target_os = "linux")]
    Kernel(Kernel),
    /// It is time.
    Time {
        /// When to look.
        next: Instant,
    },
}

impl Watch {
    /// Listens to the kernel, or to the time only.
    pub(super) fn open(directory: &Directory, polls: bool) -> io::Result<Self> {
        #[cfg(target_os = "linux")]
        if !polls {
            return Kernel::open(&directory.folder).map(Self::Kernel);
        }
        let _ = (directory, polls);
        let next = Instant::now() + PAUSE;
        Ok(Self::Time { next })
    }

    /// The next news.
    ///
    /// # Errors
    /// If there will be no more.
    ///
    /// # Cancellation
    /// Nothing is lost.
    pub(super) async fn next(&mut self) -> io::Result<News> {
        match self {
            #[cfg(target_os = "linux")]
            Self::Kernel(kernel) => kernel.next().await,
            Self::Time { next } => {
                sleep_until(*next).await;
                Ok(News::Look)
            }
        }
    }

    /// It was looked, which took so long.
    pub(super) fn looked(&mut self, took: Duration) {
        #[cfg_attr(
            not(target_os = "linux"),
            expect(irrefutable_let_patterns, reason = "the kernel tells on Linux only")
        )]
        if let Self::Time { next } = self {
            *next = Instant::now() + (took * PATIENCE).clamp(PAUSE, LONGEST_PAUSE);
        }
    }
}

#[cfg(target_os = "linux")]
mod kernel {
    use std::fmt;
    use std::io;
    use std::path::Path;

    use futures::StreamExt as _;
    use inotify::{EventMask, EventStream, Inotify, WatchMask};

    use super::News;
    use crate::source::files::Operation;

    /// How many bytes of messages are read at a time.
    const READ: usize = 16 << 10;

    /// What the kernel tells of a directory.
    pub(in crate::source::file) struct Kernel {
        messages: EventStream<Vec<u8>>,
    }

    impl fmt::Debug for Kernel {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("Kernel").finish_non_exhaustive()
        }
    }

    impl Kernel {
        pub(super) fn open(folder: &Path) -> io::Result<Self> {
            let inotify = Inotify::init()?;
            let mask = WatchMask::CREATE
                | WatchMask::MODIFY
                | WatchMask::ATTRIB
                | WatchMask::DELETE
                | WatchMask::MOVE
                | WatchMask::DELETE_SELF
                | WatchMask::MOVE_SELF
                | WatchMask::ONLYDIR;
            inotify.watches().add(folder, mask)?;
            let messages = inotify.into_event_stream(vec![0; READ])?;
            Ok(Self { messages })
        }

        pub(super) async fn next(&mut self) -> io::Result<News> {
            loop {
                let Some(message) = self.messages.next().await else {
                    return Err(io::Error::other("the kernel says no more"));
                };
                let message = message?;
                let mask = message.mask;
                if mask.contains(EventMask::Q_OVERFLOW) {
                    return Ok(News::Look);
                }
                let gone = EventMask::DELETE_SELF
                    | EventMask::MOVE_SELF
                    | EventMask::UNMOUNT
                    | EventMask::IGNORED;
                if mask.intersects(gone) {
                    let why = "the directory was removed, moved or unmounted";
                    return Err(io::Error::new(io::ErrorKind::NotFound, why));
                }
                if let (Some(operation), Some(name)) = (operation(mask), message.name) {
                    return Ok(News::Told(operation, name));
                }
            }
        }
    }

    fn operation(mask: EventMask) -> Option<Operation> {
        let operations = [
            (EventMask::CREATE | EventMask::MOVED_TO, Operation::Create),
            (EventMask::DELETE, Operation::Remove),
            (EventMask::MODIFY, Operation::Write),
            (EventMask::MOVED_FROM, Operation::Rename),
            (EventMask::ATTRIB, Operation::Chmod),
        ];
        let told = operations.into_iter().find(|(of, _)| mask.intersects(*of));
        told.map(|(_, operation)| operation)
    }
}
