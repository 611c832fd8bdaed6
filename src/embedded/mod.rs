//! The embedded service: the same API over real HTTP, with a real engine behind it.
//!
//! It checks what the remote service checks and refuses what it does not know. What arrives is parsed with the log
//! types we can read and matched with our own catalogue; a log is imported once per accepted `done_upload`. State lies in
//! a directory and survives a crash: an answered `done_upload` is on disk before the answer goes out. Uploads go to disk
//! as they arrive; nothing here holds a whole one in memory. What they show is counted by the discovery engine, and its
//! page is served at `/`.

mod activities;
mod alerts;
mod assertion;
mod blocking;
mod discovery;
mod engine;
mod entities;
mod families;
pub mod faults;
mod files;
mod graph;
mod insight;
mod lists;
mod local;
mod page;
mod people;
mod reports;
mod routes;
mod sign_in;
mod storage;
mod store;
mod subnets;
mod token;

pub use local::{Local, local};
pub use store::{Application, NewApplication, register_application, register_data_source, register_token};

use crate::domain::ByteCount;
use crate::error::{Error, Result};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// How a call over the budget is refused: the remote service's own way is not documented, all of these were seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Throttle {
    /// Header and text.
    #[default]
    Full,
    /// Only the header `Retry-After`.
    Header,
    /// Only the text with the seconds.
    Text,
    /// Status 429 and nothing else.
    Bare,
}

/// What the list of continuous reports is wrapped in: all of these were seen or documented.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Envelope {
    /// `{"streams": [...]}`
    #[default]
    Streams,
    /// `{"data": [...]}`
    Data,
    /// `[...]`
    List,
    /// One bare report.
    Object,
}

/// What the service insists on.
#[derive(Debug, Clone)]
pub struct Rules {
    /// API calls a tenant may make in a minute.
    pub calls_a_minute: usize,
    /// How a call over the budget is refused.
    pub throttle: Throttle,
    /// How long a token is good.
    pub token_good_for: Duration,
    /// How long an upload address is good.
    pub address_good_for: Duration,
    /// The `sv` of upload addresses, which decides how large a block may be.
    pub storage_version: String,
    /// What upload addresses begin with, when a proxy stands in front; `None` for our own address.
    pub storage_url: Option<String>,
    /// What the list of continuous reports is wrapped in.
    pub streams_as: Envelope,
    /// A data source that usually delivers raises an alert when it is silent for longer than this.
    pub silent_after: Duration,
}

impl Default for Rules {
    fn default() -> Rules {
        Rules {
            calls_a_minute: 30,
            throttle: Throttle::default(),
            token_good_for: Duration::from_secs(3_600),
            address_good_for: Duration::from_secs(3_600),
            storage_version: "2018-03-28".to_owned(),
            storage_url: None,
            streams_as: Envelope::default(),
            silent_after: Duration::from_secs(3_600),
        }
    }
}

/// How to run it.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// State directory.
    pub dir: PathBuf,
    /// How long an accepted log waits before it is processed.
    pub processing_delay: Duration,
    /// Processed logs are kept up to this many bytes, newest first.
    pub keep: ByteCount,
    /// What it insists on.
    pub rules: Rules,
    /// Bad behaviour to order.
    pub faults: faults::Faults,
    /// A file of decisions about apps that makes the verdict, read again when it changes.
    pub tags: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            dir: PathBuf::from("logweir-service"),
            processing_delay: Duration::from_secs(1),
            keep: ByteCount(1 << 30),
            rules: Rules::default(),
            faults: faults::Faults::default(),
            tags: None,
        }
    }
}

/// A service that runs until stopped.
pub struct Running {
    /// Where it listens.
    pub addr: SocketAddr,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
    engine: JoinHandle<()>,
    store: Arc<store::Store>,
    reports: Arc<reports::Reports>,
}

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Running").field("addr", &self.addr).finish_non_exhaustive()
    }
}

impl Running {
    /// The page of all continuous reports together, as it is served at `/`.
    pub fn page(&self) -> Arc<str> {
        self.reports.global_page(&self.store)
    }

    /// Serves until `end`, or until the service has ended by itself, which it does only when it cannot go on.
    async fn until(mut self, end: impl Future<Output = ()>) {
        tokio::select! {
            _ = &mut self.server => {}
            () = end => self.stop().await,
        }
    }

    /// Ends it; requests under way have five seconds to be answered.
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
    let lock = store::lock(&options.dir)?;
    let listener = bind(options.listen).await?;
    run(options, lock, listener).await
}

async fn bind(address: SocketAddr) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        Error::failed(format!("cannot listen on {address}"))
            .cause(error)
            .hint("choose another with --listen ADDRESS; port 0 takes a free one")
    })
}

/// Serves `options.dir`, whose `lock` we have, on `listener`.
async fn run(options: Options, lock: std::fs::File, listener: TcpListener) -> Result<Running> {
    let addr = listener.local_addr().map_err(|error| Error::failed("the socket has no address").cause(error))?;
    let store = Arc::new(store::Store::open(&options.dir)?);
    let reports = Arc::new(reports::Reports::open(&store, &options.dir, options.tags.as_deref())?);
    let pace =
        engine::Pace { delay: options.processing_delay, keep: options.keep, silent_after: options.rules.silent_after };
    let engine = tokio::spawn(engine::run(store.clone(), reports.clone(), pace));
    let faults = faults::Running::new(options.faults);
    let router = routes::router(store.clone(), reports.clone(), addr, options.rules)
        .layer(axum::middleware::from_fn_with_state(faults, faults::spoil));
    let (stop, stopped) = oneshot::channel::<()>();
    let server = tokio::spawn(async move {
        let _lock = lock;
        let served = axum::serve(listener, router.into_make_service_with_connect_info::<SocketAddr>())
            .with_graceful_shutdown(async move {
                // Dropping the sender stops it as well.
                let _ = stopped.await;
            });
        if let Err(error) = served.await {
            tracing::error!("the embedded service ended: {error}");
        }
    });
    Ok(Running { addr, stop, server, engine, store, reports })
}
