//! Name servers: a question over UDP, and an upstream that answers every one.

use std::net::{IpAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Names of the upstream with an address of their own; every other name has the same two.
const ADDRESSES: [(&str, &str); 6] = [
    ("listed4.open.example", "192.0.2.10"),
    ("beside4.open.example", "192.0.2.11"),
    ("network4.open.example", "203.0.113.70"),
    ("listed6.open.example", "2001:db8::10"),
    ("beside6.open.example", "2001:db8::11"),
    ("network6.open.example", "2001:db8:1::7"),
];
const ANY4: [u8; 4] = [198, 51, 100, 7];
const ANY6: &str = "2001:db8:ffff::7";

/// A family of addresses to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Family {
    /// IPv4, type A.
    V4,
    /// IPv6, type AAAA.
    V6,
}

/// What a name server said.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The code: 0 fine, 2 failed, 3 no such name.
    pub code: u8,
    /// The addresses.
    pub addresses: Vec<IpAddr>,
}

impl Answer {
    /// Whether a client gets no address that leads anywhere.
    pub fn is_blocked(&self) -> bool {
        assert!(matches!(self.code, 0 | 3), "neither an answer nor no such name: {self:?}");
        self.addresses.iter().all(IpAddr::is_unspecified)
    }
}

fn question(name: &str, family: Family) -> Vec<u8> {
    let mut query = vec![7, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split('.') {
        query.push(u8::try_from(label.len()).expect("a label"));
        query.extend(label.as_bytes());
    }
    query.extend([0, 0, if family == Family::V4 { 1 } else { 28 }, 0, 1]);
    query
}

/// Asks a name server on the loopback; none when it does not answer.
pub fn ask(port: u16, name: &str, family: Family) -> Option<Answer> {
    let query = question(name, family);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(Duration::from_secs(10))).expect("a time limit");
    socket.send_to(&query, ("127.0.0.1", port)).ok()?;
    let mut buffer = [0; 1500];
    let length = socket.recv(&mut buffer).ok()?;
    let answer = &buffer[..length];
    assert!(length >= query.len() && answer[..2] == query[..2], "no answer to this question");
    let mut addresses = Vec::new();
    let mut at = query.len();
    for _ in 0..answer[7] {
        at = after_name(answer, at);
        let (kind, length) = (answer[at + 1], usize::from(answer[at + 9]));
        let data = &answer[at + 10..at + 10 + length];
        match kind {
            1 => addresses.push(IpAddr::from(<[u8; 4]>::try_from(data).expect("four bytes"))),
            28 => addresses.push(IpAddr::from(<[u8; 16]>::try_from(data).expect("sixteen bytes"))),
            _ => {}
        }
        at += 10 + length;
    }
    Some(Answer { code: answer[3] & 0x0f, addresses })
}

/// The place behind a name that may end in a pointer.
fn after_name(message: &[u8], mut at: usize) -> usize {
    while message[at] != 0 {
        if message[at] >= 0xc0 {
            return at + 2;
        }
        at += 1 + usize::from(message[at]);
    }
    at + 1
}

/// A name server that has an address for every name; it ends with the test.
pub struct Upstream {
    /// Where it listens on the loopback.
    pub port: u16,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Its thread ends at the next time-out.
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

impl Upstream {
    /// Starts it.
    pub fn start() -> Upstream {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
        socket.set_read_timeout(Some(Duration::from_millis(100))).expect("a time limit");
        let port = socket.local_addr().expect("its address").port();
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            let mut buffer = [0; 1500];
            while !stopped.load(Ordering::Relaxed) {
                let Ok((length, from)) = socket.recv_from(&mut buffer) else { continue };
                if let Some(answer) = answer_to(&buffer[..length]) {
                    // A client that went away asks again.
                    let _ = socket.send_to(&answer, from);
                }
            }
        });
        Upstream { port, stop, thread: Some(thread) }
    }
}

fn answer_to(query: &[u8]) -> Option<Vec<u8>> {
    let end = after_name(query, 12);
    let kind = *query.get(end + 1)?;
    let mut name = String::new();
    let mut at = 12;
    while query[at] != 0 {
        let length = usize::from(query[at]);
        name.push_str(&String::from_utf8_lossy(&query[at + 1..at + 1 + length]).to_ascii_lowercase());
        name.push('.');
        at += 1 + length;
    }
    let name = name.trim_end_matches('.');
    let own = ADDRESSES.iter().find(|(known, _)| *known == name).map(|(_, address)| address.parse().expect("one"));
    let data: Vec<u8> = match (kind, own) {
        (1, Some(IpAddr::V4(own))) => own.octets().into(),
        (1, None) => ANY4.into(),
        (28, Some(IpAddr::V6(own))) => own.octets().into(),
        (28, None) => ANY6.parse::<std::net::Ipv6Addr>().expect("an address").octets().into(),
        _ => Vec::new(),
    };
    let mut answer = query[..2].to_vec();
    answer.extend([0x85, 0x80, 0, 1, 0, u8::from(!data.is_empty()), 0, 0, 0, 0]);
    answer.extend(&query[12..end + 4]);
    if !data.is_empty() {
        answer.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 60, 0, u8::try_from(data.len()).ok()?]);
        answer.extend(data);
    }
    Some(answer)
}
