//! The upload of blobs: one suite for the embedded storage and for Azurite, real HTTP and real signatures.

use crate::support::azurite::Azurite;
use crate::support::http::call;
use crate::support::site::Site;
use crate::support::wire::Wire;
use logweir::config::secret::{SafeUrl, Secret};
use logweir::domain::{CallBudget, TenantName, Urgency};
use logweir::service::{
    AuthMethod, BlockLog, Cloud, Failure, FailureKind, Grant, Growth, NoBlockLog, Provider, Service, Settings,
    StoreOptions, Stored,
};
use std::path::Path;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// More than one PUT may hold: 17 blocks.
const LARGE: usize = (64 << 20) + 4_321;
/// What a wire changes once.
const MARK: &[u8] = b"this will be changed once";

/// Where blobs go.
enum Storage {
    Embedded(Box<Site>, String),
    Azurite(Box<Azurite>, String),
}

impl Storage {
    /// Each implementation that is there.
    fn all() -> Vec<(&'static str, Storage)> {
        let site = Site::with(&["--address-good-for", "20m"]);
        let form = site.secret_form();
        let token = site.token(&form).json()["access_token"].as_str().expect("a token").to_owned();
        let url = format!("http://{}/api/v1/discovery/upload_url/?filename=a&source=SQUID_NATIVE", site.addr);
        let answer = call("GET", &url, &[("authorization", &format!("Bearer {token}"))], "").expect("an answer");
        let address = answer.json()["url"].as_str().expect("an address").to_owned();
        let mut all = vec![("embedded", Storage::Embedded(Box::new(site), address))];
        if let Some(azurite) = Azurite::start() {
            let address = azurite.address("blob", 1_200);
            all.push(("azurite", Storage::Azurite(Box::new(azurite), address)));
        }
        all
    }

    fn address(&self) -> &str {
        match self {
            Storage::Embedded(_, address) | Storage::Azurite(_, address) => address,
        }
    }

    fn content(&self) -> Option<Vec<u8>> {
        match self {
            Storage::Embedded(site, address) => {
                let name = address.split('?').next().and_then(|path| path.rsplit('/').next()).expect("a name");
                std::fs::read(site.sandbox.path("logweir-service/blobs").join(name)).ok()
            }
            Storage::Azurite(azurite, _) => azurite.content("blob"),
        }
    }

    /// The same address through a wire that is looked at.
    fn through(&self, flip: Option<&'static [u8]>) -> (Wire, String) {
        let url = url::Url::parse(self.address()).expect("an address");
        let server = format!("127.0.0.1:{}", url.port().expect("a port"));
        let wire = Wire::before(&server, flip);
        let address = self.address().replace(&server, &wire.addr);
        (wire, address)
    }
}

/// A budget that never runs out.
struct Plenty;

impl CallBudget for Plenty {
    fn take(&self, _tenant: &TenantName, _urgency: Urgency) -> logweir::error::Result<Duration> {
        Ok(Duration::ZERO)
    }
}

fn service() -> Service {
    let settings = Settings {
        tenant: TenantName::default_tenant(),
        base_url: "http://127.0.0.1:1".to_owned(),
        cloud: Cloud::Commercial,
        allow_hosts: vec!["127.0.0.1".to_owned()],
        authority: None,
        graph: None,
        auth: AuthMethod::Token(Secret::new("never sent to storage".to_owned())),
        proxy: None,
        ca_file: None,
    };
    Service::connect(settings, Arc::new(Plenty), Urgency::Human).expect("settings that fit")
}

fn grant(address: &str) -> Grant {
    Grant { url: SafeUrl::new(url::Url::parse(address).expect("an address")), provider: Provider::Azure }
}

fn store(address: &str, spool: &Path, log: &dyn BlockLog, options: &StoreOptions) -> Result<Stored, Failure> {
    let len = std::fs::metadata(spool).expect("the spool").len();
    let (_sender, growth) = watch::channel(Growth::done(len));
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(service().store(&grant(address), spool, growth, log, options))
}

/// Bytes that differ from place to place, the same every time.
fn content(len: usize) -> Vec<u8> {
    static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let mut bytes = vec![0; LARGE];
        blake3::Hasher::new().update(b"logweir").finalize_xof().fill(&mut bytes);
        bytes
    });
    BYTES[..len].to_vec()
}

