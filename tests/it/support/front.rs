//! What stands between a client and the service on a real site: an HTTP proxy and TLS under a private CA.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// A proxy that takes any CONNECT, ends TLS under names of the real service, and hands the rest to one address.
pub struct Front {
    /// `127.0.0.1:port` of the proxy.
    pub proxy: String,
    /// `127.0.0.1:port` where TLS is spoken without a proxy.
    pub tls: String,
    /// The private CA.
    pub ca: PathBuf,
    asked: Arc<Mutex<Vec<String>>>,
    _runtime: tokio::runtime::Runtime,
    _dir: tempfile::TempDir,
}

fn openssl(dir: &Path, arguments: &str) {
    let output = Command::new("openssl").args(arguments.split(' ')).current_dir(dir).output().expect("openssl starts");
    assert!(output.status.success(), "{arguments}: {}", String::from_utf8_lossy(&output.stderr));
}

const NAMES: &str = "subjectAltName=DNS:contoso.us2.portal.cloudappsecurity.com,DNS:login.microsoftonline.com,\
                     DNS:acct.blob.core.windows.net,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n";

impl Front {
    /// In front of a plain HTTP server; with `login`, the proxy wants this `Proxy-Authorization`.
    pub fn before(addr: &str, login: Option<&'static str>) -> Front {
        Front::at(0, addr, login)
    }

    /// The same, with TLS on this port.
    pub fn at(tls: u16, addr: &str, login: Option<&'static str>) -> Front {
        use rustls::pki_types::pem::PemObject;
        use rustls::pki_types::{CertificateDer, PrivateKeyDer};
        let dir = tempfile::tempdir().expect("a directory");
        let key = "-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes";
        openssl(dir.path(), &format!("req -x509 {key} -days 2 -subj /CN=ca -keyout ca.key -out ca.pem"));
        openssl(dir.path(), &format!("req {key} -subj /CN=leaf -keyout leaf.key -out leaf.csr"));
        std::fs::write(dir.path().join("names"), NAMES).expect("a file");
        openssl(
            dir.path(),
            "x509 -req -in leaf.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out leaf.pem",
        );
        let certificate = CertificateDer::from_pem_file(dir.path().join("leaf.pem")).expect("a certificate");
        let key = PrivateKeyDer::from_pem_file(dir.path().join("leaf.key")).expect("a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("a usable certificate");
        let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
        let runtime = runtime.expect("a runtime");
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let listen = |port: u16| runtime.block_on(TcpListener::bind(("127.0.0.1", port))).expect("a port");
        let (proxy, tls) = (listen(0), listen(tls));
        let address = |listener: &TcpListener| listener.local_addr().expect("an address").to_string();
        let front = (address(&proxy), address(&tls));
        for (listener, connect) in [(proxy, true), (tls, false)] {
            let (acceptor, backend, asked) = (acceptor.clone(), addr.to_owned(), asked.clone());
            runtime.spawn(async move {
                while let Ok((mut stream, _)) = listener.accept().await {
                    let (acceptor, backend, asked) = (acceptor.clone(), backend.clone(), asked.clone());
                    tokio::spawn(async move {
                        if connect && !connected(&mut stream, &asked, login).await {
                            return;
                        }
                        // A client that does not trust us goes away; that is what some tests want.
                        let Ok(mut stream) = acceptor.accept(stream).await else { return };
                        let Ok(mut backend) = TcpStream::connect(backend).await else { return };
                        let _ = tokio::io::copy_bidirectional(&mut stream, &mut backend).await;
                    });
                }
            });
        }
        let ca = dir.path().join("ca.pem");
        Front { proxy: front.0, tls: front.1, ca, asked, _runtime: runtime, _dir: dir }
    }

    /// The hosts that were asked for, each once, in order of the alphabet.
    pub fn hosts(&self) -> Vec<String> {
        let mut hosts = self.asked.lock().expect("the list").clone();
        hosts.sort();
        hosts.dedup();
        hosts
    }
}

async fn connected(stream: &mut TcpStream, asked: &Mutex<Vec<String>>, login: Option<&str>) -> bool {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = stream.read_u8().await else { return false };
        head.push(byte);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let target = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let known = login.is_none_or(|login| head.to_ascii_lowercase().contains(&login.to_ascii_lowercase()));
    asked.lock().expect("the list").push(target);
    let answer = if !head.starts_with("CONNECT ") {
        "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n"
    } else if known {
        "HTTP/1.1 200 OK\r\n\r\n"
    } else {
        "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n"
    };
    stream.write_all(answer.as_bytes()).await.is_ok() && answer.contains(" 200 ")
}
