//! What an address is, however it is written and whatever it is wrapped in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How a caller wrote a host.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// An address in one of its many forms. It is read here and nowhere else, so that no two readers can disagree.
    Address(IpAddr),
    /// A name to be looked up.
    Name,
    /// Neither; it is never given to the name service. The text says why.
    Unusable(&'static str),
}

/// Reads a host: addresses in every form that the C library takes (decimal, octal, hexadecimal, one to four parts, IPv6
/// with brackets or a zone), else a name. What ends in a number and is no address is no name either.
pub(super) fn read(host: &str) -> Spelling {
    if !host.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Spelling::Unusable("must be plain ASCII; write an international name in its xn-- form");
    }
    if host.contains([':', '[', ']', '%']) {
        return read_v6(host).map_or(Spelling::Unusable("is no IPv6 address"), |address| {
            // Sockets treat a mapped address as the IPv4 address that it holds.
            Spelling::Address(address.to_canonical())
        });
    }
    let bare = host.strip_suffix('.').unwrap_or(host);
    if bare.is_empty() || bare.ends_with('.') {
        return Spelling::Unusable("has an empty part");
    }
    let last = bare.rsplit('.').next().unwrap_or_default();
    if !looks_like_a_number(last) {
        return Spelling::Name;
    }
    read_v4(bare).map_or(Spelling::Unusable("ends in a number and is no IPv4 address"), |address| {
        Spelling::Address(IpAddr::V4(address))
    })
}

fn read_v6(host: &str) -> Option<IpAddr> {
    let inner = match host.strip_prefix('[') {
        Some(rest) => rest.strip_suffix(']')?,
        None => host,
    };
    // A zone says which interface a link-local address is on, and those are refused in any case.
    let address = inner.split_once('%').map_or(inner, |(address, _)| address);
    address.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
}

fn looks_like_a_number(part: &str) -> bool {
    let lower = part.to_ascii_lowercase();
    let digits = lower.strip_prefix("0x");
    digits.is_some_and(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))
        || (!part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
}

/// One to four parts, each decimal, octal after `0` or hexadecimal after `0x`; the last fills what the others leave.
fn read_v4(text: &str) -> Option<Ipv4Addr> {
    let parts: Vec<u32> = text.split('.').map(read_number).collect::<Option<_>>()?;
    let (last, leading) = parts.split_last()?;
    if leading.len() > 3 || leading.iter().any(|part| *part > 255) {
        return None;
    }
    let bits = 32 - 8 * u32::try_from(leading.len()).ok()?;
    if u64::from(*last) >= 1 << bits {
        return None;
    }
    let head = leading.iter().zip([24, 16, 8]).fold(0, |sum, (part, shift)| sum | (part << shift));
    Some(Ipv4Addr::from(head | last))
}

fn read_number(part: &str) -> Option<u32> {
    let lower = part.to_ascii_lowercase();
    let (digits, radix) = match lower.strip_prefix("0x") {
        Some("") => return Some(0),
        Some(digits) => (digits, 16),
        None if lower.len() > 1 && lower.starts_with('0') => (&lower[1..], 8),
        None => (lower.as_str(), 10),
    };
    // from_str_radix takes a sign, which no address has.
    if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    u32::from_str_radix(digits, radix).ok()
}

/// The IPv4 addresses that an address carries: itself, or those in the forms that lead on to IPv4.
pub(super) fn embedded(address: IpAddr) -> Vec<Ipv4Addr> {
    let address = match address {
        IpAddr::V4(address) => return vec![address],
        IpAddr::V6(address) => address,
    };
    let (segments, bytes) = (address.segments(), address.octets());
    let tail = Ipv4Addr::new(bytes[12], bytes[13], bytes[14], bytes[15]);
    match segments {
        // :: and ::1 are addresses of their own.
        [0, 0, 0, 0, 0, 0, 0, 0 | 1] => Vec::new(),
        // v4-compatible, v4-mapped, v4-translated (SIIT), NAT64.
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => vec![tail],
        // 6to4.
        [0x2002, ..] => vec![Ipv4Addr::new(bytes[2], bytes[3], bytes[4], bytes[5])],
        // Teredo: the server, and the client with its bits turned.
        [0x2001, 0, ..] => {
            vec![Ipv4Addr::new(bytes[4], bytes[5], bytes[6], bytes[7]), Ipv4Addr::from(!u32::from(tail))]
        }
        // ISATAP.
        [_, _, _, _, 0 | 0x200, 0x5efe, ..] => vec![tail],
        _ => Vec::new(),
    }
}

