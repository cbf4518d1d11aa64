//! Addresses that no resolved name may lead to, and names of metadata services.
//!
//! For IPv4 the IANA special-purpose registry decides (RFC 6890); for IPv6 only global unicast
//! (`2000::/3`, RFC 4291 2.4) passes, less the ranges that embed, tunnel or document.
//!
//! Not for: the host's own addresses, which the dialler knows and this crate can't.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::destination::DomainName;

/// Why an address is out of reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AddressClass {
    /// Instance metadata and host agents of cloud providers.
    Metadata,
    /// 127.0.0.0/8, `::1`.
    Loopback,
    /// 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 (RFC 1918).
    Private,
    /// 169.254.0.0/16 (RFC 3927), `fe80::/10`.
    LinkLocal,
    /// 100.64.0.0/10 (RFC 6598).
    SharedNat,
    /// `fc00::/7` (RFC 4193).
    UniqueLocal,
    /// `fec0::/10`, deprecated (RFC 3879).
    SiteLocal,
    /// 224.0.0.0/4, `ff00::/8`.
    Multicast,
    /// 255.255.255.255.
    Broadcast,
    /// 0.0.0.0/8, which Linux delivers to itself, and `::`.
    Unspecified,
    /// 198.18.0.0/15 (RFC 2544), `2001:2::/48` (RFC 5180).
    Benchmark,
    /// TEST-NET-1 to 3 (RFC 5737), `2001:db8::/32`, `3fff::/20` (RFC 9637).
    Documentation,
    /// 192.0.0.0/24 and `2001::/23`, protocol assignments (RFC 6890).
    ProtocolAssignment,
    /// 192.88.99.0/24, 240.0.0.0/4, and IPv6 outside `2000::/3`.
    Reserved,
    /// `::ffff:0:0/96`: the same address would be judged under another family.
    V4Mapped,
    /// `::/96`, deprecated (RFC 4291 2.5.5.1).
    V4Compatible,
    /// `64:ff9b::/96` (RFC 6052) and `64:ff9b:1::/48` (RFC 8215): a translator would reach any IPv4 address.
    Nat64,
    /// `2002::/16` (RFC 3056): embeds an IPv4 address.
    SixToFour,
    /// `2001::/32` (RFC 4380): embeds an IPv4 address.
    Teredo,
    /// `2001:10::/28` and `2001:20::/28` (RFC 4843, RFC 7343): not routable.
    Orchid,
    /// `100::/64` (RFC 6666).
    Discard,
    /// Interface identifiers `0:5efe:a.b.c.d` and `200:5efe:a.b.c.d` under any prefix (RFC 5214 6.1):
    /// embed an IPv4 address.
    Isatap,
}

/// Services whose answers are credentials: AWS and most others, AWS tasks, AWS pods, Azure's host
/// agent, Alibaba, Oracle, Tencent, Scaleway.
const METADATA_V4: [Ipv4Addr; 8] = [
    Ipv4Addr::new(169, 254, 169, 254),
    Ipv4Addr::new(169, 254, 170, 2),
    Ipv4Addr::new(169, 254, 170, 23),
    Ipv4Addr::new(168, 63, 129, 16),
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(169, 254, 0, 23),
    Ipv4Addr::new(169, 254, 42, 42),
];

/// AWS, AWS pods, Google Cloud, Scaleway.
const METADATA_V6: [Ipv6Addr; 4] = [
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x23),
    Ipv6Addr::new(0xfd20, 0xce, 0, 0, 0, 0, 0, 0x254),
    Ipv6Addr::new(0xfd00, 0x42, 0, 0, 0, 0, 0, 0x42),
];

/// Names by which the same services are found; whatever lies below them counts too.
const METADATA_NAMES: [&str; 6] = [
    "metadata.google.internal",
    "metadata.goog",
    "instance-data.ec2.internal",
    "metadata.azure.internal",
    "metadata.tencentyun.com",
    // The name that EC2's resolver knows without a domain.
    "instance-data",
];

const V4_RANGES: [(Ipv4Addr, u32, AddressClass); 16] = [
    (Ipv4Addr::new(0, 0, 0, 0), 8, AddressClass::Unspecified),
    (Ipv4Addr::new(10, 0, 0, 0), 8, AddressClass::Private),
    (Ipv4Addr::new(100, 64, 0, 0), 10, AddressClass::SharedNat),
    (Ipv4Addr::new(127, 0, 0, 0), 8, AddressClass::Loopback),
    (Ipv4Addr::new(169, 254, 0, 0), 16, AddressClass::LinkLocal),
    (Ipv4Addr::new(172, 16, 0, 0), 12, AddressClass::Private),
    (
        Ipv4Addr::new(192, 0, 0, 0),
        24,
        AddressClass::ProtocolAssignment,
    ),
    (Ipv4Addr::new(192, 0, 2, 0), 24, AddressClass::Documentation),
    (Ipv4Addr::new(192, 88, 99, 0), 24, AddressClass::Reserved),
    (Ipv4Addr::new(192, 168, 0, 0), 16, AddressClass::Private),
    (Ipv4Addr::new(198, 18, 0, 0), 15, AddressClass::Benchmark),
    (
        Ipv4Addr::new(198, 51, 100, 0),
        24,
        AddressClass::Documentation,
    ),
    (
        Ipv4Addr::new(203, 0, 113, 0),
        24,
        AddressClass::Documentation,
    ),
    (Ipv4Addr::new(224, 0, 0, 0), 4, AddressClass::Multicast),
    (Ipv4Addr::BROADCAST, 32, AddressClass::Broadcast),
    (Ipv4Addr::new(240, 0, 0, 0), 4, AddressClass::Reserved),
];

