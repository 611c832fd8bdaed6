//! Invented logs of the four kinds the benches measure on, as long as wanted and the same on every run.
//!
//! What decides how a log compresses is how often its words return: a few hosts and users take most of the lines,
//! sizes and durations are spread over orders of magnitude, time creeps on. Names and addresses are invented or
//! belong to well-known cloud apps.

use std::io::Write;

/// A kind of log: its name, its header lines and its next line.
pub struct Kind {
    /// What the benches call it.
    pub name: &'static str,
    /// The service's name for it.
    pub log_type: &'static str,
    head: &'static str,
    line: fn(&mut Dice, &mut Vec<u8>),
}

/// All kinds, in the order the benches print them.
pub const KINDS: [Kind; 4] = [
    Kind { name: "squid", log_type: "SQUID_NATIVE", head: "", line: squid },
    Kind { name: "fortigate", log_type: "FORTIGATE", head: "", line: fortigate },
    Kind { name: "panos", log_type: "PALO_ALTO", head: "", line: panos },
    Kind { name: "w3c", log_type: "GENERIC_W3C", head: W3C_HEAD, line: w3c },
];

/// A Squid log of a large site: 100,000 users and 1,000,000 hosts, every one of them met.
#[allow(dead_code, reason = "one bench alone measures it")]
pub const WIDE: Kind = Kind { name: "squid-wide", log_type: "SQUID_NATIVE", head: "", line: wide };

const W3C_HEAD: &str = "#Software: Example Proxy 7.2\n#Version: 1.0\n#Fields: date time time-taken c-ip cs-username cs-method \
cs-uri-scheme cs-host cs-uri-port cs-uri-path cs-uri-query sc-status cs(User-Agent) sc-bytes cs-bytes r-ip s-action\n";

impl Kind {
    /// Writes whole lines until `bytes` are reached or passed.
    pub fn write(&self, bytes: u64, mut sink: impl Write) -> std::io::Result<u64> {
        let mut dice = Dice::new(0x9e37_79b9_7f4a_7c15 ^ self.name.len() as u64);
        let mut buffer = self.head.as_bytes().to_vec();
        let mut written = 0;
        loop {
            while buffer.len() < 1 << 20 && written + (buffer.len() as u64) < bytes {
                (self.line)(&mut dice, &mut buffer);
            }
            sink.write_all(&buffer)?;
            written += buffer.len() as u64;
            buffer.clear();
            if written >= bytes {
                return Ok(written);
            }
        }
    }
}

/// A small generator of numbers with the distributions a log has, and the clock of the log.
pub struct Dice {
    state: u64,
    millis: u64,
}

impl Dice {
    fn new(seed: u64) -> Self {
        Self { state: seed, millis: 1_795_158_014_708 }
    }

    fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// Small numbers far more often than large ones: the popularity of hosts and users.
    fn popular(&mut self, bound: u64) -> u64 {
        let unit = (self.next() >> 11) as f64 / (1_u64 << 53) as f64;
        ((unit * unit * unit * unit) * bound as f64) as u64
    }

    /// Spread evenly over the orders of magnitude up to two to the `bits`.
    fn spread(&mut self, bits: u64) -> u64 {
        let shift = self.below(bits) + 1;
        (1 << (shift - 1)) + self.below(1 << shift)
    }

    fn one_of<'a>(&mut self, words: &[&'a str]) -> &'a str {
        let at = self.popular(words.len() as u64) as usize;
        words[at]
    }

    fn tick(&mut self) -> u64 {
        self.millis += self.below(6);
        self.millis
    }
}

