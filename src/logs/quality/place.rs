//! Whether an address or a name is inside or outside: only what goes outside can be a cloud app.

use crate::logs::address;
use std::net::{IpAddr, Ipv4Addr};

/// Which side of the firewall.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Inside,
    Outside,
}

/// Where an address is: private, shared, local and multicast ones are inside.
#[inline]
pub(super) fn of_address(address: IpAddr) -> Place {
    let inside = match address {
        IpAddr::V4(v4) => inside_v4(v4),
        IpAddr::V6(v6) => {
            let first = v6.segments()[0];
            first & 0xfe00 == 0xfc00
                || first & 0xffc0 == 0xfe80
                || first & 0xff00 == 0xff00
                || v6.is_loopback()
                || v6.is_unspecified()
        }
    };
    if inside { Place::Inside } else { Place::Outside }
}

#[inline]
fn inside_v4(v4: Ipv4Addr) -> bool {
    match v4.octets() {
        [0 | 10 | 127 | 224..=255, ..] | [192, 168, ..] | [169, 254, ..] => true,
        [172, second, ..] => second & 0xf0 == 16,
        // Shared by carriers (RFC 6598).
        [100, second, ..] => second & 0xc0 == 64,
        _ => false,
    }
}

/// Endings of names that no public resolver knows.
const LOCAL: [&[u8]; 8] = [b"local", b"lan", b"internal", b"localdomain", b"intranet", b"corp", b"home", b"localhost"];

/// Where a host name, or an address in its place, is; a name of one label is inside.
#[inline]
pub(super) fn of_name(host: &[u8]) -> Place {
    let host = host.strip_suffix(b".").unwrap_or(host);
    let Some(dot) = memchr::memrchr(b'.', host) else {
        return address(host).map_or(Place::Inside, of_address);
    };
    let ending = &host[dot + 1..];
    if ending.first().is_some_and(u8::is_ascii_digit) || host.contains(&b':') {
        return address(host).map_or(Place::Outside, of_address);
    }
    let local = LOCAL.iter().any(|local| ending.len() == local.len() && ending.eq_ignore_ascii_case(local));
    if local { Place::Inside } else { Place::Outside }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_networks_and_local_names_are_inside() {
        let inside =
            ["10.1.2.3", "172.31.0.1", "192.168.1.1", "100.64.0.1", "fd00::1", "fe80::1", "127.0.0.1", "pc-17"];
        let local = ["server.local", "printer.LAN.", "localhost", "a.internal"];
        for name in inside.into_iter().chain(local) {
            assert_eq!(of_name(name.as_bytes()), Place::Inside, "{name}");
        }
        for name in ["www.example.com", "203.0.113.9", "172.32.0.1", "100.128.0.1", "2001:db8::1", "example.com."] {
            assert_eq!(of_name(name.as_bytes()), Place::Outside, "{name}");
        }
    }
}
