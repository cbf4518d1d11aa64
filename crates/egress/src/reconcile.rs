//! Compares what the kernel counted on a jail's connection with what the proxy moved, and says so at once
//! when they differ.
//!
//! Not for: upstream connections, whose bytes nobody but the proxy causes.

use std::os::fd::BorrowedFd;

use model::KernelUsage;
use serde_json::json;
use sys::tcpinfo::{self, TcpCounters};

use crate::limits::ALERT_PAUSE;
use crate::record::Recorder;
use crate::session::Session;

/// The account of a connection that is about to be closed. What the jail sent and nobody read is in
/// neither count: it went nowhere. Bytes of a connection that can't be examined are unexplained.
pub(crate) fn connection(fd: BorrowedFd<'_>, read: u64, written: u64) -> KernelUsage {
    match tcpinfo::counters(fd) {
        Ok(counters) => compare(counters, read, written),
        Err(error) => {
            tracing::error!(%error, "a connection's counters could not be read");
            KernelUsage {
                client_up: read,
                client_down: written,
                unexplained_bytes: read.saturating_add(written),
                ..KernelUsage::default()
            }
        }
    }
}

/// Records an alert as soon as a closed connection left bytes that nothing explains, until the session
/// stops; then [`conclude`] has the last word.
pub(crate) async fn watch(session: &Session, recorder: &Recorder) {
    let mut changes = session.meter.kernel_changes();
    let stop = session.stop();
    loop {
        let changed = tokio::select! {
            () = stop.requested() => return,
            changed = changes.changed() => changed,
        };
        if changed.is_err() {
            return;
        }
        if conclude(session, recorder) {
            tokio::time::sleep(ALERT_PAUSE).await;
        }
    }
}

/// Records an alert if there are more bytes without an explanation than were told of; says whether.
pub(crate) fn conclude(session: &Session, recorder: &Recorder) -> bool {
    let Some((more, kernel)) = session.meter.take_unexplained() else {
        return false;
    };
    let data = json!({
        "alert": "unexplained_bytes",
        "bytes": more,
        "kernel": kernel,
    });
    recorder.alert(&session.id, data);
    true
}

fn compare(counters: TcpCounters, read: u64, written: u64) -> KernelUsage {
    let received = counters.received.saturating_sub(counters.unread);
    // A FIN counts as one received byte, and a reset hides whether there was one.
    let socket_up = if received == read.saturating_add(1) {
        read
    } else {
        received
    };
    let handed_over = counters.sent.saturating_add(counters.unsent);
    // Our own FIN counts as well, as long as it waits behind unsent bytes or alone.
    let waiting_fin = counters.unsent > 0 && handed_over == written.saturating_add(1);
    let socket_down = if waiting_fin { written } else { handed_over };
    KernelUsage {
        socket_up,
        socket_down,
        client_up: read,
        client_down: written,
        unexplained_bytes: socket_up
            .abs_diff(read)
            .saturating_add(socket_down.abs_diff(written)),
        ..KernelUsage::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unexplained(received: u64, unread: u64, read: u64) -> u64 {
        let counters = TcpCounters {
            received,
            unread,
            sent: 5,
            unsent: 2,
        };
        compare(counters, read, 7).unexplained_bytes
    }

    #[test]
    fn explains_a_fin_and_unread_bytes_and_nothing_else() {
        assert_eq!(unexplained(10, 0, 10), 0);
        assert_eq!(unexplained(11, 0, 10), 0);
        assert_eq!(unexplained(10, 4, 6), 0);
        assert_eq!(unexplained(12, 0, 10), 2);
        assert_eq!(unexplained(9, 0, 10), 1);
    }

    #[test]
    fn explains_our_own_fin_only_while_it_waits() {
        let unexplained = |sent, unsent| {
            let counters = TcpCounters {
                received: 0,
                unread: 0,
                sent,
                unsent,
            };
            compare(counters, 0, 7).unexplained_bytes
        };
        assert_eq!(unexplained(7, 0), 0);
        assert_eq!(unexplained(5, 3), 0);
        assert_eq!(unexplained(7, 1), 0);
        assert_eq!(unexplained(8, 0), 1);
        assert_eq!(unexplained(5, 4), 2);
        assert_eq!(unexplained(5, 0), 2);
    }
}
