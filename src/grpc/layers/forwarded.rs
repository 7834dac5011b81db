//! Where a call comes from: the peer of the socket, or what a trusted proxy says about it.

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue};

use crate::model::api_key::AddressRange;

const HEADER: &str = "x-forwarded-for";

/// The address of the caller. The header is read from the right, for each proxy adds at the end: what stands left of the
/// first address that is no trusted proxy was written by the caller and proves nothing. A peer that is no trusted proxy
/// has its header ignored.
pub(super) fn caller_address(peer: IpAddr, headers: &HeaderMap, trusted: &[AddressRange]) -> IpAddr {
    let is_trusted = |address: IpAddr| trusted.iter().any(|range| range.contains(address));
    let mut caller = peer.to_canonical();
    if !is_trusted(caller) {
        return caller;
    }
    let lines: Vec<&HeaderValue> = headers.get_all(HEADER).iter().collect();
    for hop in lines.iter().rev().flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b',')) {
        // What cannot be read, be it text or not, ends the chain at the proxy that passed it on.
        let address = std::str::from_utf8(hop).ok().and_then(|hop| parse(hop.trim()));
        let Some(address) = address else { return caller };
        caller = address.to_canonical();
        if !is_trusted(caller) {
            return caller;
        }
    }
    caller
}

/// An address, which some proxies write with a port.
fn parse(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(peer: &str, trusted: &[&str], headers: &[&str]) -> String {
        let lines: Vec<&[u8]> = headers.iter().map(|line| line.as_bytes()).collect();
        seen_in(peer, trusted, &lines)
    }

    fn seen_in(peer: &str, trusted: &[&str], headers: &[&[u8]]) -> String {
        let trusted: Vec<_> = trusted.iter().map(|text| AddressRange::parse(text, "f").unwrap()).collect();
        let mut map = HeaderMap::new();
        for value in headers {
            map.append(HEADER, HeaderValue::from_bytes(value).unwrap());
        }
        caller_address(peer.parse().unwrap(), &map, &trusted).to_string()
    }

    #[test]
    fn only_what_trusted_proxies_wrote_counts() {
        let proxies = &["10.0.0.0/8", "2001:db8::/32"][..];
        assert_eq!(seen("192.0.2.1", &[], &["203.0.113.9"]), "192.0.2.1", "nobody is trusted");
        assert_eq!(seen("192.0.2.1", proxies, &["203.0.113.9"]), "192.0.2.1", "the peer is not trusted");
        assert_eq!(seen("10.0.0.1", proxies, &[]), "10.0.0.1", "a proxy that says nothing");
        assert_eq!(seen("10.0.0.1", proxies, &["203.0.113.9"]), "203.0.113.9");
        assert_eq!(seen("10.0.0.1", proxies, &["127.0.0.1, 203.0.113.9"]), "203.0.113.9", "the left was forged");
        assert_eq!(seen("10.0.0.1", proxies, &["127.0.0.1", "203.0.113.9, 10.0.0.2"]), "203.0.113.9", "two proxies");
        assert_eq!(seen("10.0.0.1", proxies, &["10.0.0.3, 10.0.0.2"]), "10.0.0.3", "a caller among the proxies");
        assert_eq!(seen("10.0.0.1", proxies, &["203.0.113.9, rubbish"]), "10.0.0.1", "what cannot be read ends it");
        let lines = [&b"127.0.0.1"[..], b"\xff"];
        assert_eq!(seen_in("10.0.0.1", proxies, &lines), "10.0.0.1", "so does what is no text");
        let lines = [&b"127.0.0.1, \xff, 203.0.113.9"[..]];
        assert_eq!(seen_in("10.0.0.1", proxies, &lines), "203.0.113.9", "what a proxy wrote behind it counts");
        assert_eq!(seen("::ffff:10.0.0.1", proxies, &["203.0.113.9:4711"]), "203.0.113.9");
        assert_eq!(seen("2001:db8::1", proxies, &["[2001:db9::7]:443"]), "2001:db9::7");
    }
}
