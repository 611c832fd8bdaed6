//! The storage half: signed, expiring addresses; Put Blob, Put Block, Put Block List as Azure has them.

use super::store::Store;
use axum::body::Body;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use md5::{Digest, Md5};
use ring::hmac;
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::io::AsyncWriteExt;

/// How long an address is good, in seconds.
const GOOD_FOR: u64 = 3_600;
const LARGEST_PUT: u64 = 64 << 20;
const LARGEST_BLOCK: u64 = 4 << 20;
const LARGEST_LIST: usize = 8 << 20;

fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

fn key(store: &Store) -> hmac::Key {
    store.read(|state| hmac::Key::new(hmac::HMAC_SHA256, state.key.as_bytes()))
}

/// The query of an address for a blob.
pub(super) fn signed(store: &Store, blob: &str) -> String {
    let until = now() + GOOD_FOR;
    let tag = hmac::sign(&key(store), format!("{blob} {until}").as_bytes());
    format!("sv=2018-03-28&sr=b&sp=w&se={until}&sig={}", URL_SAFE_NO_PAD.encode(tag))
}

/// Whether an address was signed by us and is still good.
pub(super) fn verify(store: &Store, blob: &str, query: &HashMap<String, String>) -> bool {
    let text = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    let Ok(until) = text("se").parse::<u64>() else { return false };
    let Ok(tag) = URL_SAFE_NO_PAD.decode(text("sig")) else { return false };
    until > now() && hmac::verify(&key(store), format!("{blob} {until}").as_bytes(), &tag).is_ok()
}

fn refuse(status: StatusCode, code: &'static str, message: &str) -> Response {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    );
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert("x-ms-error-code", axum::http::HeaderValue::from_static(code));
    response
}

fn created() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::CREATED;
    response
}

/// Block ids are base64 text; on disk they are hexadecimal, so that no id can be a path.
fn block_path(store: &Store, blob: &str, id: &str) -> PathBuf {
    let hex: String = id.bytes().map(|byte| format!("{byte:02x}")).collect();
    store.blob(&format!("{blob}.block.{hex}"))
}

/// A PUT to a blob's address.
pub(super) async fn put(
    store: &Store,
    blob: &str,
    query: &HashMap<String, String>,
    headers: &HeaderMap,
    body: Body,
) -> Response {
    if !blob.bytes().all(|c| c.is_ascii_hexdigit()) || !verify(store, blob, query) {
        return refuse(StatusCode::FORBIDDEN, "AuthenticationFailed", "The signature did not match or has expired.");
    }
    if headers.contains_key("authorization") {
        return refuse(
            StatusCode::BAD_REQUEST,
            "InvalidAuthenticationInfo",
            "Storage takes the signature, not a token.",
        );
    }
    let length = headers.get("content-length").and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u64>().ok());
    let Some(length) = length else {
        return refuse(StatusCode::LENGTH_REQUIRED, "MissingContentLengthHeader", "Content-Length is required.");
    };
    match query.get("comp").map(String::as_str) {
        None => {
            if headers.get("x-ms-blob-type").is_none_or(|kind| kind != "BlockBlob") {
                return refuse(
                    StatusCode::BAD_REQUEST,
                    "MissingRequiredHeader",
                    "x-ms-blob-type: BlockBlob is required.",
                );
            }
            receive(store.blob(blob), length, LARGEST_PUT, headers, body).await
        }
        Some("block") => {
            let id = query.get("blockid").map(String::as_str).unwrap_or_default();
            if STANDARD.decode(id).map_or(0, |raw| raw.len()).wrapping_sub(1) >= 64 {
                return refuse(
                    StatusCode::BAD_REQUEST,
                    "InvalidQueryParameterValue",
                    "blockid is not base64 of 1 to 64 bytes.",
                );
            }
            receive(block_path(store, blob, id), length, LARGEST_BLOCK, headers, body).await
        }
        Some("blocklist") => commit(store, blob, body).await,
        Some(_) => refuse(StatusCode::BAD_REQUEST, "InvalidQueryParameterValue", "comp is block or blocklist."),
    }
}

/// Takes a body to disk while it is hashed; a broken one leaves nothing behind.
async fn receive(path: PathBuf, length: u64, largest: u64, headers: &HeaderMap, body: Body) -> Response {
    if length > largest {
        return refuse(StatusCode::PAYLOAD_TOO_LARGE, "RequestBodyTooLarge", "The request body is too large.");
    }
    let failed = || refuse(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "The blob could not be kept.");
    let Ok(number) = super::store::random() else { return failed() };
    let temporary = path.with_extension(format!("{number}.tmp"));
    let Ok(mut file) = tokio::fs::File::create(&temporary).await else { return failed() };
    let (mut hash, mut got, mut whole) = (Md5::new(), 0, true);
    let mut stream = body.into_data_stream();
    while let Some(piece) =
        std::future::poll_fn(|context| futures_core::Stream::poll_next(std::pin::Pin::new(&mut stream), context)).await
    {
        let Ok(piece) = piece else {
            whole = false;
            break;
        };
        got += piece.len() as u64;
        hash.update(&piece);
        whole &= got <= length && file.write_all(&piece).await.is_ok();
        if !whole {
            break;
        }
    }
    whole &= got == length && file.sync_all().await.is_ok();
    let wanted = headers.get("content-md5").map(|md5| md5.as_bytes().to_vec());
    let intact = wanted.is_none_or(|wanted| wanted == STANDARD.encode(hash.finalize()).into_bytes());
    if whole && intact && tokio::fs::rename(&temporary, &path).await.is_ok() {
        return created();
    }
    // The answer matters more than a file that the next start ignores.
    let _ = tokio::fs::remove_file(&temporary).await;
    if intact { failed() } else { refuse(StatusCode::BAD_REQUEST, "Md5Mismatch", "The MD5 value did not match.") }
}

async fn commit(store: &Store, blob: &str, body: Body) -> Response {
    let invalid = |message: &str| refuse(StatusCode::BAD_REQUEST, "InvalidBlockList", message);
    let Ok(list) = axum::body::to_bytes(body, LARGEST_LIST).await else { return invalid("The list is too large.") };
    let list = String::from_utf8_lossy(&list);
    let ids: Vec<&str> = list.split("<Latest>").skip(1).filter_map(|rest| rest.split('<').next()).collect();
    if ids.is_empty() || ids.iter().any(|id| id.len() != ids[0].len()) {
        return invalid("Block ids must be there and have one length.");
    }
    let paths: Vec<PathBuf> = ids.iter().map(|id| block_path(store, blob, id)).collect();
    let (whole, temporary) = (store.blob(blob), store.blob(&format!("{blob}.list.tmp")));
    let joined = tokio::task::spawn_blocking(move || -> std::io::Result<()> {
        let mut file = std::fs::File::create(&temporary)?;
        for path in &paths {
            std::io::copy(&mut std::fs::File::open(path)?, &mut file)?;
        }
        file.sync_all()?;
        std::fs::rename(&temporary, &whole)?;
        paths.iter().try_for_each(std::fs::remove_file)
    });
    match joined.await {
        Ok(Ok(())) => created(),
        _ => invalid("A block of the list was never put."),
    }
}
