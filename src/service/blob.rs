//! Storage: one PUT for what is small, 4 MiB blocks and a list for what is not, a presigned PUT for S3.
//!
//! No bearer token and no form ever goes to storage. Block ids are the block's number, of equal length, so that a
//! block can be put again and a broken upload can be continued. The bytes come from a spool file that may still grow.

use super::retry::{Repeat, call, patiently};
use super::transport::{STORAGE_SILENCE, check_storage, clean, sentence, transport_failure};
use super::{Failure, FailureKind, Grant, Provider, Service};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::future::Future;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;
use url::Url;

/// One block: safe for every version of the storage API.
const BLOCK: u64 = 4 << 20;
/// From this block on (256 MiB) they are twice as large where the address's version takes that: half the answers to
/// wait for on a fast line, while what is in flight stays small. Still larger ones measure slower.
const LARGER_FROM: u32 = 64;
/// Storage versions from this one on take blocks of 100 MiB.
const LARGER_SINCE: &str = "2016-05-31";
/// The most that goes in one PUT.
const SINGLE: u64 = 64 << 20;
/// Storage commits no more blocks than this in one blob.
const MOST_BLOCKS: u64 = 50_000;

/// How far the spool file has grown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Growth {
    /// Bytes that will not change any more.
    pub len: u64,
    /// What it is going to have in the end, as far as can be told by now.
    pub expected: u64,
    /// Whether it has all its bytes.
    pub whole: bool,
    /// Whether it is whole, and what becomes of it is decided: the blob may be committed.
    pub finished: bool,
}

impl Growth {
    /// A file that is there.
    #[must_use]
    pub fn done(len: u64) -> Growth {
        Growth { len, expected: len, whole: true, finished: true }
    }
}

/// What was put already, for a continued upload to the same address.
pub trait BlockLog: Send + Sync {
    /// Number and length of each block that storage has.
    fn done(&self) -> Vec<(u32, u64)>;
    /// Notes that storage has a block.
    ///
    /// # Errors
    /// When the note cannot be kept.
    fn record(&self, index: u32, len: u64) -> crate::error::Result<()>;
}

/// A log for uploads that are not continued.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoBlockLog;

impl BlockLog for NoBlockLog {
    fn done(&self) -> Vec<(u32, u64)> {
        Vec::new()
    }

    fn record(&self, _index: u32, _len: u64) -> crate::error::Result<()> {
        Ok(())
    }
}

/// How to store.
#[derive(Clone)]
pub struct StoreOptions {
    /// Blocks in flight.
    pub parallel: usize,
    /// Bytes a second.
    pub bandwidth: Option<u64>,
    /// Told the bytes that storage has.
    pub progress: Option<Arc<dyn Fn(u64) + Send + Sync>>,
}

impl Default for StoreOptions {
    fn default() -> StoreOptions {
        StoreOptions { parallel: 4, bandwidth: None, progress: None }
    }
}

/// What storage has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its length.
    pub bytes: u64,
}

impl Service {
    /// Stores the spool file under the granted address, starting while it still grows.
    ///
    /// # Errors
    /// [`FailureKind::AddressExpired`] asks for a new grant; `Local` when the spool cannot be read or its writer gave
    /// up; else as storage fails, after retries.
    pub async fn store(
        &self,
        grant: &Grant,
        spool: &Path,
        mut growth: watch::Receiver<Growth>,
        log: &dyn BlockLog,
        options: &StoreOptions,
    ) -> Result<Stored, Failure> {
        check_storage(&self.inner.settings, grant.url.url())?;
        let file = std::fs::File::open(spool).map_err(|error| unreadable(spool, &error))?;
        let file = Arc::new(file);
        let limit = if grant.provider == Provider::Aws { u64::MAX } else { SINGLE };
        // What will surely be too large for one PUT need not be so before it is begun.
        let surely = |growth: &Growth| growth.len >= BLOCK && growth.expected / 2 > limit;
        let grown = *growth
            .wait_for(|growth| growth.finished || growth.len > limit || surely(growth))
            .await
            .map_err(gave_up)?;
        if grown.finished && grown.len <= limit {
            self.put_whole(grant, spool, &file, grown.len, options).await?;
            return Ok(Stored { bytes: grown.len });
        }
        self.put_blocks(grant.url.url(), spool, file, growth, log, options).await
    }

