//! What a jail can and can't reach from its cell, tried with real namespaces; needs root.
//!
//! Not for: what the proxy does with what it gets.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail the test by panicking"
)]

use std::collections::BTreeSet;
use std::fs::read_to_string;
use std::io::{ErrorKind, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpListener, TcpStream, UdpSocket};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::sys::socket::{
    AddressFamily, MsgFlags, SockFlag, SockProtocol, SockType, SockaddrIn, bind, recv, sendto,
    setsockopt, socket, sockopt,
};
use nix::sys::time::TimeVal;
use sheriff_network::{Cell, EXTRA_PORTS_MAX, GATEWAY, Hub, Pool, Service};
use sys::Errno;
use sys::netns::Visit;
use sys::socket::{receive_datagram, send_datagram};

/// Bound of every wait for something that must happen.
const PATIENCE: Duration = Duration::from_secs(10);

const SOMEWHERE: Ipv4Addr = Ipv4Addr::new(1, 2, 3, 4);

/// Skips a test, saying so, where namespaces can't be made.
macro_rules! needs_root {
    () => {
        if !nix::unistd::geteuid().is_root() {
            eprintln!("skipped: needs root");
            return;
        }
    };
}

#[test]
fn a_call_to_any_address_lands_on_the_jails_listener_and_shows_its_destination() {
    needs_root!();
    let (_hub, cell, _) = hub_with_two();
    for (service, port) in [
        (Service::Explicit, 3128),
        (Service::Http, 80),
        (Service::Https, 443),
        (Service::DnsTcp, 53),
    ] {
        for address in [SOMEWHERE, GATEWAY] {
            let client = call(&cell, address, port).expect("the listener takes every address");
            let server = accept(&cell, service).expect("the call is there");
            assert_eq!(server.local_addr().unwrap(), at(address, port));
            assert_eq!(server.peer_addr().unwrap(), client.local_addr().unwrap());
            assert_eq!(server.peer_addr().unwrap().ip(), cell.address());
        }
    }
}

#[test]
fn a_port_that_nobody_listens_on_refuses_at_once() {
    needs_root!();
    let (_hub, cell, _) = hub_with_two();
    call(&cell, SOMEWHERE, 80).expect("a served port answers");
    for port in [1, 22, 25, 8080, 65535] {
        let begun = Instant::now();
        let refused = call(&cell, SOMEWHERE, port).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused, "port {port}");
        assert!(begun.elapsed() < Duration::from_secs(1), "port {port}");
    }
}

#[test]
fn datagrams_to_an_unserved_port_are_refused_even_in_a_burst() {
    needs_root!();
    let (_hub, cell, _) = hub_with_two();
    let socket = inside(&cell, || UdpSocket::bind("0.0.0.0:0").unwrap());
    socket
        .set_read_timeout(Some(Duration::from_millis(500)))
        .unwrap();
    socket.connect((SOMEWHERE, 443)).unwrap();
    let refused = (0..200).filter(|_| {
        socket.send(b"quic").unwrap();
        let error = socket.recv(&mut [0]).unwrap_err();
        error.kind() == ErrorKind::ConnectionRefused
    });
    // The kernel may drop an ICMP message of its own on a busy machine; its limiter, which the hub
    // switches off, would let some fifty through.
    assert!(refused.count() >= 190);
}

