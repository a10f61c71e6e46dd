//! What all commands that stay have in common: how they begin, what stops them, and how they end.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tiphys_http::Server;
use tracing::{info, warn};

use crate::admin::{self, Admin};
use crate::logging::{self, Logging, Settings};
use crate::{Error, Signals};

/// How long a stop may take. Whoever stops a process expects it to end within five seconds.
pub const STOP: Duration = Duration::from_millis(4_700);

/// Runs a command to its end, on at most so many threads.
///
/// # Errors
/// If the process cannot begin, or those of the command.
pub fn start<F, E>(
    log: Settings,
    threads: Option<usize>,
    command: impl FnOnce(Logging) -> F,
) -> Result<ExitCode, E>
where
    F: Future<Output = Result<ExitCode, E>>,
    E: From<Error>,
{
    let logging = logging::start(log)?;
    // Both crates that speak TLS may be built with other providers too; this one is meant.
    rustls::crypto::ring::default_provider()
        .install_default()
        .ok();
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    if let Some(most) = threads {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        builder.worker_threads(cores.min(most));
    }
    let runtime = builder.enable_all().build().map_err(Error::Threads)?;
    let result = runtime.block_on(command(logging));
    // A jq program that is still running must not hold the process up.
    runtime.shutdown_timeout(Duration::from_millis(100));
    result
}

/// Opens the admin port, and says where it is.
///
/// # Errors
/// If it cannot be opened.
pub async fn open_admin(address: SocketAddr, admin: &Arc<Admin>) -> Result<Server, Error> {
    let server = admin::open(address, Arc::clone(admin)).await?;
    if let Some(address) = server.address() {
        info!(%address, "Serving metrics and health");
    }
    Ok(server)
}

/// Ends in order: waits for `stop` to finish what was received, unless a second signal comes.
pub async fn end(
    stop: impl Future<Output = ()>,
    signals: &mut Signals,
    code: ExitCode,
) -> ExitCode {
    info!("Stopping: finishing what was received");
    tokio::select! {
        ended = tokio::time::timeout(STOP, stop) => {
            if ended.is_err() {
                warn!("Not everything was finished in time; the rest is delivered again");
            }
            code
        }
        _ = signals.next() => {
            warn!("Stopped at once: what was in flight is delivered again");
            ExitCode::from(130)
        }
    }
}

/// A name that no other process has, for a process that is in no pod.
pub fn unique_name() -> String {
    format!("tiphys-{}-{:016x}", std::process::id(), fastrand::u64(..))
}
