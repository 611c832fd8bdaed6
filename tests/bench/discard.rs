//! A service on loopback that takes every log and keeps none: it answers what shipping asks, counts the calls, and reads
//! what is stored no faster than it is told to.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Result, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// What arrived.
pub struct Discard {
    /// Where it listens.
    pub addr: SocketAddr,
    /// Bytes of logs.
    pub stored: AtomicU64,
    /// Calls of the API, by what they are, and when the last one was answered.
    pub calls: Mutex<BTreeMap<&'static str, (u64, Instant)>>,
    /// Bytes a second; none for as fast as it goes.
    rate: Option<u64>,
    /// When the wire is free again.
    free: Mutex<Instant>,
}

impl Discard {
    /// Starts it; it ends with the process.
    pub fn start(rate: Option<u64>) -> Result<Arc<Discard>> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let service = Arc::new(Discard {
            addr: listener.local_addr()?,
            stored: AtomicU64::new(0),
            calls: Mutex::default(),
            rate,
            free: Mutex::new(Instant::now()),
        });
        let there = service.clone();
        std::thread::spawn(move || {
            for connection in listener.incoming().flatten() {
                let service = there.clone();
                // A client that goes away is done.
                std::thread::spawn(move || service.serve(connection).ok());
            }
        });
        Ok(service)
    }

    /// How many calls of the API there were.
    pub fn count(&self) -> u64 {
        self.calls.lock().map_or(0, |calls| calls.values().map(|(count, _)| count).sum())
    }

    /// How many of one kind, and when the last was answered.
    pub fn of(&self, what: &str) -> (u64, Option<Instant>) {
        let calls = self.calls.lock().ok();
        let call = calls.as_ref().and_then(|calls| calls.get(what));
        (call.map_or(0, |call| call.0), call.map(|call| call.1))
    }

    fn serve(&self, connection: TcpStream) -> Result<()> {
        connection.set_nodelay(true)?;
        let (mut out, mut from) = (connection.try_clone()?, BufReader::with_capacity(256 << 10, connection));
        loop {
            let (mut line, mut length) = (String::new(), 0);
            if from.read_line(&mut line)? == 0 {
                return Ok(());
            }
            loop {
                let mut header = String::new();
                from.read_line(&mut header)?;
                let header = header.trim_end().to_ascii_lowercase();
                if header.is_empty() {
                    break;
                }
                if let Some(value) = header.strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap_or(0);
                }
            }
            let storage = line.contains(" /storage/");
            self.swallow(&mut from, length, storage)?;
            let body = self.answer(&line, storage);
            let status = if storage { "201 Created" } else { "200 OK" };
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
                body.len()
            );
            out.write_all((head + &body).as_bytes())?;
        }
    }

    /// Reads a body and forgets it.
    fn swallow(&self, from: &mut impl Read, length: u64, storage: bool) -> Result<()> {
        let (mut left, mut buffer) = (length, vec![0; 256 << 10]);
        while left > 0 {
            let want = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
            let count = from.read(&mut buffer[..want])? as u64;
            if count == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
            left -= count;
            if storage {
                self.stored.fetch_add(count, Ordering::Relaxed);
                self.wait(count);
            }
        }
        Ok(())
    }

    /// All connections share one wire.
    fn wait(&self, count: u64) {
        let Some(rate) = self.rate else { return };
        let until = self.free.lock().map(|mut free| {
            *free = (*free).max(Instant::now()) + Duration::from_secs_f64(count as f64 / rate as f64);
            *free
        });
        std::thread::sleep(until.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now())));
    }

    fn answer(&self, line: &str, storage: bool) -> String {
        if storage {
            return String::new();
        }
        let what = ["upload_url", "done_upload", "streams"].into_iter().find(|what| line.contains(what));
        let what = what.unwrap_or("other");
        let Ok(mut calls) = self.calls.lock() else { return String::new() };
        let call = calls.entry(what).or_insert((0, Instant::now()));
        *call = (call.0 + 1, Instant::now());
        let (number, done) = (call.0, calls.get("done_upload").map_or(0, |call| call.0));
        match what {
            "upload_url" => {
                let url = format!("http://{}/storage/uploads/{number}?sv=2018-03-28&sig=x", self.addr);
                format!(r#"{{"url":"{url}","provider":"azure"}}"#)
            }
            "done_upload" => r#"{"success":true}"#.to_owned(),
            "streams" => {
                let stream = r#""_id":"64b0c0ffee64b0c0ffee64b0","displayName":"HQ""#;
                format!(r#"{{"data":[{{{stream},"logFilesHistoryCount":{done},"logFilesFailsCount":0}}]}}"#)
            }
            _ => "{}".to_owned(),
        }
    }
}