#[test]
fn a_jail_cannot_reach_another_jail() {
    needs_root!();
    let (_hub, a, b) = hub_with_two();
    let services = [80, 8080].map(|port| inside(&b, || TcpListener::bind((b.address(), port))));
    let [on_80, on_8080] = services.map(Result::unwrap);
    call(&b, b.address(), 80).expect("b reaches itself");
    on_80.accept().expect("b's service works");

    let refused = call(&a, b.address(), 8080).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    call(&a, b.address(), 80).expect("the proxy answers in b's place");
    let caught = accept(&a, Service::Http).expect("on a's own listener");
    assert_eq!(caught.local_addr().unwrap(), at(b.address(), 80));

    for service in [on_80, on_8080] {
        service.set_nonblocking(true).unwrap();
        assert_eq!(service.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    }
    assert!(is_silent(&b, Service::Http), "b's listener heard a's call");
}

#[test]
fn a_call_is_heard_by_the_callers_listener_only() {
    needs_root!();
    let (_hub, a, b) = hub_with_two();
    for _ in 0..20 {
        call(&a, SOMEWHERE, 443).unwrap();
        accept(&a, Service::Https).expect("a's listener hears a");
        assert!(is_silent(&b, Service::Https));
    }
    call(&b, SOMEWHERE, 443).unwrap();
    accept(&b, Service::Https).expect("b's listener hears b");
    assert!(is_silent(&a, Service::Https));
}

#[test]
fn a_forged_source_is_dropped_and_the_right_one_is_not() {
    needs_root!();
    let (_hub, a, b) = hub_with_two();
    let foreign = Ipv4Addr::new(9, 9, 9, 9);
    for forged in [b.address(), foreign, GATEWAY, SOMEWHERE] {
        let liar = inside(&a, || datagram_socket(forged));
        let honest = inside(&a, || datagram_socket(a.address()));
        send(&liar, b"forged");
        send(&honest, b"honest");
        let (heard, source) = hear(&a);
        assert_eq!(heard, b"honest", "a datagram from {forged} got through");
        assert_eq!(*source.ip(), a.address());
    }
    assert!(is_silent(&b, Service::DnsUdp));
}

#[test]
fn a_datagram_shows_its_destination_and_the_reply_comes_from_there() {
    needs_root!();
    let (_hub, cell, _) = hub_with_two();
    let client = inside(&cell, || UdpSocket::bind("0.0.0.0:0").unwrap());
    client.connect((Ipv4Addr::new(8, 8, 8, 8), 53)).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.send(b"question").unwrap();

    let server = listener(&cell, Service::DnsUdp);
    wait_until_readable(&server);
    let mut buffer = [0; 512];
    let got = receive_datagram(server.as_fd(), &mut buffer).unwrap();
    assert_eq!(&buffer[..got.length], b"question");
    assert_eq!(got.destination, Ipv4Addr::new(8, 8, 8, 8));
    assert_eq!(SocketAddr::V4(got.source), client.local_addr().unwrap());

    // The client is connected, so it takes a datagram from 8.8.8.8 only.
    send_datagram(server.as_fd(), b"wrong", got.source, SOMEWHERE).unwrap();
    send_datagram(server.as_fd(), b"answer", got.source, got.destination).unwrap();
    let length = client.recv(&mut buffer).unwrap();
    assert_eq!(&buffer[..length], b"answer");
}

#[test]
fn the_hub_answers_no_ping() {
    needs_root!();
    let (hub, cell, _) = hub_with_two();
    assert_eq!(first_icmp_type(&cell), 3, "an echo was answered");
    let switch = "/proc/sys/net/ipv4/icmp_echo_ignore_all";
    let visit = Visit::enter(hub.netns()).unwrap();
    std::fs::write(switch, "0").unwrap();
    drop(visit);
    assert_eq!(first_icmp_type(&cell), 0, "the probe can't see an answer");
}

#[test]
fn counters_show_what_left_and_what_entered_the_jail() {
    needs_root!();
    let (hub, cell, other) = hub_with_two();
    let before = cell.counters(&hub).unwrap();
    let untouched = other.counters(&hub).unwrap();
    let mut client = call(&cell, SOMEWHERE, 80).unwrap();
    let mut server = accept(&cell, Service::Http).unwrap();
    client.write_all(&[7; 10_000]).unwrap();
    server.read_exact(&mut [0; 10_000]).unwrap();
    server.write_all(&[7; 30_000]).unwrap();
    client.read_exact(&mut [0; 30_000]).unwrap();

    let after = cell.counters(&hub).unwrap();
    let up = after.bytes_up - before.bytes_up;
    let down = after.bytes_down - before.bytes_down;
    assert!((10_000..20_000).contains(&up), "{up} bytes up");
    assert!((30_000..40_000).contains(&down), "{down} bytes down");
    assert!(after.packets_up > before.packets_up);
    assert!(after.packets_down > before.packets_down);
    assert_eq!(other.counters(&hub).unwrap(), untouched);
}

#[test]
fn a_dropped_cell_takes_its_interface_out_of_the_hub() {
    needs_root!();
    let (hub, a, b) = hub_with_two();
    let (gone, stays) = (a.slot().to_string(), b.slot().to_string());
    assert!(links(hub.netns()).contains(&gone));
    drop(a);
    let begun = Instant::now();
    while links(hub.netns()).contains(&gone) {
        assert!(begun.elapsed() < PATIENCE, "{gone} is still there");
        std::thread::yield_now();
    }
    assert!(links(hub.netns()).contains(&stays));
}

#[test]
fn the_callers_namespace_is_the_same_before_and_after() {
    needs_root!();
    let (_home, host) = Visit::create().unwrap();
    let look = || {
        let id = std::fs::read_link("/proc/thread-self/ns/net").unwrap();
        let routes = read_to_string("/proc/thread-self/net/route").unwrap();
        (id, links(host.as_fd()), routes)
    };
    let before = look();
    let (hub, cell, other) = hub_with_two();
    assert_eq!(look(), before);
    assert!(!before.1.contains("eth0"), "the probe sees the cell");
    assert!(links(cell.netns()).contains("eth0"), "the probe is blind");
    drop((hub, cell, other));
    assert_eq!(look(), before);
}

#[test]
fn a_cell_has_no_ipv6_no_ping_sockets_and_no_more_interfaces() {
    needs_root!();
    let (_hub, cell, _) = hub_with_two();
    let read = |path: &str| inside(&cell, || read_to_string(path).unwrap());
    let names = links(cell.netns());
    assert!(names.is_superset(&["eth0", "lo"].map(String::from).into()));
    for name in ["all", "default", "eth0", "lo"] {
        let path = format!("/proc/sys/net/ipv6/conf/{name}/disable_ipv6");
        assert_eq!(read(&path).trim(), "1", "{path}");
    }
    assert_eq!(read("/proc/thread-self/net/if_inet6"), "");
    assert_eq!(read("/proc/sys/net/ipv4/ping_group_range"), "1\t0\n");
    let routes = read("/proc/thread-self/net/route");
    assert_eq!(routes.lines().skip(1).count(), 3, "{routes}");
}

#[test]
fn a_cells_loopback_works_and_stays_inside() {
    needs_root!();
    let (_hub, a, b) = hub_with_two();
    let _service = inside(&a, || TcpListener::bind("127.0.0.1:80").unwrap());
    call(&a, Ipv4Addr::LOCALHOST, 80).expect("a has its own loopback");
    let refused = call(&b, Ipv4Addr::LOCALHOST, 80).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert!(is_silent(&a, Service::Http) && is_silent(&b, Service::Http));
}

#[test]
fn multicast_and_broadcast_are_refused_in_the_cell() {
    needs_root!();
    let (_hub, cell, _) = hub_with_two();
    let socket = inside(&cell, || UdpSocket::bind("0.0.0.0:0").unwrap());
    socket.set_broadcast(true).unwrap();
    for address in ["224.0.0.251", "239.1.2.3", "255.255.255.255"] {
        let refused = socket.send_to(b"?", (address, 53)).unwrap_err();
        let kind = refused.kind();
        assert_eq!(kind, ErrorKind::HostUnreachable, "{address}");
    }
    socket.send_to(b"!", (SOMEWHERE, 53)).unwrap();
    assert_eq!(hear(&cell).0, b"!");
}

#[test]
fn a_pool_gives_ready_cells_first_and_opens_further_ports() {
    needs_root!();
    let mut pool = Pool::new(Hub::create().unwrap(), 2);
    while pool.refill_one().unwrap() {}
    assert_eq!((pool.ready(), pool.is_short()), (2, false));

    let plain = pool.take(&[]).unwrap();
    assert_eq!((pool.ready(), pool.is_short()), (1, true));
    let wide = pool.take(&[8443, 443, 8443]).unwrap();
    let made = pool.take(&[]).expect("an empty pool makes a cell");
    let slots: BTreeSet<_> = [&plain, &wide, &made].map(Cell::slot).into();
    assert_eq!(slots.len(), 3);

    call(&wide, SOMEWHERE, 8443).expect("the further port is served");
    accept(&wide, Service::Extra(8443)).expect("on its own listener");
    assert_eq!(wide.listeners().extra.len(), 1);
    let refused = call(&plain, SOMEWHERE, 8443).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    assert!(pool.take(&[0]).is_err());
}

#[test]
fn further_ports_open_on_a_cell_in_use_and_on_that_one_only() {
    needs_root!();
    let (hub, mut a, b) = hub_with_two();
    let refused = call(&a, SOMEWHERE, 5432).unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
    hub.open_ports(&mut a, &[5432, 22]).unwrap();
    for port in [5432, 22] {
        call(&a, SOMEWHERE, port).expect("the port is open");
        let server = accept(&a, Service::Extra(port)).expect("on its own listener");
        assert_eq!(server.local_addr().unwrap(), at(SOMEWHERE, port));
        let begun = Instant::now();
        let refused = call(&b, SOMEWHERE, port).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::ConnectionRefused);
        assert!(begun.elapsed() < Duration::from_secs(1));
    }
}