    async fn put_whole(
        &self,
        grant: &Grant,
        spool: &Path,
        file: &Arc<std::fs::File>,
        len: u64,
        options: &StoreOptions,
    ) -> Result<(), Failure> {
        let md5 = if grant.provider == Provider::Azure {
            Some(STANDARD.encode(digest(file, len).map_err(|error| unreadable(spool, &error))?))
        } else {
            None
        };
        call(Repeat::Safe, || async {
            let mut request = self.inner.storage.put(grant.url.url().clone()).header("content-length", len);
            if let Some(md5) = &md5 {
                request = request.header("x-ms-blob-type", "BlockBlob").header("content-md5", md5);
            }
            let body = Body { source: Source::File(file.clone()), len, options };
            self.put(request, body).await
        })
        .await?;
        if let Some(progress) = &options.progress {
            progress(len);
        }
        Ok(())
    }

    async fn put_blocks(
        &self,
        url: &Url,
        spool: &Path,
        file: Arc<std::fs::File>,
        mut growth: watch::Receiver<Growth>,
        log: &dyn BlockLog,
        options: &StoreOptions,
    ) -> Result<Stored, Failure> {
        let known: BTreeMap<u32, u64> = log.done().into_iter().collect();
        let version = url.query_pairs().find(|(name, _)| name == "sv").map(|(_, version)| version.into_owned());
        let (mut flying, mut sent, mut offset, mut index) = (JoinSet::new(), 0, 0, 0_u32);
        let mut whole = Md5::new();
        loop {
            let size = block_size(version.as_deref(), index);
            let wanted = offset + size;
            let there = |growth: &Growth| growth.finished || growth.whole || growth.len >= wanted;
            let grown = loop {
                tokio::select! {
                    grown = growth.wait_for(there) => break *grown.map_err(gave_up)?,
                    Some(ended) = flying.join_next() => landed(ended, log, &mut sent, options)?,
                }
            };
            let len = size.min(grown.len.saturating_sub(offset));
            if len == 0 {
                break;
            }
            if u64::from(index) >= MOST_BLOCKS {
                return Err(Failure::new(FailureKind::Local, "the shipment has more blocks than storage takes"));
            }
            let (file, so_far) = (file.clone(), whole);
            let read = tokio::task::spawn_blocking(move || {
                let (mut whole, mut block) = (so_far, vec![0; usize::try_from(len).unwrap_or_default()]);
                file.read_exact_at(&mut block, offset)?;
                whole.update(&block);
                let md5 = Md5::digest(&block).into();
                Ok((whole, block, md5))
            });
            let read = read.await.map_err(|_| Failure::new(FailureKind::Local, "reading the spool ended early"))?;
            let (so_far, block, md5) = read.map_err(|error| unreadable(spool, &error))?;
            whole = so_far;
            offset += len;
            if known.get(&index) == Some(&len) {
                sent += len;
            } else {
                while flying.len() >= options.parallel.max(1) {
                    let Some(ended) = flying.join_next().await else { break };
                    landed(ended, log, &mut sent, options)?;
                }
                let (service, url, number) = (self.clone(), url.clone(), index);
                let options = StoreOptions { progress: None, ..options.clone() };
                flying.spawn(async move {
                    service.put_block(&url, number, block, md5, &options).await.map(|()| (number, len))
                });
            }
            index += 1;
        }
        while let Some(ended) = flying.join_next().await {
            landed(ended, log, &mut sent, options)?;
        }
        growth.wait_for(|growth| growth.finished).await.map_err(gave_up)?;
        self.put_list(url, index, &STANDARD.encode(whole.finalize())).await?;
        Ok(Stored { bytes: offset })
    }

    async fn put_block(
        &self,
        url: &Url,
        index: u32,
        block: Vec<u8>,
        md5: [u8; 16],
        options: &StoreOptions,
    ) -> Result<(), Failure> {
        let mut url = url.clone();
        url.query_pairs_mut().append_pair("comp", "block").append_pair("blockid", &block_id(index));
        let (md5, len) = (STANDARD.encode(md5), block.len() as u64);
        // Cheap clones of one buffer: every try sends the same bytes.
        let block = bytes_of(block);
        call(Repeat::Safe, || {
            let request = self.inner.storage.put(url.clone()).header("content-md5", &md5).header("content-length", len);
            self.put(request, Body { source: Source::Memory(block.clone()), len, options })
        })
        .await
    }

