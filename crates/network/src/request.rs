//! The few rtnetlink requests that hub and cells are made with (rtnetlink(7)).
//!
//! Not for: sending them (`conversation`).

use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd, BorrowedFd};

use netlink_packet_core::{NLM_F_CREATE, NLM_F_EXCL};
use netlink_packet_route::address::{AddressAttribute, AddressMessage, AddressScope};
use netlink_packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use netlink_packet_route::neighbour::{
    NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteFlags, RouteMessage, RouteProtocol, RouteScope, RouteType,
};
use netlink_packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use netlink_packet_route::stats::{StatsFilterMask, StatsMessage};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::slot::Slot;

/// The loopback interface has this index in every namespace.
pub(crate) const LOOPBACK: u32 = 1;

/// Name and index of a jail's interface in its cell, where it is the only one besides loopback.
pub(crate) const JAIL_NAME: &str = "eth0";
pub(crate) const JAIL_INDEX: u32 = 2;

/// The kernel's own tables (`/etc/iproute2/rt_tables`), and ours with one route per jail.
pub(crate) const TABLE_LOCAL: u8 = 255;
pub(crate) const TABLE_MAIN: u8 = 254;
pub(crate) const TABLE_JAILS: u8 = 100;

/// The largest that veth has (`ETH_MAX_MTU`): fewest segments for the same bytes.
const MTU: u32 = 65535;

/// Prefix length of one IPv4 address.
const HOST_PREFIX: u8 = 32;

/// A request and what it is for.
#[derive(Debug)]
pub(crate) struct Request {
    /// The end of the sentence "cannot ...".
    pub(crate) step: &'static str,
    /// `NLM_F_*` besides those that every request has.
    pub(crate) flags: u16,
    pub(crate) message: RouteNetlinkMessage,
}

impl Request {
    const fn make(step: &'static str, message: RouteNetlinkMessage) -> Self {
        Self {
            step,
            flags: NLM_F_CREATE | NLM_F_EXCL,
            message,
        }
    }

    const fn change(step: &'static str, message: RouteNetlinkMessage) -> Self {
        Self {
            step,
            flags: 0,
            message,
        }
    }
}

/// The pair that joins a cell to the hub. The hub's end gets `index` there, which the hub never
/// gives out twice, and is up at once; the jail's end is born in the cell.
pub(crate) fn veth(slot: Slot, index: u32, cell: BorrowedFd<'_>) -> Request {
    let mut peer = link(JAIL_INDEX, LinkFlags::Noarp);
    peer.attributes = end(JAIL_NAME.to_owned(), slot.jail_mac());
    peer.attributes
        .push(LinkAttribute::NetNsFd(cell.as_raw_fd()));

    let mut hub = link(index, LinkFlags::Noarp | LinkFlags::Up);
    hub.attributes = end(slot.to_string(), slot.hub_mac());
    hub.attributes.push(LinkAttribute::LinkInfo(vec![
        LinkInfo::Kind(InfoKind::Veth),
        LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
    ]));
    Request::make("create a veth pair", RouteNetlinkMessage::NewLink(hub))
}

/// Sets an interface up.
pub(crate) fn up(index: u32) -> Request {
    let message = link(index, LinkFlags::Up);
    Request::change("set an interface up", RouteNetlinkMessage::SetLink(message))
}

/// Gives an interface one address without a network around it.
pub(crate) fn address(index: u32, address: Ipv4Addr) -> Request {
    let mut message = AddressMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.prefix_len = HOST_PREFIX;
    message.header.scope = AddressScope::Universe;
    message.header.index = index;
    message.attributes = vec![
        AddressAttribute::Local(IpAddr::V4(address)),
        AddressAttribute::Address(IpAddr::V4(address)),
    ];
    Request::make("add an address", RouteNetlinkMessage::NewAddress(message))
}

/// Says for good which MAC an address has, so that nobody asks. Permanent entries don't count
/// towards the neighbour table's limits (`gc_thresh3`), which all namespaces share.
pub(crate) fn neighbour(index: u32, address: Ipv4Addr, mac: [u8; 6]) -> Request {
    let mut message = NeighbourMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.ifindex = index;
    message.header.state = NeighbourState::Permanent;
    message.header.kind = RouteType::Unicast;
    message.attributes = vec![
        NeighbourAttribute::Destination(NeighbourAddress::Inet(address)),
        NeighbourAttribute::LinkLayerAddress(mac.to_vec()),
    ];
    Request::make(
        "add a neighbour",
        RouteNetlinkMessage::NewNeighbour(message),
    )
}