#[test]
fn no_cell_gets_more_further_ports_than_it_may_have_nor_port_0() {
    needs_root!();
    let (hub, mut a, mut b) = hub_with_two();
    assert_eq!(
        hub.open_ports(&mut a, &[0]).unwrap_err().errno,
        Errno::EINVAL
    );
    let ports: Vec<u16> = (9000..).take(EXTRA_PORTS_MAX + 1).collect();
    let error = hub.open_ports(&mut a, &ports).unwrap_err();
    assert_eq!(error.errno, Errno::EINVAL);
    hub.open_ports(&mut b, &ports[1..]).expect("so many may be");
    assert_eq!(b.listeners().extra.len(), EXTRA_PORTS_MAX);
    hub.open_ports(&mut b, &ports[1..])
        .expect("they are open already");
    assert_eq!(b.listeners().extra.len(), EXTRA_PORTS_MAX);
}

fn hub_with_two() -> (Hub, Cell, Cell) {
    let mut hub = Hub::create().expect("root can make a hub");
    let a = hub.make_cell().expect("a hub can make a cell");
    let b = hub.make_cell().expect("a hub can make another cell");
    (hub, a, b)
}

/// Runs `body` with the calling thread in the cell, like a process of the jail.
fn inside<T>(cell: &Cell, body: impl FnOnce() -> T) -> T {
    let _visit = Visit::enter(cell.netns()).unwrap();
    body()
}