    async fn put_list(&self, url: &Url, blocks: u32, md5: &str) -> Result<(), Failure> {
        let mut list = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>");
        for index in 0..blocks {
            // Writing to a String cannot fail.
            let _ = write!(list, "<Latest>{}</Latest>", block_id(index));
        }
        list.push_str("</BlockList>");
        let mut url = url.clone();
        url.query_pairs_mut().append_pair("comp", "blocklist");
        let plain = StoreOptions::default();
        call(Repeat::Safe, || {
            let request = self.inner.storage.put(url.clone()).header("x-ms-blob-content-md5", md5);
            let request = request.header("content-type", "application/xml").header("content-length", list.len());
            let body =
                Body { source: Source::Memory(bytes_of(list.clone().into())), len: list.len() as u64, options: &plain };
            self.put(request, body)
        })
        .await
    }

    /// One request to storage.
    async fn put(&self, request: reqwest::RequestBuilder, body: Body<'_>) -> Result<(), Failure> {
        let moved = Arc::new(AtomicU64::new(0));
        let mut seen = 0;
        let still = || {
            let now = moved.load(Ordering::Relaxed);
            std::mem::replace(&mut seen, now) == now
        };
        let request = request.body(reqwest::Body::wrap_stream(body.pieces(moved.clone())));
        let answer = patiently("storage", STORAGE_SILENCE, still, request.send()).await;
        let response = answer.map_err(|error| transport_failure(error, "storage"))?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let code = response.headers().get("x-ms-error-code").and_then(|code| code.to_str().ok()).map(clean);
        let answer = super::transport::body(response, 64 << 10, "storage").await.unwrap_or_default();
        Err(refused(status.as_u16(), code, &String::from_utf8_lossy(&answer)))
    }
}

/// What storage said no with.
fn refused(status: u16, code: Option<String>, answer: &str) -> Failure {
    let said = sentence(answer);
    let said = if said.is_empty() { code.clone().unwrap_or_default() } else { said };
    let is = |wanted: &str| code.as_deref() == Some(wanted) || said.starts_with(wanted);
    let mut failure = Failure::new(FailureKind::Refused, format!("storage answered {status}: {said}"));
    failure.status = Some(status);
    if matches!(status, 401 | 403 | 404) || is("InvalidBlockList") || is("InvalidBlobOrBlock") {
        // The signature's time is over, or blocks put before are gone: both are cured by starting over.
        failure.kind = FailureKind::AddressExpired;
        failure.hint = Some("if every address is refused, this host's clock may be wrong: logweir doctor".to_owned());
    } else if is("Md5Mismatch") || said.contains("contentMD5 doesn't match") {
        // Azure says it in the first way, Azurite in the second. Something on the way changed a byte; what lies in the spool is right.
        failure.retry_after = Some(Duration::from_millis(250));
        failure.hint = Some("the data was changed on the way: is a proxy rewriting it?".to_owned());
    } else if status == 413 {
        failure.hint = Some("storage takes less in one piece than documented; send smaller files".to_owned());
    }
    failure
}

/// A block that a task has put.
type Put = Result<Result<(u32, u64), Failure>, tokio::task::JoinError>;

fn landed(ended: Put, log: &dyn BlockLog, sent: &mut u64, options: &StoreOptions) -> Result<(), Failure> {
    let (index, len) = ended.map_err(|_| Failure::new(FailureKind::Local, "an upload task ended early"))??;
    log.record(index, len).map_err(|error| Failure::new(FailureKind::Local, error.one_line()))?;
    *sent += len;
    if let Some(progress) = &options.progress {
        progress(*sent);
    }
    Ok(())
}

fn gave_up(_: watch::error::RecvError) -> Failure {
    Failure::new(FailureKind::Local, "packing ended before the shipment was whole")
}

fn unreadable(spool: &Path, error: &std::io::Error) -> Failure {
    Failure::new(FailureKind::Local, format!("cannot read the spool file {}: {error}", spool.display()))
}

/// How large the block of this number is: the same for every try, so that a broken upload can be continued.
fn block_size(version: Option<&str>, index: u32) -> u64 {
    let larger = version.is_some_and(|version| version >= LARGER_SINCE);
    if larger && index >= LARGER_FROM { 2 * BLOCK } else { BLOCK }
}

fn block_id(index: u32) -> String {
    STANDARD.encode(format!("{index:09}"))
}

fn bytes_of(block: Vec<u8>) -> axum::body::Bytes {
    axum::body::Bytes::from(block)
}

fn digest(file: &std::fs::File, len: u64) -> std::io::Result<[u8; 16]> {
    let (mut hash, mut offset, mut buffer) = (Md5::new(), 0, vec![0; 1 << 20]);
    while offset < len {
        let want = usize::try_from(len - offset).unwrap_or(buffer.len()).min(buffer.len());
        file.read_exact_at(&mut buffer[..want], offset)?;
        hash.update(&buffer[..want]);
        offset += want as u64;
    }
    Ok(hash.finalize().into())
}

