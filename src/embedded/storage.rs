//! The storage half: signed, expiring addresses; Put Blob, Put Block, Put Block List as Azure has them.
//!
//! Bytes go to disk as they arrive. A block is a file of its own, so that blocks survive a crash; the list joins them
//! into the blob, which appears whole or not at all.

use super::routes::{Api, Parameters, now};
use super::store::{self, Granted, Store};
use crate::error::Result;
use axum::Router;
use axum::body::Body;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use axum::routing::put;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};
use ring::hmac;
use std::collections::HashMap;
use std::path::PathBuf;
use tokio::io::AsyncWriteExt;

/// The documented limit of one PUT, whatever storage itself would take.
const LARGEST_PUT: u64 = 64 << 20;
const LARGEST_LIST: usize = 8 << 20;
const MOST_BLOCKS: usize = 50_000;

pub(super) fn routes() -> Router<Api> {
    Router::new().route("/storage/uploads/{blob}", put(store_blob))
}

/// Grants a new address for a log of this type: the blob's name and the query that signs it.
pub(super) fn grant(api: &Api, log_type: &str) -> Result<String> {
    let blob = store::random()?;
    let until = now() + api.rules.address_good_for.as_secs();
    api.store.change(|state| {
        state.granted.insert(blob.clone(), Granted { log_type: log_type.to_owned(), until });
        Ok(())
    })?;
    let expiry = jiff::Timestamp::from_second(i64::try_from(until).unwrap_or(i64::MAX)).unwrap_or_default().to_string();
    let sign = [("sv", api.rules.storage_version.as_str()), ("sr", "b"), ("sp", "w"), ("se", &expiry)];
    let tag = tag(&api.store, &blob, &sign.map(|(_, value)| value));
    let query =
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(sign).append_pair("sig", &tag).finish();
    Ok(format!("{blob}?{query}"))
}

fn key(store: &Store) -> hmac::Key {
    store.read(|state| hmac::Key::new(hmac::HMAC_SHA256, state.key.as_bytes()))
}

fn tag(store: &Store, blob: &str, signed: &[&str; 4]) -> String {
    STANDARD.encode(hmac::sign(&key(store), format!("{blob}\n{}", signed.join("\n")).as_bytes()))
}

/// Whether an address was signed by us; whether it still is good is asked of [`expired`].
pub(super) fn verify(store: &Store, blob: &str, query: &HashMap<String, String>) -> bool {
    let text = |name: &str| query.get(name).map(String::as_str).unwrap_or_default();
    let Ok(given) = STANDARD.decode(text("sig")) else { return false };
    let signed = ["sv", "sr", "sp", "se"].map(text);
    let hexadecimal = !blob.is_empty() && blob.bytes().all(|c| c.is_ascii_hexdigit());
    hexadecimal && hmac::verify(&key(store), format!("{blob}\n{}", signed.join("\n")).as_bytes(), &given).is_ok()
}

fn expired(query: &HashMap<String, String>) -> bool {
    let until = query.get("se").and_then(|se| se.parse::<jiff::Timestamp>().ok()).map(|time| time.as_second());
    until.and_then(|until| u64::try_from(until).ok()).is_none_or(|until| until <= now())
}

/// The largest block that an address of this version takes.
fn largest_block(version: &str) -> u64 {
    match version {
        old if old < "2016-05-31" => 4 << 20,
        middle if middle < "2019-12-12" => 100 << 20,
        _ => 4_000 << 20,
    }
}

/// A refusal in storage's words.
struct Refusal(StatusCode, &'static str, &'static str);

impl Refusal {
    fn response(&self) -> Response {
        let Refusal(status, code, message) = self;
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"utf-8\"?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
        );
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = *status;
        let headers = response.headers_mut();
        headers.insert("x-ms-error-code", axum::http::HeaderValue::from_static(code));
        headers.insert("content-type", axum::http::HeaderValue::from_static("application/xml"));
        response
    }
}

