//! Where network work runs, and how it hears that it is to stop.
//!
//! An order to stop is listened for before the work begins, and wins over work that ends at the same moment.

use crate::error::{Error, Kind, Result};
use std::time::Duration;
use tokio::runtime::Handle;

/// What a thread may still do when the work has ended: asking a name server that is away takes half a minute, and no
/// command waits for that.
const LAST_THREADS: Duration = Duration::from_millis(500);

/// A runtime whose end does not wait for what nobody wants any more.
pub(super) struct Runtime {
    handle: Handle,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Runtime {
    fn new() -> std::io::Result<Runtime> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        Ok(Runtime { handle: runtime.handle().clone(), runtime: Some(runtime) })
    }

    /// Runs work to its end.
    pub(super) fn block_on<F: Future>(&self, work: F) -> F::Output {
        self.handle.block_on(work)
    }
}

impl Drop for Runtime {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(LAST_THREADS);
        }
    }
}

/// A runtime for commands that talk to the network.
pub(super) fn runtime() -> Result<Runtime> {
    Runtime::new().map_err(|error| Error::failed("cannot start the network runtime").cause(error))
}

/// Runs network work until it is done or a person or the service manager asks to stop.
pub(super) fn block_on<T, E: Into<Error>>(work: impl Future<Output = std::result::Result<T, E>>) -> Result<T> {
    runtime()?.block_on(until_stopped(work))
}

/// The same, for commands that do several pieces of work in one runtime.
pub(super) async fn until_stopped<T, E: Into<Error>>(
    work: impl Future<Output = std::result::Result<T, E>>,
) -> Result<T> {
    let stopped = interrupted()?;
    tokio::select! {
        biased;
        () = stopped => Err(Error::new(Kind::Interrupted, "interrupted")),
        ended = work => ended.map_err(Into::into),
    }
}

/// Resolves when a person or the service manager asks to stop; listens from the call on, not from the first wait on.
pub(super) fn interrupted() -> Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let failed = |error| Error::failed("cannot listen for signals").cause(error);
    let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Instant;

    #[test]
    fn a_name_server_that_does_not_answer_holds_no_end_up() {
        let started = Instant::now();
        let (done, wait) = std::sync::mpsc::channel::<()>();
        let runtime = runtime().unwrap();
        // A look-up of a name runs so, and cannot be taken back.
        runtime
            .block_on(async { drop(tokio::task::spawn_blocking(move || wait.recv_timeout(Duration::from_secs(30)))) });
        drop(runtime);
        assert!(started.elapsed() < Duration::from_secs(15));
        drop(done);
    }
}