/// A route to one address that is right behind an interface.
pub(crate) fn direct_route(table: u8, address: Ipv4Addr, index: u32) -> Request {
    let mut message = route(table, RouteType::Unicast, RouteScope::Link);
    message.header.destination_prefix_length = HOST_PREFIX;
    message.attributes = vec![
        RouteAttribute::Destination(RouteAddress::Inet(address)),
        RouteAttribute::Oif(index),
    ];
    Request::make("add a direct route", RouteNetlinkMessage::NewRoute(message))
}

/// The route to everything else, through a gateway right behind an interface.
pub(crate) fn default_route(gateway: Ipv4Addr, index: u32) -> Request {
    let mut message = route(TABLE_MAIN, RouteType::Unicast, RouteScope::Universe);
    message.header.flags = RouteFlags::Onlink;
    message.attributes = vec![
        RouteAttribute::Gateway(RouteAddress::Inet(gateway)),
        RouteAttribute::Oif(index),
    ];
    Request::make(
        "add the default route",
        RouteNetlinkMessage::NewRoute(message),
    )
}

/// Refuses multicast, reserved addresses and broadcast (224.0.0.0/3) where they start: each such
/// destination would take an entry of its own in the neighbour table.
pub(crate) fn no_multicast() -> Request {
    let mut message = route(TABLE_MAIN, RouteType::Unreachable, RouteScope::Universe);
    message.header.destination_prefix_length = 3;
    let block = Ipv4Addr::new(224, 0, 0, 0);
    message.attributes = vec![RouteAttribute::Destination(RouteAddress::Inet(block))];
    Request::make("refuse multicast", RouteNetlinkMessage::NewRoute(message))
}

/// Makes every IPv4 address the namespace's own (`local 0.0.0.0/0 dev lo`).
pub(crate) fn everything_is_local() -> Request {
    let mut message = route(TABLE_LOCAL, RouteType::Local, RouteScope::Host);
    message.attributes = vec![RouteAttribute::Oif(LOOPBACK)];
    Request::make(
        "add the local route",
        RouteNetlinkMessage::NewRoute(message),
    )
}

/// A rule to look a table up; with `own_only`, for packets that start in this namespace and for the
/// reverse-path check, but not for those that arrive (`iif lo`, ip-rule(8)).
pub(crate) fn rule(priority: u32, table: u8, own_only: bool) -> Request {
    let mut message = rule_message(priority, table);
    if own_only {
        message
            .attributes
            .push(RuleAttribute::Iifname("lo".to_owned()));
    }
    Request::make("add a routing rule", RouteNetlinkMessage::NewRule(message))
}

/// Removes the rule with which a namespace is born: the local table before all others.
pub(crate) fn drop_first_rule() -> Request {
    let message = rule_message(0, TABLE_LOCAL);
    Request::change(
        "delete the first routing rule",
        RouteNetlinkMessage::DelRule(message),
    )
}

/// Asks for an interface's 64-bit counters and nothing else (Linux 4.7).
pub(crate) fn statistics(index: u32) -> Request {
    let mut message = StatsMessage::default();
    message.header.ifindex = index;
    message.header.filter_mask = StatsFilterMask::Link64;
    Request::change(
        "read an interface's counters",
        RouteNetlinkMessage::GetStats(message),
    )
}

/// An interface with `flags`, all others untouched.
fn link(index: u32, flags: LinkFlags) -> LinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = index;
    message.header.flags = flags;
    message.header.change_mask = flags;
    message
}

/// One queue per direction: more cost memory and time, and a jail's traffic needs none.
fn end(name: String, mac: [u8; 6]) -> Vec<LinkAttribute> {
    vec![
        LinkAttribute::IfName(name),
        LinkAttribute::Address(mac.to_vec()),
        LinkAttribute::Mtu(MTU),
        LinkAttribute::NumTxQueues(1),
        LinkAttribute::NumRxQueues(1),
    ]
}

fn route(table: u8, kind: RouteType, scope: RouteScope) -> RouteMessage {
    let mut message = RouteMessage::default();
    message.header.address_family = AddressFamily::Inet;
    message.header.table = table;
    message.header.protocol = RouteProtocol::Static;
    message.header.scope = scope;
    message.header.kind = kind;
    message
}

fn rule_message(priority: u32, table: u8) -> RuleMessage {
    let mut message = RuleMessage::default();
    message.header.family = AddressFamily::Inet;
    message.header.table = table;
    message.header.action = RuleAction::ToTable;
    message.attributes = vec![RuleAttribute::Priority(priority)];
    message
}