/// The first range that holds the address names its class, so narrow ranges stand before wide ones.
const V6_RANGES: [(Ipv6Addr, u32, AddressClass); 19] = [
    (v6(0, 0, 0), 128, AddressClass::Unspecified),
    (Ipv6Addr::LOCALHOST, 128, AddressClass::Loopback),
    (
        Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0),
        96,
        AddressClass::V4Mapped,
    ),
    (v6(0, 0, 0), 96, AddressClass::V4Compatible),
    (v6(0x64, 0xff9b, 0), 96, AddressClass::Nat64),
    (v6(0x64, 0xff9b, 1), 48, AddressClass::Nat64),
    (v6(0x100, 0, 0), 64, AddressClass::Discard),
    (v6(0xfc00, 0, 0), 7, AddressClass::UniqueLocal),
    (v6(0xfe80, 0, 0), 10, AddressClass::LinkLocal),
    (v6(0xfec0, 0, 0), 10, AddressClass::SiteLocal),
    (v6(0xff00, 0, 0), 8, AddressClass::Multicast),
    (v6(0x2001, 0, 0), 32, AddressClass::Teredo),
    (v6(0x2001, 2, 0), 48, AddressClass::Benchmark),
    (v6(0x2001, 0x10, 0), 28, AddressClass::Orchid),
    (v6(0x2001, 0x20, 0), 28, AddressClass::Orchid),
    (v6(0x2001, 0, 0), 23, AddressClass::ProtocolAssignment),
    (v6(0x2001, 0xdb8, 0), 32, AddressClass::Documentation),
    (v6(0x2002, 0, 0), 16, AddressClass::SixToFour),
    (v6(0x3fff, 0, 0), 20, AddressClass::Documentation),
];

impl AddressClass {
    /// Stable machine-readable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Metadata => "metadata",
            Self::Loopback => "loopback",
            Self::Private => "private",
            Self::LinkLocal => "link_local",
            Self::SharedNat => "shared_nat",
            Self::UniqueLocal => "unique_local",
            Self::SiteLocal => "site_local",
            Self::Multicast => "multicast",
            Self::Broadcast => "broadcast",
            Self::Unspecified => "unspecified",
            Self::Benchmark => "benchmark",
            Self::Documentation => "documentation",
            Self::ProtocolAssignment => "protocol_assignment",
            Self::Reserved => "reserved",
            Self::V4Mapped => "v4_mapped",
            Self::V4Compatible => "v4_compatible",
            Self::Nat64 => "nat64",
            Self::SixToFour => "six_to_four",
            Self::Teredo => "teredo",
            Self::Orchid => "orchid",
            Self::Discard => "discard",
            Self::Isatap => "isatap",
        }
    }
}

/// The class that puts an address out of reach; `None` for a public unicast address.
#[must_use]
pub fn forbidden(ip: IpAddr) -> Option<AddressClass> {
    match ip {
        IpAddr::V4(ip) => forbidden_v4(ip),
        IpAddr::V6(ip) => forbidden_v6(ip),
    }
}

/// True for the name of a metadata service and for every name below it.
#[must_use]
pub fn is_metadata_name(name: &DomainName) -> bool {
    METADATA_NAMES.iter().any(|metadata| {
        let head = name.as_str().strip_suffix(metadata);
        head.is_some_and(|head| head.is_empty() || head.ends_with('.'))
    })
}

fn forbidden_v4(ip: Ipv4Addr) -> Option<AddressClass> {
    if METADATA_V4.contains(&ip) {
        return Some(AddressClass::Metadata);
    }
    V4_RANGES
        .iter()
        .find(|(base, bits, _)| (ip.to_bits() ^ base.to_bits()) >> (32 - bits) == 0)
        .map(|(_, _, class)| *class)
}

fn forbidden_v6(ip: Ipv6Addr) -> Option<AddressClass> {
    if METADATA_V6.contains(&ip) {
        return Some(AddressClass::Metadata);
    }
    if is_isatap(ip) {
        return Some(AddressClass::Isatap);
    }
    let global = ip.to_bits() >> 125 == 1;
    V6_RANGES
        .iter()
        .find(|(base, bits, _)| (ip.to_bits() ^ base.to_bits()) >> (128 - bits) == 0)
        .map(|(_, _, class)| *class)
        .or(if global {
            None
        } else {
            Some(AddressClass::Reserved)
        })
}

/// Whether a router of RFC 5214 would take the low half for a tunnel to an IPv4 address. The bit that
/// the two forms differ in says whether that address is meant to be unique in the world.
const fn is_isatap(ip: Ipv6Addr) -> bool {
    let [_, _, _, _, high, low, _, _] = ip.segments();
    matches!(high, 0 | 0x200) && low == 0x5efe
}

const fn v6(a: u16, b: u16, c: u16) -> Ipv6Addr {
    Ipv6Addr::new(a, b, c, 0, 0, 0, 0, 0)
}

#[cfg(test)]
mod tests;
