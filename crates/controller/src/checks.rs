//! Checks objects on threads of their own: programs are compiled, which takes as long as an object wants,
//! up to its budget.
//!
//! A first look is enough for nearly all. What needs more is checked one at a time, so that nobody
//! waits for what somebody else's objects cost.

use std::sync::Arc;

use tiphys_lang::effort;
use tokio::sync::Semaphore;
use tokio::task::{JoinError, spawn_blocking};

/// How many objects are looked at at a time.
const QUICK: usize = 4;

/// Who waits for a check.
#[derive(Debug)]
pub(crate) struct Checks {
    quick: Arc<Semaphore>,
    thorough: Arc<Semaphore>,
}

impl Default for Checks {
    fn default() -> Self {
        Self {
            quick: Arc::new(Semaphore::new(QUICK)),
            thorough: Arc::new(Semaphore::new(1)),
        }
    }
}

impl Checks {
    /// Runs a check.
    ///
    /// # Errors
    /// If it panics, or the process stops.
    ///
    /// # Cancellation
    /// It runs on, within its budget, and keeps its place until then.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        check: impl Fn() -> T + Send + Sync + 'static,
    ) -> Result<T, JoinError> {
        let check = Arc::new(check);
        let permit = Arc::clone(&self.quick).acquire_owned().await;
        let quick = Arc::clone(&check);
        let look = move || {
            let _permit = permit;
            effort::quickly(|| quick())
        };
        if let Some(result) = spawn_blocking(look).await? {
            return Ok(result);
        }
        let permit = Arc::clone(&self.thorough).acquire_owned().await;
        spawn_blocking(move || {
            let _permit = permit;
            check()
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
    use std::time::Duration;

    use tiphys_lang::jq::Program;
    use tokio::task::JoinSet;

    use super::*;

    /// Ends what a check waits for, also when the test fails.
    struct Release(Arc<AtomicBool>);

    impl Drop for Release {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    /// A check that is too dear for a first look, and then goes on until it is released.
    fn endless(is_over: Arc<AtomicBool>) -> impl Fn() + Send + Sync + 'static {
        let looks = AtomicUsize::new(0);
        move || {
            if looks.fetch_add(1, Ordering::Relaxed) == 0 {
                effort::within(|| while Program::compile(".").is_ok() {});
                return;
            }
            while !is_over.load(Ordering::Relaxed) {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
    }

    /// Objects that took minutes to compile stopped the controller of a cluster, and the webhook.
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn nobody_waits_for_the_objects_of_others() {
        let checks = Arc::new(Checks::default());
        let is_over = Arc::new(AtomicBool::new(false));
        let release = Release(Arc::clone(&is_over));
        let mut all = JoinSet::new();
        for _ in 0..20 {
            let (checks, check) = (Arc::clone(&checks), endless(Arc::clone(&is_over)));
            all.spawn(async move { checks.run(check).await });
        }
        while checks.thorough.available_permits() > 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let small = checks.run(|| effort::within(|| Program::compile(".").is_ok()));
        let small = tokio::time::timeout(Duration::from_mins(1), small).await;
        assert!(small.expect("it waited for others").unwrap());
        drop(release);
        for ended in all.join_all().await {
            ended.unwrap();
        }
    }

    #[tokio::test]
    async fn a_panic_is_told() {
        let checks = Checks::default();
        let error = checks.run(|| panic!("a defect")).await.unwrap_err();
        assert!(error.is_panic());
        assert_eq!(checks.run(|| 1).await.unwrap(), 1);
    }
}
