//! Event streams: the first byte is not held back, and no event is lost over many pauses.
//!
//! Not for: real time; ten minutes are pressed into a few seconds.

use std::time::Duration;

use testkit::events;

use crate::harness::{Jail, identity};

const EVENTS: u32 = 60;
const PAUSE: Duration = Duration::from_millis(50);

/// Prints how many events came and the longest delay of one in milliseconds.
const LISTEN: &str = "
def listen(s, target='/events'):
    s.sendall(f'GET {target} HTTP/1.1\\r\\nHost: live.example\\r\\nConnection: close\\r\\n\\r\\n'.encode())
    count, worst = 0, 0.0
    for line in s.makefile('rb'):
        if line.startswith(b'data: '):
            number, sent = line[6:].split()
            assert int(number) == count, line
            worst = max(worst, time.time() - float(sent))
            count += 1
    print(count, int(worst * 1000))
";

fn check(text: &str) {
    let (count, worst) = text.split_once(' ').unwrap();
    assert_eq!(count, EVENTS.to_string());
    let worst: u64 = worst.parse().unwrap();
    // Far above scheduling noise, far below the length of the stream.
    assert!(worst < 1000, "an event was held back for {worst} ms");
}

#[test]
fn events_come_through_a_tunnel_as_they_are_sent() {
    let site = events::serve(Some(&identity(&["live.example"])), EVENTS, PAUSE);
    let jail = Jail::new()
        .trusting_us()
        .connect("live.example", site.address());
    let call = "s, status = connect('live.example')\nlisten(tls(s, 'live.example'))";
    let outcome = jail.python(&format!("{LISTEN}\n{call}")).ok();
    check(&outcome.text());
    assert_eq!(outcome.egress("bytes_down"), site.traffic().sent());
}

#[test]
fn events_come_through_a_plain_forward_as_they_are_sent() {
    let site = events::serve(None, EVENTS, PAUSE);
    let jail = Jail::new().connect("live.example:80", site.address());
    let call = "listen(proxy(), 'http://live.example/events')";
    let outcome = jail.python(&format!("{LISTEN}\n{call}")).ok();
    check(&outcome.text());
}

#[test]
fn a_stream_outlives_a_pause_in_the_middle() {
    let site = events::serve(
        Some(&identity(&["live.example"])),
        2,
        Duration::from_secs(12),
    );
    let jail = Jail::new()
        .trusting_us()
        .connect("live.example", site.address());
    let script = "curl -sSN --max-time 40 https://live.example/ | grep -c data:";
    assert_eq!(jail.shell(script).ok().text(), "2");
}