fn call(cell: &Cell, address: Ipv4Addr, port: u16) -> std::io::Result<TcpStream> {
    inside(cell, || {
        TcpStream::connect_timeout(&at(address, port), PATIENCE)
    })
}

fn at(address: Ipv4Addr, port: u16) -> SocketAddr {
    SocketAddr::V4(SocketAddrV4::new(address, port))
}

fn listener(cell: &Cell, service: Service) -> OwnedFd {
    let (_, fd) = cell
        .listeners()
        .iter()
        .find(|(known, _)| *known == service)
        .expect("the cell has that service");
    fd.try_clone_to_owned().unwrap()
}

/// Takes a call that is there or about to be.
fn accept(cell: &Cell, service: Service) -> std::io::Result<TcpStream> {
    let listener = TcpListener::from(listener(cell, service));
    wait_until_readable(&listener);
    let (stream, _) = listener.accept()?;
    stream.set_nonblocking(false)?;
    Ok(stream)
}

/// Whether nothing waits at a listener. Whatever could have come was sent before something that has
/// arrived, on the same processor's queue or through a finished handshake.
fn is_silent(cell: &Cell, service: Service) -> bool {
    let fd = listener(cell, service);
    let error = if service == Service::DnsUdp {
        UdpSocket::from(fd).recv(&mut [0]).unwrap_err()
    } else {
        TcpListener::from(fd).accept().map(drop).unwrap_err()
    };
    error.kind() == ErrorKind::WouldBlock
}