/// What a body is read from.
#[derive(Clone)]
enum Source {
    File(Arc<std::fs::File>),
    Memory(axum::body::Bytes),
}

/// The body of one request; a new try starts again from its beginning.
struct Body<'o> {
    source: Source,
    len: u64,
    options: &'o StoreOptions,
}

impl Body<'_> {
    /// In pieces, paced, each counted in `moved` as it goes out.
    fn pieces(self, moved: Arc<AtomicU64>) -> Pieces {
        let (cap, progress) = (self.options.bandwidth, self.options.progress.clone());
        Pieces { source: self.source, len: self.len, offset: 0, cap, progress, moved, pause: None }
    }
}

struct Pieces {
    source: Source,
    len: u64,
    offset: u64,
    cap: Option<u64>,
    progress: Option<Arc<dyn Fn(u64) + Send + Sync>>,
    moved: Arc<AtomicU64>,
    pause: Option<Pin<Box<tokio::time::Sleep>>>,
}

const PIECE: u64 = 256 << 10;

impl futures_core::Stream for Pieces {
    type Item = std::io::Result<axum::body::Bytes>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let size = (self.len - self.offset).min(PIECE);
        if size == 0 {
            return Poll::Ready(None);
        }
        if let Some(cap) = self.cap {
            let pause = self.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(turn(cap, size).into())));
            std::task::ready!(pause.as_mut().poll(context));
            self.pause = None;
        }
        let piece = match &self.source {
            // The spool was just written: it is in the page cache, reading it does not block for long.
            Source::File(file) => {
                let mut piece = vec![0; usize::try_from(size).unwrap_or_default()];
                file.read_exact_at(&mut piece, self.offset).map(|()| bytes_of(piece))
            }
            Source::Memory(bytes) => {
                let from = usize::try_from(self.offset).unwrap_or(bytes.len());
                Ok(bytes.slice(from..from + usize::try_from(size).unwrap_or_default()))
            }
        };
        self.offset += size;
        self.moved.fetch_add(size, Ordering::Relaxed);
        if let Some(progress) = &self.progress {
            progress(self.offset);
        }
        Poll::Ready(Some(piece))
    }
}

/// When the next piece may go out. The cap holds for the process, so its clock is the process's.
fn turn(cap: u64, bytes: u64) -> Instant {
    static FREE: Mutex<Option<Instant>> = Mutex::new(None);
    let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
    let now = Instant::now();
    let start = free.map_or(now, |free| free.max(now));
    *free = Some(start + Duration::from_micros(bytes.saturating_mul(1_000_000) / cap.max(1)));
    start
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_grow_only_where_the_address_allows_and_the_log_is_large() {
        let rows = [
            (None, 999, BLOCK),
            (Some("2014-02-14"), 999, BLOCK),
            (Some("2018-03-28"), 63, BLOCK),
            (Some("2018-03-28"), 64, 2 * BLOCK),
        ];
        for (version, index, size) in rows {
            assert_eq!(block_size(version, index), size, "{version:?} {index}");
        }
    }

    #[test]
    fn what_storage_refuses_is_cured_where_it_can_be() {
        let xml = |code: &str| format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>m</Message></Error>");
        let rows = [
            (403, None, xml("AuthenticationFailed"), FailureKind::AddressExpired, false),
            (403, Some("AuthorizationFailure"), String::new(), FailureKind::AddressExpired, false),
            (400, None, xml("InvalidBlockList"), FailureKind::AddressExpired, false),
            (400, Some("Md5Mismatch"), xml("Md5Mismatch"), FailureKind::Refused, true),
            (400, None, xml("MissingRequiredHeader"), FailureKind::Refused, false),
            (413, None, "<html><title>Too large</title></html>".to_owned(), FailureKind::Refused, false),
            (503, None, String::new(), FailureKind::Refused, false),
        ];
        for (status, code, body, kind, again) in rows {
            let failure = refused(status, code.map(str::to_owned), &body);
            assert_eq!((failure.kind, failure.retry_after.is_some()), (kind, again), "{status} {body}");
        }
    }

    #[test]
    fn block_ids_have_one_length() {
        assert_eq!(block_id(0).len(), block_id(49_999).len());
        assert_ne!(block_id(1), block_id(2));
    }
}
