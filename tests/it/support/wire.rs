//! A wire that is looked at, and that may change one byte: plain TCP in front of a server.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What goes over the wire from the client.
pub struct Wire {
    /// `127.0.0.1:port` to talk to.
    pub addr: String,
    sent: Arc<Mutex<Vec<Vec<u8>>>>,
}

impl Wire {
    /// In front of a server. With `flip`, the first occurrence of that text in a request is changed in its first byte.
    pub fn before(addr: &str, flip: Option<&'static [u8]>) -> Wire {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let wire = Wire { addr: listener.local_addr().expect("an address").to_string(), sent: Arc::default() };
        let (sent, addr) = (wire.sent.clone(), addr.to_owned());
        let flip = Arc::new(Mutex::new(flip));
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (sent, flip, addr) = (sent.clone(), flip.clone(), addr.clone());
                std::thread::spawn(move || carry(&client, &addr, &sent, &flip));
            }
        });
        wire
    }

    /// The first lines of all requests, without their query.
    pub fn requests(&self) -> Vec<String> {
        let sent = self.sent.lock().expect("the list");
        let mut lines = Vec::new();
        for bytes in sent.iter() {
            for end in memchr::memmem::find_iter(bytes, b" HTTP/1.1\r\n") {
                let from = memchr::memrchr(b'\n', &bytes[..end]).map_or(0, |at| at + 1);
                let line = String::from_utf8_lossy(&bytes[from..end]).into_owned();
                lines.push(line.split('?').next().unwrap_or_default().to_owned());
            }
        }
        lines
    }
}

fn carry(client: &TcpStream, addr: &str, sent: &Mutex<Vec<Vec<u8>>>, flip: &Mutex<Option<&'static [u8]>>) {
    let Ok(server) = TcpStream::connect(addr) else { return };
    let back = (server.try_clone().expect("a handle"), client.try_clone().expect("a handle"));
    std::thread::spawn(move || {
        let (mut from, mut to) = back;
        // Either end may go away at any time.
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(Shutdown::Write);
    });
    let mine = {
        let mut sent = sent.lock().expect("the list");
        sent.push(Vec::new());
        sent.len() - 1
    };
    let (mut from, mut to, mut buffer) = (client, &server, vec![0; 1 << 20]);
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        let piece = &mut buffer[..read];
        let mut flip = flip.lock().expect("the order");
        if let Some(text) = *flip
            && let Some(at) = memchr::memmem::find(piece, text)
        {
            piece[at] ^= 1;
            *flip = None;
        }
        drop(flip);
        sent.lock().expect("the list")[mine].extend_from_slice(piece);
        if to.write_all(piece).is_err() {
            break;
        }
    }
    let _ = server.shutdown(Shutdown::Write);
}