fn spool(bytes: &[u8]) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), bytes).expect("a file");
    file
}

/// Keeps what was put, and breaks off after so many blocks.
struct Breaking {
    done: Mutex<Vec<(u32, u64)>>,
    after: usize,
}

impl BlockLog for Breaking {
    fn done(&self) -> Vec<(u32, u64)> {
        self.done.lock().expect("the list").clone()
    }

    fn record(&self, index: u32, len: u64) -> logweir::error::Result<()> {
        let mut done = self.done.lock().expect("the list");
        if done.len() >= self.after {
            return Err(logweir::error::Error::failed("the process was killed here"));
        }
        done.push((index, len));
        Ok(())
    }
}

/// Writes the spool piece by piece, as packing does, while it is sent.
fn store_growing(address: &str, bytes: &[u8], options: &StoreOptions) -> Stored {
    use std::io::Write;
    let file = spool(&[]);
    let (sender, growth) = watch::channel(Growth::default());
    std::thread::scope(|scope| {
        let path = file.path();
        scope.spawn(move || {
            let mut file = std::fs::File::options().append(true).open(path).expect("the spool");
            let mut len = 0;
            for piece in bytes.chunks(1_500_000) {
                file.write_all(piece).expect("space");
                len += piece.len() as u64;
                sender.send_replace(Growth { len, ..Growth::default() });
            }
            sender.send_replace(Growth::done(len));
        });
        let runtime = tokio::runtime::Runtime::new().expect("a runtime");
        runtime.block_on(service().store(&grant(address), path, growth, &NoBlockLog, options)).expect("stored")
    })
}

#[test]
fn what_will_be_large_is_sent_from_its_first_blocks_on_and_committed_when_its_fate_is_decided() {
    for (name, storage) in Storage::all() {
        let bytes = content(9 << 20);
        let file = spool(&bytes);
        let sent = Arc::new(std::sync::atomic::AtomicU64::new(0));
        let told = sent.clone();
        let progress = Arc::new(move |now| told.store(now, std::sync::atomic::Ordering::SeqCst));
        let options = StoreOptions { progress: Some(progress), ..StoreOptions::default() };
        let (sender, growth) = watch::channel(Growth::default());
        let reaches = |wanted: u64| {
            let since = Instant::now();
            while sent.load(std::sync::atomic::Ordering::SeqCst) < wanted {
                assert!(since.elapsed() < Duration::from_secs(60), "{name}: {wanted} bytes are not sent");
                std::thread::sleep(Duration::from_millis(5));
            }
        };
        std::thread::scope(|scope| {
            let storing = scope.spawn(|| {
                let runtime = tokio::runtime::Runtime::new().expect("a runtime");
                let service = service();
                let grant = grant(storage.address());
                runtime.block_on(service.store(&grant, file.path(), growth, &NoBlockLog, &options)).expect("stored")
            });
            // Ends with this thread, whatever it finds: then storing ends too.
            let sender = sender;
            sender.send_replace(Growth { len: 8 << 20, expected: 1 << 30, ..Growth::default() });
            reaches(8 << 20);
            sender.send_replace(Growth { finished: false, ..Growth::done(9 << 20) });
            reaches(9 << 20);
            assert_eq!(storage.content(), None, "{name}: nobody said that it may be committed");
            sender.send_replace(Growth::done(9 << 20));
            assert_eq!(storing.join().expect("no panic").bytes, 9 << 20);
        });
        assert!(storage.content() == Some(bytes), "{name}: the bytes");
    }
}

#[test]
fn a_small_log_is_one_put_and_a_large_one_goes_in_blocks_while_it_still_grows() {
    for (name, storage) in Storage::all() {
        for (len, puts) in [(0, 1), (1, 1), (200_000, 1), (LARGE, 18)] {
            let bytes = content(len);
            let (wire, address) = storage.through(None);
            let seen: Arc<Mutex<Vec<u64>>> = Arc::default();
            let told = seen.clone();
            let progress = Arc::new(move |sent| told.lock().expect("the list").push(sent));
            let options = StoreOptions { progress: Some(progress), ..StoreOptions::default() };
            assert_eq!(store_growing(&address, &bytes, &options).bytes, len as u64, "{name}");
            assert!(storage.content().as_deref() == Some(&bytes[..]), "{name}: {len} bytes arrived otherwise");
            assert_eq!(wire.requests().len(), puts, "{name}: {len}");
            assert_eq!(seen.lock().expect("the list").last().copied(), Some(len as u64), "{name}: {len}");
        }
    }
}