fn wait_until_readable(fd: &impl AsFd) {
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    let mut fds = [PollFd::new(fd.as_fd(), PollFlags::POLLIN)];
    let patience = PollTimeout::try_from(PATIENCE).unwrap();
    assert_eq!(poll(&mut fds, patience), Ok(1), "nothing arrived");
}

/// A datagram socket with any source address. `IP_TRANSPARENT` needs a capability over the namespace
/// that no jail has; without it (`IP_FREEBIND`) the kernel does not even let such a datagram out.
fn datagram_socket(source: Ipv4Addr) -> OwnedFd {
    let kind = SockType::Datagram;
    let fd = socket(AddressFamily::Inet, kind, SockFlag::SOCK_CLOEXEC, None).unwrap();
    setsockopt(&fd, sockopt::IpTransparent, &true).unwrap();
    let own = SockaddrIn::from(SocketAddrV4::new(source, 0));
    bind(fd.as_raw_fd(), &own).unwrap();
    fd
}

fn send(fd: &OwnedFd, bytes: &[u8]) {
    let to = SockaddrIn::from(SocketAddrV4::new(SOMEWHERE, 53));
    sendto(fd.as_raw_fd(), bytes, &to, MsgFlags::empty()).unwrap();
}

fn hear(cell: &Cell) -> (Vec<u8>, SocketAddrV4) {
    let server = listener(cell, Service::DnsUdp);
    wait_until_readable(&server);
    let mut buffer = [0; 64];
    let got = receive_datagram(server.as_fd(), &mut buffer).unwrap();
    (buffer[..got.length].to_vec(), got.source)
}

/// Sends an echo request and then a datagram to an unserved port, which is always refused; tells
/// the type of the first ICMP message that comes back: 0 (echo reply) or 3 (unreachable).
fn first_icmp_type(cell: &Cell) -> u8 {
    inside(cell, || {
        let (kind, icmp) = (SockType::Raw, SockProtocol::Icmp);
        let fd = socket(AddressFamily::Inet, kind, SockFlag::SOCK_CLOEXEC, icmp).unwrap();
        setsockopt(&fd, sockopt::ReceiveTimeout, &TimeVal::new(0, 200_000)).unwrap();
        let to = SockaddrIn::from(SocketAddrV4::new(SOMEWHERE, 0));
        let echo = [8, 0, 0xf7, 0xff, 0, 0, 0, 0];
        sendto(fd.as_raw_fd(), &echo, &to, MsgFlags::empty()).unwrap();
        let datagram = UdpSocket::bind("0.0.0.0:0").unwrap();
        let mut packet = [0; 256];
        // The kernel drops a refusal when it is busy with another on the same processor.
        let heard = (0..50).any(|_| {
            datagram.send_to(b"?", (SOMEWHERE, 9)).unwrap_or(0);
            recv(fd.as_raw_fd(), &mut packet, MsgFlags::empty()).is_ok()
        });
        assert!(heard, "nothing comes back");
        packet[20]
    })
}

fn links(namespace: BorrowedFd<'_>) -> BTreeSet<String> {
    let _visit = Visit::enter(namespace).unwrap();
    let table = read_to_string("/proc/thread-self/net/dev").unwrap();
    let names = table
        .lines()
        .skip(2)
        .filter_map(|line| line.split_once(':'));
    names.map(|(name, _)| name.trim().to_owned()).collect()
}