const APPS: &[&str] = &[
    "www.office.com",
    "outlook.office365.com",
    "login.microsoftonline.com",
    "teams.microsoft.com",
    "contoso.sharepoint.com",
    "github.com",
    "api.github.com",
    "app.slack.com",
    "www.dropbox.com",
    "content.dropboxapi.com",
    "drive.google.com",
    "mail.google.com",
    "docs.google.com",
    "app.box.com",
    "zoom.us",
    "web.whatsapp.com",
    "www.linkedin.com",
    "trello.com",
    "www.salesforce.com",
    "login.salesforce.com",
    "www.notion.so",
    "mega.nz",
    "wetransfer.com",
    "www.youtube.com",
    "s3.amazonaws.com",
    "logs.eu-west-1.amazonaws.com",
    "chat.openai.com",
    "claude.ai",
    "www.figma.com",
    "app.asana.com",
];
const WORDS: &[&str] = &[
    "assets", "static", "api", "v2", "images", "news", "product", "search", "session", "track", "collect", "update",
    "download", "media", "files", "shared", "report", "index", "user", "profile", "cart", "event", "sync", "feed",
];
const NAMES: &[&str] = &[
    "alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi", "ivan", "judy", "mallory", "niaj", "olivia",
    "peggy", "rupert", "sybil", "trent", "victor", "walter", "yara",
];
const AGENTS: &[&str] = &[
    "Mozilla/5.0+(Windows+NT+10.0;+Win64;+x64)+AppleWebKit/537.36+(KHTML,+like+Gecko)+Chrome/140.0.0.0+Safari/537.36",
    "Mozilla/5.0+(Windows+NT+10.0;+Win64;+x64)+AppleWebKit/537.36+(KHTML,+like+Gecko)+Chrome/141.0.0.0+Safari/537.36+Edg/141.0.0.0",
    "Mozilla/5.0+(Macintosh;+Intel+Mac+OS+X+10_15_7)+AppleWebKit/605.1.15+(KHTML,+like+Gecko)+Version/18.1+Safari/605.1.15",
    "Mozilla/5.0+(X11;+Linux+x86_64;+rv:131.0)+Gecko/20100101+Firefox/131.0",
    "Microsoft+Office/16.0",
];

/// One connection, as every kind of log tells it in its own way.
struct Visit {
    millis: u64,
    client: [u64; 3],
    user: String,
    host: String,
    server: [u64; 2],
    path: String,
    took: u64,
    up: u64,
    down: u64,
    tls: bool,
    denied: bool,
}

fn visit(dice: &mut Dice) -> Visit {
    let person = dice.popular(4000);
    let site = dice.popular(6000);
    let host = match APPS.get(site as usize / 8) {
        Some(app) if site % 8 < 5 => (*app).to_owned(),
        _ => format!("{}{}.{}.example", WORDS[site as usize % 24], site / 24, NAMES[site as usize % 20]),
    };
    let tls = dice.below(10) < 7;
    let mut path = String::new();
    if !tls {
        for _ in 0..=dice.below(3) {
            path.push('/');
            path.push_str(dice.one_of(WORDS));
        }
        if dice.below(3) == 0 {
            path.push_str(&format!("/{:x}.js", dice.below(1 << 32)));
        }
    }
    Visit {
        millis: dice.tick(),
        client: [person / 997, person / 251 % 256, person % 251 + 1],
        user: format!("{}{}", NAMES[person as usize % 20], person / 20),
        server: [site % 3, site * 7 % 251 + 1],
        host,
        path,
        took: dice.spread(17),
        up: dice.spread(14),
        down: dice.spread(21),
        tls,
        denied: dice.below(40) == 0,
    }
}

const NETS: [&str; 3] = ["203.0.113", "198.51.100", "192.0.2"];

/// What is left to write goes into memory, which does not fail.
macro_rules! put {
    ($out:expr, $($text:tt)*) => {{ let _ = write!($out, $($text)*); }};
}

