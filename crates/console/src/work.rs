//! Work that takes a while: deciding about events, compiling what somebody types.

use std::sync::Arc;
use std::time::Duration;

use tiphys_http::StatusCode;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::fail::Failure;

/// How long somebody waits for an answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// Runs `work` where it holds nobody up, and not more of it at a time than there are places.
///
/// # Errors
/// If there is no place, or it takes too long: it goes on then, and keeps its place until it ends.
pub(crate) async fn apart<T, W, F>(places: &Arc<Semaphore>, work: W) -> Result<T, Failure>
where
    T: Send + 'static,
    W: FnOnce() -> F + Send + 'static,
    F: Future<Output = Result<T, Failure>>,
{
    let busy = || {
        let busy = Failure::new(StatusCode::SERVICE_UNAVAILABLE, "the console is busy");
        busy.hint("it still works on earlier questions: ask again in a moment")
    };
    let answer = async {
        let place = Arc::clone(places).acquire_owned().await;
        let place = place.map_err(|_| busy())?;
        let handle = Handle::current();
        let answered = spawn_blocking(move || {
            let answer = handle.block_on(work());
            drop(place);
            answer
        });
        let broken = |_| Failure::new(StatusCode::INTERNAL_SERVER_ERROR, "a fault of this program");
        answered.await.map_err(broken)?
    };
    timeout(PATIENCE, answer).await.map_err(|_| busy())?
}
