//! The embedded service: the same API over real HTTP, with a real engine behind it.
//!
//! It checks what the remote service checks and refuses what it does not know. What arrives is parsed with the log
//! types we can read and matched with our own catalogue; a log is imported once per accepted `done_upload`. State lies in
//! a directory and survives a crash: an answered `done_upload` is in the journal before the answer goes out.

mod engine;
pub mod faults;
mod routes;
mod storage;
mod store;

pub use store::{Application, register_application, register_data_source};

use crate::error::{Error, Result};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How to run it.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// State directory.
    pub dir: PathBuf,
    /// How long an accepted log waits before it is processed.
    pub processing_delay: Duration,
    /// API calls a tenant may make in a minute.
    pub calls_a_minute: usize,
    /// Bad behaviour to order.
    pub faults: faults::Faults,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            dir: PathBuf::from("logweir-service"),
            processing_delay: Duration::from_secs(1),
            calls_a_minute: 30,
            faults: faults::Faults::default(),
        }
    }
}

/// A service that runs until stopped.
#[derive(Debug)]
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
    engine: JoinHandle<()>,
}

impl Running {
    /// Ends it; requests under way are cut off, which loses nothing that was answered.
    pub async fn stop(self) {
        // A receiver that is gone has stopped already.
        let _ = self.stop.send(());
        self.engine.abort();
        let _ = tokio::time::timeout(Duration::from_secs(5), self.server).await;
    }
}

/// Starts the service.
///
/// # Errors
/// When the state directory cannot be used or the address is taken.
pub async fn start(options: Options) -> Result<Running> {
    let failed = |error: std::io::Error| {
        Error::failed(format!("cannot listen on {}", options.listen))
            .cause(error)
            .hint("choose another with --listen ADDRESS; port 0 takes a free one")
    };
    let listener = tokio::net::TcpListener::bind(options.listen).await.map_err(failed)?;
    let addr = listener.local_addr().map_err(failed)?;
    let store = Arc::new(store::Store::open(&options.dir)?);
    let engine = tokio::spawn(engine::run(store.clone(), options.processing_delay));
    let faults = faults::Running::new(options.faults);
    let router = routes::router(store, addr, options.calls_a_minute)
        .layer(axum::middleware::from_fn_with_state(faults, faults::spoil));
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(async move {
        let served = axum::serve(listener, router).with_graceful_shutdown(async move {
            // Dropping the sender stops it as well.
            let _ = stopped.await;
        });
        if let Err(error) = served.await {
            tracing::error!("the embedded service ended: {error}");
        }
    });
    Ok(Running { addr, stop, server, engine })
}
