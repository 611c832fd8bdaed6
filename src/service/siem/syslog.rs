//! Syslog over TCP, with or without TLS: RFC 5424 headers, octet counting (RFC 6587, RFC 5425).
//!
//! Syslog knows no receipt. What comes nearest is done: after the last message of a batch our side of the connection is
//! closed, and the batch counts as delivered when the receiver, having read to that end, closes its own. A receiver
//! that breaks the connection instead has not delivered anything for certain.

use super::Record;
use super::{breaks, level};
use crate::service::{Failure, FailureKind};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls_platform_verifier::Verifier;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// `local0`: nothing else of the standard list fits.
const FACILITY: u8 = 16;
/// The port of syslog over TLS \[RFC 5425\]; without TLS there is no agreed one.
const TLS_PORT: u16 = 6514;
const CONNECT: Duration = Duration::from_secs(20);
/// Longest silence of the receiver.
const SILENCE: Duration = Duration::from_secs(30);

/// Where messages go: `tcp://HOST:PORT`, or `tcp+tls://HOST[:PORT]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    host: String,
    port: u16,
    tls: bool,
}

impl FromStr for Address {
    type Err = String;

    fn from_str(text: &str) -> Result<Address, String> {
        let wrong = || format!("{text:?} is no receiver: write tcp://HOST:PORT or tcp+tls://HOST:PORT");
        let (scheme, rest) = text.split_once("://").ok_or_else(wrong)?;
        let tls = match scheme {
            "tcp" => false,
            "tcp+tls" | "tls" => true,
            _ => return Err(wrong()),
        };
        // Only for its parts: a scheme of the web's own would lose its usual port.
        let url = url::Url::parse(&format!("syslog://{rest}")).map_err(|_| wrong())?;
        let bare = url.username().is_empty() && url.password().is_none() && url.query().is_none();
        if !bare || !matches!(url.path(), "" | "/") {
            return Err(wrong());
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or_else(wrong)?;
        let port = url.port().or(tls.then_some(TLS_PORT)).ok_or_else(|| format!("{text:?} names no port"))?;
        Ok(Address { host: host.trim_matches(['[', ']']).to_owned(), port, tls })
    }
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.tls { "tcp+tls" } else { "tcp" };
        if self.host.contains(':') {
            return write!(f, "{scheme}://[{}]:{}", self.host, self.port);
        }
        write!(f, "{scheme}://{}:{}", self.host, self.port)
    }
}

/// Sends batches to one receiver.
pub struct Sender {
    address: Address,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    origin: String,
}

impl Sender {
    /// A sender; no connection is made yet. `origin` is the host name the messages carry: the tenant's service. With
    /// TLS the receiver's certificate must be good for its name under the system's CAs or those of the PEM files.
    ///
    /// # Errors
    /// [`FailureKind::Local`] for an unusable CA file or name.
    pub fn new(address: Address, ca_files: &[PathBuf], origin: &str) -> Result<Sender, Failure> {
        let tls = address.tls.then(|| connector(&address, ca_files)).transpose()?;
        Ok(Sender { address, tls, origin: word(origin, 255) })
    }

    /// Sends records with their lines, in order, on a connection of their own. When this returns, the receiver has read
    /// them all; see the module.
    ///
    /// # Errors
    /// [`FailureKind::Unreachable`] when no connection came about, [`FailureKind::MaybeDone`] when it broke: some or
    /// all of the messages may have arrived.
    pub async fn deliver(&self, messages: &[(&Record, String)]) -> Result<(), Failure> {
        let bytes: Vec<u8> = messages.iter().flat_map(|(record, line)| self.frame(record, line)).collect();
        let to = &self.address;
        let late = |_| "time-out".to_owned();
        let unreachable = |why: String| {
            Failure::new(FailureKind::Unreachable, format!("cannot connect to {to}: {why}"))
                .hint("check that the receiver runs, its port, and the firewall on the way")
        };
        let connecting = async {
            let stream = TcpStream::connect((to.host.as_str(), to.port)).await.map_err(|error| error.to_string())?;
            Ok::<_, String>(match &self.tls {
                None => Either::Plain(stream),
                Some((connector, name)) => Either::Tls(Box::new(
                    connector.connect(name.clone(), stream).await.map_err(|error| error.to_string())?,
                )),
            })
        };
        let stream = tokio::time::timeout(CONNECT, connecting).await.map_err(late).flatten().map_err(unreachable)?;
        let sent = match stream {
            Either::Plain(stream) => send(stream, &bytes).await,
            Either::Tls(stream) => send(*stream, &bytes).await,
        };
        sent.map_err(|why| {
            Failure::new(FailureKind::MaybeDone, format!("cannot deliver to {to}: {why}"))
                .hint("what is not known to have arrived is sent again next time")
        })
    }

    /// `LENGTH <PRI>1 TIME HOST APP PROCID MSGID SD MESSAGE`.
    fn frame(&self, record: &Record, line: &str) -> Vec<u8> {
        let time = record.time("timestamp").map(|time| time.strftime("%Y-%m-%dT%H:%M:%S.%3fZ").to_string());
        let (time, priority) = (time.as_deref().unwrap_or("-"), FACILITY * 8 + level(record));
        let (origin, process) = (&self.origin, std::process::id());
        // The byte order mark that RFC 5424 wants before UTF-8 is left out: receivers take it for text.
        let message = format!("<{priority}>1 {time} {origin} logweir {process} alert - {line}");
        format!("{} {message}", message.len()).into_bytes()
    }
}