const BAD: StatusCode = StatusCode::BAD_REQUEST;
const NOT_KEPT: Refusal = Refusal(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", "The data could not be kept.");

async fn store_blob(
    State(api): State<Api>,
    Path(blob): Path<String>,
    Query(query): Parameters,
    headers: HeaderMap,
    body: Body,
) -> Response {
    match accept(&api.store, &blob, &query, &headers, body).await {
        Ok(()) => {
            let mut response = Response::new(Body::empty());
            *response.status_mut() = StatusCode::CREATED;
            response
        }
        Err(refusal) => refusal.response(),
    }
}

async fn accept(
    store: &Store,
    blob: &str,
    query: &HashMap<String, String>,
    headers: &HeaderMap,
    body: Body,
) -> std::result::Result<(), Refusal> {
    const UNSIGNED: &str = "Server failed to authenticate the request: the signature did not match or has expired.";
    if !verify(store, blob, query) || expired(query) {
        return Err(Refusal(StatusCode::FORBIDDEN, "AuthenticationFailed", UNSIGNED));
    }
    if headers.contains_key("authorization") {
        return Err(Refusal(BAD, "InvalidAuthenticationInfo", "Storage takes the signature, not a token."));
    }
    let length = headers.get("content-length").and_then(|v| v.to_str().ok()).and_then(|v| v.parse::<u64>().ok());
    let Some(length) = length else {
        let status = StatusCode::LENGTH_REQUIRED;
        return Err(Refusal(status, "MissingContentLengthHeader", "Content-Length is required."));
    };
    match query.get("comp").map(String::as_str) {
        None => {
            if headers.get("x-ms-blob-type").is_none_or(|kind| kind != "BlockBlob") {
                return Err(Refusal(BAD, "MissingRequiredHeader", "x-ms-blob-type: BlockBlob is required."));
            }
            // What a list said before does not describe this blob.
            let _ = tokio::fs::remove_file(list_file(store, blob)).await;
            receive(store.blob(blob), length, LARGEST_PUT, headers, body).await
        }
        Some("block") => {
            let id = query.get("blockid").map(String::as_str).unwrap_or_default();
            let raw = STANDARD.decode(id).map_or(0, |raw| raw.len());
            if !(1..=64).contains(&raw) {
                let message = "blockid is not base64 of 1 to 64 bytes.";
                return Err(Refusal(BAD, "InvalidQueryParameterValue", message));
            }
            let path = block_file(store, blob, id);
            let dir = path.parent().unwrap_or(&path);
            tokio::fs::create_dir_all(dir).await.map_err(|_| NOT_KEPT)?;
            if one_name(dir).is_some_and(|name| path.file_name().is_some_and(|own| own.len() != name)) {
                let message = "All block ids of a blob must have the same length.";
                return Err(Refusal(BAD, "InvalidBlobOrBlock", message));
            }
            let largest = largest_block(query.get("sv").map(String::as_str).unwrap_or_default());
            receive(path, length, largest, headers, body).await
        }
        Some("blocklist") => commit(store, blob, body).await,
        Some(_) => Err(Refusal(BAD, "InvalidQueryParameterValue", "comp is block or blocklist.")),
    }
}

/// The length of the name of some block that is there.
fn one_name(dir: &std::path::Path) -> Option<usize> {
    let names = std::fs::read_dir(dir).ok()?.flatten().map(|entry| entry.file_name());
    names.filter(|name| !name.as_encoded_bytes().ends_with(b".tmp")).map(|name| name.len()).next()
}

/// Block ids are base64 text; on disk they are hexadecimal, so that no id can be a path.
fn block_file(store: &Store, blob: &str, id: &str) -> PathBuf {
    let hex: String = id.bytes().map(|byte| format!("{byte:02x}")).collect();
    store.blob(&format!("{blob}.blocks")).join(hex)
}

/// The list a blob was made from, so that the same list can be put again.
fn list_file(store: &Store, blob: &str) -> PathBuf {
    store.blob(&format!("{blob}.list"))
}

/// Takes a body to disk while it is hashed; a broken one leaves nothing behind.
async fn receive(
    path: PathBuf,
    length: u64,
    largest: u64,
    headers: &HeaderMap,
    body: Body,
) -> std::result::Result<(), Refusal> {
    if length > largest {
        return Err(Refusal(StatusCode::PAYLOAD_TOO_LARGE, "RequestBodyTooLarge", "The request body is too large."));
    }
    let number = store::random().map_err(|_| NOT_KEPT)?;
    let mut temporary = path.clone().into_os_string();
    temporary.push(format!(".{number}.tmp"));
    let temporary = PathBuf::from(temporary);
    let mut file = tokio::fs::File::create(&temporary).await.map_err(|_| NOT_KEPT)?;
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
        return Ok(());
    }
    // The answer matters more than a file that the next start removes.
    let _ = tokio::fs::remove_file(&temporary).await;
    Err(if intact { NOT_KEPT } else { Refusal(BAD, "Md5Mismatch", "The MD5 value did not match the body.") })
}

