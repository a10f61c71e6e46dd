//! Waiting. A story waits for a condition and never for a time: it may not matter how fast the machine is.

use std::time::Duration;

pub use tiphys_testbed::PATIENCE;
use tokio::time::{Instant, sleep};

/// How often a condition is looked at.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// How long nothing has to happen to be taken for nothing. Where the machine is slow, less is noticed;
/// nothing fails by that.
const SILENCE: Duration = Duration::from_millis(300);

/// Asks `probe` again and again until it gives a value.
///
/// # Panics
/// When it has given none in time.
pub async fn eventually<T, F>(what: &str, mut probe: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    eventually_ok(what, || {
        let asked = probe();
        async move { asked.await.ok_or("nothing yet") }
    })
    .await
}

/// Asks `probe` again and again until it succeeds.
///
/// # Panics
/// When it has not in time: with what it said last.
pub async fn eventually_ok<T, E, F>(what: &str, mut probe: impl FnMut() -> F) -> T
where
    E: std::fmt::Display,
    F: Future<Output = Result<T, E>>,
{
    match in_time(&mut probe).await {
        Ok(value) => value,
        Err(why) => panic!("{what} did not happen within {PATIENCE:?}: {why}"),
    }
}

/// Asks `probe` again and again until it succeeds.
///
/// # Errors
/// When it has not in time: with what it said last.
pub async fn in_time<T, E, F>(mut probe: impl FnMut() -> F) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        match probe().await {
            Err(_) if Instant::now() < deadline => {}
            outcome => return outcome,
        }
        sleep(POLL_INTERVAL).await;
    }
}

/// What `future` resolves to.
///
/// # Panics
/// When it does not resolve in time.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let resolved = tokio::time::timeout(PATIENCE, future).await;
    resolved.unwrap_or_else(|_| panic!("{what} did not happen within {PATIENCE:?}"))
}

/// What a future gives within half of the patience, for whoever tries a second time.
pub(crate) async fn in_half<T>(future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(PATIENCE / 2, future).await.ok()
}

/// What `future` resolves to within a moment in which it should not.
pub async fn in_silence<T>(future: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(SILENCE, future).await.ok()
}

/// Lets time pass: an outage lasts, a kill comes at a random moment, and nothing may happen meanwhile.
/// Whatever *should* happen is waited for by [`eventually`].
pub async fn pause(time: Duration) {
    sleep(time).await;
}

/// Lets time pass until a moment that was drawn.
pub async fn until(moment: Instant) {
    tokio::time::sleep_until(moment).await;
}

/// The option of `kubectl` for [`PATIENCE`].
pub fn kubectl_patience() -> String {
    format!("--timeout={}s", PATIENCE.as_secs())
}