fn squid(dice: &mut Dice, out: &mut Vec<u8>) {
    let v = visit(dice);
    let [a, b, c] = v.client;
    put!(out, "{}.{:03} {:>6} 10.{a}.{b}.{c} ", v.millis / 1000, v.millis % 1000, v.took);
    let user = if dice.below(5) == 0 { "-" } else { &v.user };
    let server = format!("{}.{}", NETS[v.server[0] as usize], v.server[1]);
    match (v.denied, v.tls) {
        (true, _) => {
            put!(out, "TCP_DENIED/403 {} CONNECT {}:443 {user} HIER_NONE/- text/html\n", 3800 + v.up % 64, v.host)
        }
        (_, true) => put!(out, "TCP_TUNNEL/200 {} CONNECT {}:443 {user} HIER_DIRECT/{server} -\n", v.down, v.host),
        _ => {
            let result = dice.one_of(&[
                "TCP_MISS/200",
                "TCP_HIT/200",
                "TCP_MISS/304",
                "TCP_MEM_HIT/200",
                "TCP_MISS/302",
                "TCP_MISS/404",
            ]);
            let mime =
                dice.one_of(&["text/html", "application/json", "image/png", "application/javascript", "text/css", "-"]);
            put!(out, "{result} {} GET http://{}{} {user} HIER_DIRECT/{server} {mime}\n", v.down, v.host, v.path);
        }
    }
}

fn wide(dice: &mut Dice, out: &mut Vec<u8>) {
    let v = visit(dice);
    // Half of the lines go round all of them, the other half is as uneven as traffic is.
    let (turn, round) = (v.millis / 3, dice.below(2) == 0);
    let person = if round { turn % 100_000 } else { dice.popular(100_000) };
    let site = if round { turn % 1_000_000 } else { dice.popular(1_000_000) };
    let host = match APPS.get(site as usize) {
        Some(app) => (*app).to_owned(),
        None => {
            format!("{}{}.{}{}.example", WORDS[site as usize % 24], site / 24, NAMES[site as usize % 20], site % 5000)
        }
    };
    put!(
        out,
        "{}.{:03} {:>6} 10.{}.{}.{} TCP_TUNNEL/200 {} CONNECT {host}:443 {}{} HIER_DIRECT/{}.{} -\n",
        v.millis / 1000,
        v.millis % 1000,
        v.took,
        person / 65_536,
        person / 256 % 256,
        person % 256,
        v.down,
        NAMES[person as usize % 20],
        person / 20,
        NETS[v.server[0] as usize],
        v.server[1],
    );
}