enum Either {
    Plain(TcpStream),
    Tls(Box<tokio_rustls::client::TlsStream<TcpStream>>),
}

/// Writes, closes our side, and waits until the receiver closes its own.
async fn send(mut stream: impl AsyncRead + AsyncWrite + Unpin, bytes: &[u8]) -> Result<(), String> {
    let text = |error: std::io::Error| error.to_string();
    for some in bytes.chunks(64 << 10) {
        let written = tokio::time::timeout(SILENCE, stream.write_all(some)).await;
        written.map_err(|_| "it takes nothing any more".to_owned())?.map_err(text)?;
    }
    let ending = async {
        stream.flush().await.map_err(text)?;
        stream.shutdown().await.map_err(text)?;
        let mut said = [0; 512];
        loop {
            match stream.read(&mut said).await {
                Ok(0) => return Ok(()),
                Ok(_) => {}
                // TLS: closed without saying so; what counts is that it was closed after our own end.
                Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Ok(()),
                Err(error) => return Err(text(error)),
            }
        }
    };
    tokio::time::timeout(SILENCE, ending).await.map_err(|_| "it does not close the connection".to_owned())?
}

fn connector(address: &Address, ca_files: &[PathBuf]) -> Result<(TlsConnector, ServerName<'static>), Failure> {
    let local = |message: String| Failure::new(FailureKind::Local, message);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut roots = Vec::new();
    for file in ca_files {
        roots.extend(authorities(file).map_err(local)?);
    }
    let failed = |error: rustls::Error| local(format!("cannot set up TLS: {error}"));
    let verifier = Verifier::new_with_extra_roots(roots, provider.clone()).map_err(failed)?;
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    let name = ServerName::try_from(address.host.clone())
        .map_err(|_| local(format!("{:?} is a name that no certificate can have", address.host)))?;
    Ok((TlsConnector::from(Arc::new(config)), name))
}

fn authorities(file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let pem = std::fs::read(file).map_err(|error| format!("cannot read {}: {error}", file.display()))?;
    let read: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    read.ok().filter(|list| !list.is_empty()).ok_or_else(|| format!("{} holds no PEM certificates", file.display()))
}

/// A word of a header: printable ASCII without blanks, `-` for nothing.
fn word(text: &str, most: usize) -> String {
    let safe: String = text.chars().filter(|c| c.is_ascii_graphic() && !breaks(*c)).take(most).collect();
    if safe.is_empty() { "-".to_owned() } else { safe }
}

#[cfg(test)]
mod tests {
    use super::super::tests::hostile;
    use super::*;

    #[test]
    fn receivers_are_read_with_their_port() {
        let read = |text: &str| text.parse::<Address>().map(|address| address.to_string());
        for text in ["tcp://siem.example:601", "tcp+tls://192.0.2.1:6514", "tcp://[2001:db8::1]:514"] {
            assert_eq!(read(text).as_deref(), Ok(text));
        }
        assert_eq!(read("tls://siem.example").as_deref(), Ok("tcp+tls://siem.example:6514"));
        for text in
            ["siem.example:601", "udp://siem.example:514", "tcp://siem.example", "tcp://", "tcp://u@h:1", "tcp://h:1/x"]
        {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_frame_counts_its_octets_and_its_header_holds_words_only() {
        let address = "tcp://siem.example:601".parse().unwrap();
        let sender = Sender::new(address, &[], "contoso.example\n x").unwrap();
        let frame = String::from_utf8(sender.frame(&hostile(), "zwölf")).unwrap();
        let expected =
            format!("<131>1 2025-01-03T10:26:40.000Z contoso.examplex logweir {} alert - zwölf", std::process::id());
        assert_eq!(frame, format!("{} {expected}", expected.len()));
    }

    #[tokio::test]
    async fn a_batch_counts_only_when_the_receiver_closes_after_it() {
        let record = hostile();
        for (behaves, delivered) in [(true, true), (false, false)] {
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = format!("tcp://{}", listener.local_addr().unwrap()).parse().unwrap();
            let receiver = tokio::spawn(async move {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut got = Vec::new();
                if behaves {
                    stream.read_to_end(&mut got).await.unwrap();
                } else {
                    // Closed with unread bytes: the kernel resets the connection.
                    stream.readable().await.unwrap();
                }
                got
            });
            let sender = Sender::new(address, &[], "h").unwrap();
            let sent = sender.deliver(&[(&record, "one".to_owned()), (&record, "two".to_owned())]).await;
            assert_eq!(sent.is_ok(), delivered, "{sent:?}");
            let got = String::from_utf8(receiver.await.unwrap()).unwrap();
            assert!(!behaves || got.ends_with("two") && got.matches("logweir").count() == 2, "{got}");
        }
        let nobody = Sender::new("tcp://127.0.0.1:9".parse().unwrap(), &[], "h").unwrap();
        assert_eq!(nobody.deliver(&[]).await.unwrap_err().kind, FailureKind::Unreachable);
    }
}