/// Where an address leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AddressClass {
    /// To the network that everybody shares.
    Global,
    /// To nobody, or to this machine by accident: `0.0.0.0/8`, `::`.
    Unspecified,
    /// To neighbours on the wire, among them the metadata service of clouds.
    LinkLocal,
    /// To a metadata service of a cloud at an address of its own.
    Metadata,
    /// To many.
    Multicast,
    /// To nobody yet, and the broadcast address.
    Reserved,
    /// Through a translator of the network, to where cannot be told.
    Translated,
    /// To this machine.
    Loopback,
    /// Into a private network, or a range that is no part of the Internet.
    Private,
}

impl AddressClass {
    /// As an error names it.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Global => "global",
            Self::Unspecified => "unspecified",
            Self::LinkLocal => "link-local",
            Self::Metadata => "cloud metadata",
            Self::Multicast => "multicast",
            Self::Reserved => "reserved or broadcast",
            Self::Translated => "translated",
            Self::Loopback => "loopback",
            Self::Private => "private",
        }
    }

    /// No policy and no list allows it.
    pub(super) fn never_dialled(self) -> bool {
        !matches!(self, Self::Global | Self::Loopback | Self::Private)
    }
}

/// Metadata services that clouds keep outside of the link-local range: Azure, Alibaba, Oracle.
const METADATA_V4: [Ipv4Addr; 3] =
    [Ipv4Addr::new(168, 63, 129, 16), Ipv4Addr::new(100, 100, 100, 200), Ipv4Addr::new(192, 0, 0, 192)];
/// The same over IPv6: AWS, Google.
const METADATA_V6: [Ipv6Addr; 2] =
    [Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254), Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254)];

/// The class of an address itself, whatever it may carry.
pub(super) fn class(address: IpAddr) -> AddressClass {
    match address {
        IpAddr::V4(address) => class_v4(address),
        IpAddr::V6(address) => class_v6(address),
    }
}

fn class_v4(address: Ipv4Addr) -> AddressClass {
    if METADATA_V4.contains(&address) {
        return AddressClass::Metadata;
    }
    match address.octets() {
        [0, ..] => AddressClass::Unspecified,
        [169, 254, ..] => AddressClass::LinkLocal,
        [224..=239, ..] => AddressClass::Multicast,
        [240..=255, ..] => AddressClass::Reserved,
        [127, ..] => AddressClass::Loopback,
        [10, ..] | [172, 16..=31, ..] | [192, 168, ..] | [100, 64..=127, ..] => AddressClass::Private,
        // Protocol assignments, documentation, the old 6to4 relays, benchmarks.
        [192, 0, 0 | 2, _] | [198, 51, 100, _] | [203, 0, 113, _] | [192, 88, 99, _] | [198, 18 | 19, ..] => {
            AddressClass::Private
        }
        _ => AddressClass::Global,
    }
}

fn class_v6(address: Ipv6Addr) -> AddressClass {
    if METADATA_V6.contains(&address) {
        return AddressClass::Metadata;
    }
    match address.segments() {
        [0, 0, 0, 0, 0, 0, 0, 0] => AddressClass::Unspecified,
        [0, 0, 0, 0, 0, 0, 0, 1] => AddressClass::Loopback,
        [0xfe80..=0xfebf, ..] => AddressClass::LinkLocal,
        [0xff00..=0xffff, ..] => AddressClass::Multicast,
        [0x64, 0xff9b, 1, ..] => AddressClass::Translated,
        // These carry an IPv4 address, which is looked at beside them.
        [0, 0, 0, 0, 0, 0 | 0xffff, ..] | [0, 0, 0, 0, 0xffff, 0, ..] | [0x64, 0xff9b, 0, 0, 0, 0, ..] => {
            AddressClass::Global
        }
        // Documentation; all else that is handed out lies in 2000::/3. Unique local and the old site local do not.
        [0x2001, 0xdb8, ..] | [0x3fff, 0..=0x0fff, ..] => AddressClass::Private,
        [0x2000..=0x3fff, ..] => AddressClass::Global,
        _ => AddressClass::Private,
    }
}