/// Days since the epoch do not matter to compression; the time of day does.
fn clock(millis: u64) -> (u64, u64, u64) {
    let seconds = millis / 1000;
    (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
}

fn fortigate(dice: &mut Dice, out: &mut Vec<u8>) {
    let v = visit(dice);
    let (h, m, s) = clock(v.millis);
    let [a, b, c] = v.client;
    let (port, session) = (1024 + dice.below(64000), 3_000_000 + dice.next() % 900_000_000);
    let app = dice.one_of(&[
        "HTTPS.BROWSER",
        "Microsoft.Office.365",
        "Google.Drive",
        "Dropbox",
        "Slack",
        "YouTube",
        "GitHub",
    ]);
    let country = dice.one_of(&["United States", "Germany", "Netherlands", "Ireland", "France", "United Kingdom"]);
    put!(
        out,
        "date=2026-11-20 time={h:02}:{m:02}:{s:02} devname=\"fw-hq-01\" devid=\"FG100FTK00000001\" logid=\"0000000013\" type=\"traffic\" \
         subtype=\"forward\" level=\"notice\" vd=\"root\" eventtime={}{:06} tz=\"+0000\" srcip=10.{a}.{b}.{c} srcport={port} \
         srcintf=\"lan\" srcintfrole=\"lan\" dstip={}.{} dstport={} dstintf=\"wan1\" dstintfrole=\"wan\" srccountry=\"Reserved\" \
         dstcountry=\"{country}\" sessionid={session} proto=6 action=\"{}\" policyid={} policytype=\"policy\" \
         poluuid=\"69c1975c-bdfe-51e8-45ca-dba91ea72266\" service=\"{}\" trandisp=\"snat\" transip=198.51.100.1 transport={port} \
         user=\"{}\" group=\"staff\" authserver=\"ad\" appid={} app=\"{app}\" appcat=\"Web.Client\" apprisk=\"elevated\" \
         applist=\"default\" duration={} sentbyte={} rcvdbyte={} sentpkt={} rcvdpkt={} hostname=\"{}\"\n",
        v.millis,
        session % 1_000_000,
        NETS[v.server[0] as usize],
        v.server[1],
        if v.tls { 443 } else { 80 },
        if v.denied { "deny" } else { "close" },
        1 + dice.popular(40),
        if v.tls { "HTTPS" } else { "HTTP" },
        v.user,
        15_000 + app.len() * 37,
        v.took / 1000,
        v.up,
        v.down,
        v.up / 700 + 4,
        v.down / 1100 + 4,
        v.host,
    );
}

fn panos(dice: &mut Dice, out: &mut Vec<u8>) {
    let v = visit(dice);
    let (h, m, s) = clock(v.millis);
    let [a, b, c] = v.client;
    let app = dice.one_of(&[
        "ssl",
        "ms-office365-base",
        "google-base",
        "dropbox-base",
        "slack-base",
        "web-browsing",
        "github-base",
    ]);
    let (port, session, nat) = (1024 + dice.below(64000), dice.below(1 << 21), 1024 + dice.below(64000));
    put!(
        out,
        "1,2026/11/20 {h:02}:{m:02}:{s:02},001801000001,TRAFFIC,end,2560,2026/11/20 {h:02}:{m:02}:{s:02},10.{a}.{b}.{c},{}.{},198.51.100.1,{}.{},\
         Outbound-Web,contoso\\{},,{app},vsys1,trust,untrust,ethernet1/2,ethernet1/1,SIEM,2026/11/20 {h:02}:{m:02}:{s:02},{session},1,{port},{},{nat},{},\
         0x400053,tcp,{},{},{},{},{},2026/11/20 {h:02}:{m:02}:{s:02},{},{},0,{},0x8000000000000000,10.0.0.0-10.255.255.255,United States,0,{},{},\
         tcp-fin,11,12,13,0,vsys1,fw-hq-01,from-policy,,,0,,0,,N/A,0,0,0,0,{}\n",
        NETS[v.server[0] as usize],
        v.server[1],
        NETS[v.server[0] as usize],
        v.server[1],
        v.user,
        if v.tls { 443 } else { 80 },
        if v.tls { 443 } else { 80 },
        if v.denied { "deny" } else { "allow" },
        v.up + v.down,
        v.up,
        v.down,
        (v.up + v.down) / 900 + 8,
        v.took / 1000,
        dice.one_of(&["computer-and-internet-info", "business-and-economy", "online-storage-and-backup", "any"]),
        6_900_000_000_000 + session * 31,
        v.up / 700 + 4,
        v.down / 1100 + 4,
        v.host,
    );
}

fn w3c(dice: &mut Dice, out: &mut Vec<u8>) {
    let v = visit(dice);
    let (h, m, s) = clock(v.millis);
    let [a, b, c] = v.client;
    let (method, scheme, port) = if v.tls { ("CONNECT", "tcp", 443) } else { ("GET", "http", 80) };
    let path = if v.path.is_empty() { "/" } else { &v.path };
    put!(
        out,
        "2026-11-20 {h:02}:{m:02}:{s:02} {} 10.{a}.{b}.{c} {} {method} {scheme} {} {port} {path} - {} {} {} {} {}.{} {}\n",
        v.took,
        v.user,
        v.host,
        if v.denied { 403 } else { 200 },
        dice.one_of(AGENTS),
        v.down,
        v.up,
        NETS[v.server[0] as usize],
        v.server[1],
        if v.denied { "TCP_DENIED" } else { "TCP_NC_MISS" },
    );
}