#[test]
fn a_broken_upload_goes_on_with_the_blocks_that_are_missing() {
    let mut bytes = content(LARGE);
    // In the last block, which is among the missing: it is changed on the way, found out, and sent again.
    bytes[LARGE - 2_000..LARGE - 2_000 + MARK.len()].copy_from_slice(MARK);
    let spool = spool(&bytes);
    for (name, storage) in Storage::all() {
        let log = Breaking { done: Mutex::default(), after: 9 };
        let broken = store(storage.address(), spool.path(), &log, &StoreOptions::default()).expect_err("a break");
        assert!(broken.message.contains("killed here"), "{name}: {broken}");
        assert!(storage.content().is_none(), "{name}: nothing shows before the list");
        let (wire, address) = storage.through(Some(MARK));
        let log = Breaking { done: Mutex::new(log.done()), after: usize::MAX };
        store(&address, spool.path(), &log, &StoreOptions::default()).expect("stored");
        assert!(storage.content().as_deref() == Some(&bytes[..]), "{name}: the blob is another");
        assert_eq!(wire.requests().len(), 17 - 9 + 1 + 1, "{name}: missing blocks, the changed one again, the list");
    }
}

#[test]
fn blocks_that_are_gone_mean_a_new_address() {
    let spool = spool(&content(LARGE));
    for (name, storage) in Storage::all() {
        // A log of blocks that storage never saw, as after a week.
        let lost = (0..16).map(|index| (index, 4 << 20)).collect();
        let log = Breaking { done: Mutex::new(lost), after: usize::MAX };
        let refused = store(storage.address(), spool.path(), &log, &StoreOptions::default()).expect_err("a refusal");
        assert_eq!(refused.kind, FailureKind::AddressExpired, "{name}: {refused}");
    }
}

#[test]
fn a_byte_changed_on_the_way_is_found_by_its_checksum_and_sent_again() {
    let mut bytes = content(100_000);
    bytes[50_000..50_000 + MARK.len()].copy_from_slice(MARK);
    let spool = spool(&bytes);
    for (name, storage) in Storage::all() {
        let (wire, address) = storage.through(Some(MARK));
        store(&address, spool.path(), &NoBlockLog, &StoreOptions::default()).expect("stored");
        assert!(storage.content().as_deref() == Some(&bytes[..]), "{name}: a wrong byte arrived");
        assert_eq!(wire.requests().len(), 2, "{name}");
    }
}

#[test]
fn expired_and_forged_addresses_are_told_from_all_other_refusals() {
    let spool = spool(b"a log");
    for (name, storage) in Storage::all() {
        let expired = match &storage {
            Storage::Azurite(azurite, _) => azurite.address("blob", -60),
            Storage::Embedded(_, address) => address.replace("se=20", "se=19"),
        };
        for address in [expired, storage.address().replace("sig=", "sig=AAAA")] {
            let refused = store(&address, spool.path(), &NoBlockLog, &StoreOptions::default()).expect_err("a refusal");
            assert_eq!((refused.kind, refused.status), (FailureKind::AddressExpired, Some(403)), "{name}: {refused}");
            assert!(!refused.message.contains("sig="), "{name}: {refused}");
        }
    }
    let elsewhere = store("https://storage.example/a?sig=1", spool.path(), &NoBlockLog, &StoreOptions::default());
    assert_eq!(elsewhere.expect_err("a refusal").kind, FailureKind::Refused);
}

#[test]
fn the_bandwidth_cap_holds_over_all_uploads_of_the_process() {
    let storage = Storage::all().swap_remove(0).1;
    let spool = spool(&content(512 << 10));
    let options = StoreOptions { bandwidth: Some(1 << 20), ..StoreOptions::default() };
    let started = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| store(storage.address(), spool.path(), &NoBlockLog, &options).expect("stored"));
        }
    });
    // One and a half MiB at one MiB a second; the last piece goes out when its turn begins.
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(1_200), "{took:?}");
}
