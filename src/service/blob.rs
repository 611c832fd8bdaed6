//! Storage: one PUT for what is small, 4 MiB blocks and a list for what is not, a presigned PUT for S3.
//!
//! No bearer token and no form ever goes to storage. Block ids are the block's number, of equal length, so that a
//! block can be put again and a broken upload can be continued. The bytes come from a spool file that may still grow.

use super::retry::{Repeat, call};
use super::transport::{body, check_storage, clean, sentence, transport_failure};
use super::{Failure, FailureKind, Grant, Provider, Service};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use std::collections::BTreeMap;
use std::fmt::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::watch;
use tokio::task::JoinSet;
use url::Url;

/// One block: safe for every version of the storage API.
const BLOCK: u64 = 4 << 20;
/// The most that goes in one PUT.
const SINGLE: u64 = 64 << 20;
/// Storage commits no more blocks than this in one blob.
const MOST_BLOCKS: u64 = 50_000;

/// How far the spool file has grown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Growth {
    /// Bytes that will not change any more.
    pub len: u64,
    /// Whether it is whole.
    pub finished: bool,
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
        let grown = *growth
            .wait_for(|growth| growth.finished || growth.len > limit)
            .await
            .map_err(|_| Failure::new(FailureKind::Local, "packing ended before the shipment was whole"))?;
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
        let mut pace = Pace::new(options.bandwidth);
        pace.take(len).await;
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
            let body = reqwest::Body::wrap_stream(pieces(file.clone(), len));
            self.put(request.body(body)).await
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
        let mut pace = Pace::new(options.bandwidth);
        let (mut flying, mut sent, mut offset, mut index) = (JoinSet::new(), 0, 0, 0_u32);
        let mut whole = Md5::new();
        loop {
            let wanted = offset + BLOCK;
            let grown = *growth
                .wait_for(|growth| growth.finished || growth.len >= wanted)
                .await
                .map_err(|_| Failure::new(FailureKind::Local, "packing ended before the shipment was whole"))?;
            let len = BLOCK.min(grown.len.saturating_sub(offset));
            if len == 0 {
                break;
            }
            if u64::from(index) >= MOST_BLOCKS {
                return Err(Failure::new(FailureKind::Local, "the shipment has more blocks than storage takes"));
            }
            let mut block = vec![0; usize::try_from(len).unwrap_or_default()];
            file.read_exact_at(&mut block, offset).map_err(|error| unreadable(spool, &error))?;
            whole.update(&block);
            offset += len;
            if known.get(&index) == Some(&len) {
                sent += len;
            } else {
                while flying.len() >= options.parallel.max(1) {
                    landed(&mut flying, log, &mut sent, options).await?;
                }
                pace.take(len).await;
                let (service, url, number) = (self.clone(), url.clone(), index);
                flying.spawn(async move { service.put_block(&url, number, block).await.map(|()| (number, len)) });
            }
            index += 1;
        }
        while !flying.is_empty() {
            landed(&mut flying, log, &mut sent, options).await?;
        }
        self.put_list(url, index, &STANDARD.encode(whole.finalize())).await?;
        Ok(Stored { bytes: offset })
    }

    async fn put_block(&self, url: &Url, index: u32, block: Vec<u8>) -> Result<(), Failure> {
        let mut url = url.clone();
        url.query_pairs_mut().append_pair("comp", "block").append_pair("blockid", &block_id(index));
        let md5 = STANDARD.encode(Md5::digest(&block));
        // Cheap clones of one buffer: every try sends the same bytes.
        let block = bytes_of(block);
        call(Repeat::Safe, || {
            let request = self.inner.storage.put(url.clone()).header("content-md5", &md5).body(block.clone());
            self.put(request)
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
        call(Repeat::Safe, || {
            let request = self.inner.storage.put(url.clone()).header("x-ms-blob-content-md5", md5);
            self.put(request.header("content-type", "application/xml").body(list.clone()))
        })
        .await
    }

    /// One request to storage.
    async fn put(&self, request: reqwest::RequestBuilder) -> Result<(), Failure> {
        let response = request.send().await.map_err(|error| transport_failure(error, "storage"))?;
        let status = response.status();
        if status.is_success() {
            return Ok(());
        }
        let code = response.headers().get("x-ms-error-code").and_then(|code| code.to_str().ok()).map(clean);
        let answer = body(response, 64 << 10, "storage").await.unwrap_or_default();
        let said = sentence(&String::from_utf8_lossy(&answer));
        let status = status.as_u16();
        let said = if said.is_empty() { code.unwrap_or_default() } else { said };
        let kind = if matches!(status, 401 | 403) { FailureKind::AddressExpired } else { FailureKind::Refused };
        let mut failure = Failure::new(kind, format!("storage answered {status}: {said}"));
        failure.status = Some(status);
        Err(failure)
    }
}

async fn landed(
    flying: &mut JoinSet<Result<(u32, u64), Failure>>,
    log: &dyn BlockLog,
    sent: &mut u64,
    options: &StoreOptions,
) -> Result<(), Failure> {
    let Some(ended) = flying.join_next().await else { return Ok(()) };
    let (index, len) = ended.map_err(|_| Failure::new(FailureKind::Local, "an upload task ended early"))??;
    log.record(index, len).map_err(|error| Failure::new(FailureKind::Local, error.one_line()))?;
    *sent += len;
    if let Some(progress) = &options.progress {
        progress(*sent);
    }
    Ok(())
}

fn unreadable(spool: &Path, error: &std::io::Error) -> Failure {
    Failure::new(FailureKind::Local, format!("cannot read the spool file {}: {error}", spool.display()))
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

/// The first `len` bytes of a file in pieces; a new try starts again from the beginning.
fn pieces(
    file: Arc<std::fs::File>,
    len: u64,
) -> impl futures_core::Stream<Item = std::io::Result<axum::body::Bytes>> + Send + 'static {
    Pieces { file, len, offset: 0 }
}

struct Pieces {
    file: Arc<std::fs::File>,
    len: u64,
    offset: u64,
}

impl futures_core::Stream for Pieces {
    type Item = std::io::Result<axum::body::Bytes>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        _context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        let left = self.len - self.offset;
        if left == 0 {
            return std::task::Poll::Ready(None);
        }
        // The spool was just written: it is in the page cache, reading it does not block for long.
        let mut piece = vec![0; usize::try_from(left.min(256 << 10)).unwrap_or_default()];
        let read = self.file.read_exact_at(&mut piece, self.offset);
        self.offset += piece.len() as u64;
        std::task::Poll::Ready(Some(read.map(|()| bytes_of(piece))))
    }
}

/// Holds sending back to a number of bytes a second.
struct Pace {
    cap: Option<u64>,
    next: Instant,
}

impl Pace {
    fn new(cap: Option<u64>) -> Pace {
        Pace { cap, next: Instant::now() }
    }

    async fn take(&mut self, bytes: u64) {
        let Some(cap) = self.cap else { return };
        tokio::time::sleep_until(self.next.into()).await;
        let micros = bytes.saturating_mul(1_000_000) / cap.max(1);
        self.next = self.next.max(Instant::now()) + Duration::from_micros(micros);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn block_ids_have_one_length() {
        assert_eq!(block_id(0).len(), block_id(49_999).len());
        assert_ne!(block_id(1), block_id(2));
    }
}