/// The ids of a block list, or nothing when it is not one.
fn ids(list: &str) -> Option<Vec<&str>> {
    let rest = list.trim_start_matches('\u{feff}').trim();
    let rest = if rest.starts_with("<?xml") { rest.split_once("?>")?.1.trim_start() } else { rest };
    let mut rest = rest.strip_prefix("<BlockList>")?.strip_suffix("</BlockList>")?.trim();
    let mut ids = Vec::new();
    while !rest.is_empty() {
        let (tag, behind) = rest.strip_prefix('<')?.split_once('>')?;
        if !["Latest", "Uncommitted"].contains(&tag) {
            return None;
        }
        let (id, behind) = behind.split_once("</")?;
        ids.push(id.trim());
        rest = behind.strip_prefix(tag)?.strip_prefix('>')?.trim_start();
    }
    Some(ids)
}

async fn commit(store: &Store, blob: &str, body: Body) -> std::result::Result<(), Refusal> {
    const MALFORMED: Refusal = Refusal(BAD, "InvalidXmlDocument", "The body is not a block list.");
    let list = axum::body::to_bytes(body, LARGEST_LIST).await.map_err(|_| MALFORMED)?;
    let list = std::str::from_utf8(&list).map_err(|_| MALFORMED)?;
    let ids = ids(list).ok_or(MALFORMED)?;
    if ids.len() > MOST_BLOCKS {
        return Err(Refusal(BAD, "BlockListTooLong", "The block list has more than 50,000 blocks."));
    }
    let invalid = Refusal(BAD, "InvalidBlockList", "The block list names a block that was never put.");
    let paths: Vec<PathBuf> = ids.iter().map(|id| block_file(store, blob, id)).collect();
    let (whole, temporary) = (store.blob(blob), store.blob(&format!("{blob}.joined.tmp")));
    let (list, blocks) = (list_file(store, blob), store.blob(&format!("{blob}.blocks")));
    let text = ids.join("\n");
    let joined = tokio::task::spawn_blocking(move || -> std::io::Result<()> {
        // The answer to the same list was lost: the blob stands already.
        if whole.is_file() && std::fs::read_to_string(&list).is_ok_and(|before| before == text) {
            return Ok(());
        }
        let mut file = std::fs::File::create(&temporary)?;
        for path in &paths {
            std::io::copy(&mut std::fs::File::open(path)?, &mut file)?;
        }
        file.sync_all()?;
        std::fs::write(&list, text)?;
        std::fs::rename(&temporary, &whole)?;
        // Blocks that the list left out go as well; none at all for an empty blob.
        match std::fs::remove_dir_all(&blocks) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    });
    match joined.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::NotFound => Err(invalid),
        _ => Err(NOT_KEPT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_list_is_read_and_nothing_else_is() {
        let good = "<?xml version=\"1.0\" encoding=\"utf-8\"?>\n<BlockList><Latest>YQ==</Latest> <Latest>Yg==</Latest></BlockList>";
        assert_eq!(ids(good), Some(vec!["YQ==", "Yg=="]));
        assert_eq!(ids("<BlockList></BlockList>"), Some(Vec::new()));
        for bad in [
            "",
            "<BlockList>",
            "<BlockList><Latest>YQ==</BlockList>",
            "<BlockList><Other>YQ==</Other></BlockList>",
            "<html></html>",
            "<BlockList>YQ==</BlockList>",
        ] {
            assert_eq!(ids(bad), None, "{bad}");
        }
    }

    #[test]
    fn the_version_of_an_address_decides_how_large_a_block_may_be() {
        let rows = [("2014-02-14", 4 << 20), ("2016-05-31", 100 << 20), ("2019-12-12", 4_000 << 20), ("", 4 << 20)];
        for (version, bytes) in rows {
            assert_eq!(largest_block(version), bytes, "{version}");
        }
    }
}
