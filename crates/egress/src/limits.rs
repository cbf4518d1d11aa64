//! Every bound of the proxy, each with its reason.
//!
//! Not for: what an operator sets per jail (budgets, rates), which is policy.

use std::time::Duration;

/// Longest request or response head. Twice what common servers accept, so that they refuse first.
pub const HEAD_MAX: usize = 32 * 1024;
/// Most header fields of a head; servers accept about 100.
pub const HEADERS_MAX: usize = 100;
/// Longest request target (RFC 9112 section 3 asks for 8000 octets at least).
pub const URI_MAX: usize = 8 * 1024;
/// Longest trailer section of a chunked body; real ones are a checksum or two.
pub const TRAILERS_MAX: usize = 8 * 1024;
/// Longest chunk-size line, extensions included; longer ones only serve to make a parser work.
pub const CHUNK_LINE_MAX: usize = 256;
/// Most 1xx answers to one request; more is an upstream that never answers.
pub const INTERIM_MAX: u32 = 16;

/// From the first byte of a head to its end: a slow client must not hold a connection for ever.
pub const HEAD_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a client may keep a connection open between requests.
pub const KEEP_ALIVE_IDLE: Duration = Duration::from_secs(60);
/// From `200 Connection established` to a complete ClientHello.
pub const HELLO_TIMEOUT: Duration = Duration::from_secs(10);
/// A TLS handshake with an upstream server, once it is connected.
pub const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest content that is held whole because its hash is to be signed. Services that want the hash take
/// documents, not uploads.
pub const HELD_MAX: usize = 4 * 1024 * 1024;
/// Memory of one session, for each direction, for content held whole or in a coding with a large window.
///
/// A thousand connections could each have such content, and the office has one memory for all jails.
pub const ROOM: usize = 128 * 1024 * 1024;
/// Most bytes of TLS records that are read at once: one record of the largest size.
pub const TLS_READ: usize = 17 * 1024;
/// Longest ClientHello. Those with post-quantum keys are about 2 KiB.
pub const HELLO_MAX: usize = 16 * 1024;
/// A tunnel in which nothing moves. Streams with an event a minute must live.
pub const TUNNEL_IDLE: Duration = Duration::from_secs(15 * 60);
/// A tunnel of which one half is closed and in whose other half nothing moves.
pub const HALF_OPEN_IDLE: Duration = Duration::from_secs(60);
/// A request body that the client stops sending.
pub const BODY_IDLE: Duration = Duration::from_secs(60);
/// An upstream that is silent before or within its answer; language models think for minutes.
pub const ANSWER_IDLE: Duration = Duration::from_secs(10 * 60);
/// A client or upstream that stops reading what it is sent.
pub const WRITE_IDLE: Duration = Duration::from_secs(60);
/// An idle upstream connection that waits for its client's next request; servers drop them at 60 s.
pub const UPSTREAM_IDLE: Duration = Duration::from_secs(30);
/// How long a closing connection may still send what it had under way, and how much: closing at
/// once would reset the connection and take the answer with it (RFC 9112 section 9.6).
pub const LINGER: Duration = Duration::from_secs(2);
/// See [`LINGER`].
///
/// As much as the buffers of both ends of a TCP connection hold on an ordinary Linux host
/// (`tcp_wmem` and `tcp_rmem`, 4 and 6 MiB): a client that writes before it reads has that under way.
pub const LINGER_BYTES: u64 = 10 << 20;

/// Connections of one session. Beyond, that session is answered 503; others are not affected.
pub const SESSION_CONNECTIONS: usize = 1024;
/// Connections of one session that may be told so at once; beyond, they are closed without a word.
pub const SESSION_TURNED_AWAY: usize = 32;
/// Name look-ups of one session under way. Each holds a thread until the host's resolver gives up.
pub const SESSION_LOOKUPS: usize = 16;
/// Name look-ups of all sessions under way; the runtime's blocking threads are 512.
pub const PROCESS_LOOKUPS: usize = 128;
/// A name look-up, waiting for its turn included.
pub const LOOKUP_TIMEOUT: Duration = Duration::from_secs(10);
/// Addresses of one name that are tried; the next ones hardly fare better.
pub const DIAL_ADDRESSES: usize = 4;
/// One attempt to connect.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest answer of a hop to CONNECT; it has a status and a few fields.
pub const HOP_HEAD_MAX: usize = 8 * 1024;
/// From CONNECT to the hop's answer: it resolves and dials meanwhile, as this proxy would.
pub const HOP_TIMEOUT: Duration = Duration::from_secs(30);
/// All attempts of one request.
pub const DIAL_TIMEOUT: Duration = Duration::from_secs(20);

/// New names below wildcards that one session may ask for in a minute. A page or a build draws on some
/// tens; at this rate labels carry less than a hundred bytes a second, and every one is on record.
pub const NEW_NAMES: u32 = 60;
/// Such names that a session's repeated requests are known by: 1 MiB at most. Beyond, all are forgotten.
pub const NAMES_KNOWN: usize = 4096;

/// Size asked for the pipes that tunnels go through: fewer system calls per byte.
pub const PIPE_BYTES: usize = 1024 * 1024;
/// Pipes of that size kept for the next transfer. A pipe is only held while bytes are under way,
/// so idle tunnels cost none.
pub const PIPES_KEPT: usize = 32;
/// Pipes of that size in use at once; further ones have the kernel's default size. All together
/// stay below the 64 MiB of pipe pages that an unprivileged user may hold (pipe(7)).
pub const PIPES_LARGE: usize = 48;
/// Buffer of a connection, as large as the longest head.
pub const BUFFER: usize = HEAD_MAX;

/// First denials that a session keeps for its report.
pub const DENIALS_KEPT: usize = 100;
/// Hosts that a session's usage names; the rest is counted under `other`.
pub const HOSTS_KEPT: usize = 256;
/// Token buckets of one session that are known while they fill. A policy with more rates than that is
/// one for many hosts, and a full bucket need not be known.
pub const BUCKETS_KEPT: usize = 4096;
/// Pause between two alerts about bytes that can't be explained, which sum up what came meanwhile.
pub const ALERT_PAUSE: Duration = Duration::from_secs(5);
/// Longest text from a jail in a record.
pub const TEXT_MAX: usize = 256;

/// Denials per second that need no decision of policy (DNS questions, malformed requests, refused
/// connections) and are recorded one by one; the rest is counted. A flood must not fill the disk.
pub const NOISE_PER_SECOND: u32 = 10;
/// Denials of one session that are recorded one by one whatever their rate: enough for every step of
/// an honest program that meets its limits.
pub const DENIALS_FIRST: u32 = 1000;
/// Denials per second of one session that are recorded one by one after those; the rest is counted.
/// At some 600 bytes a line that is 1 GB a day, against that much in minutes without a bound.
pub const DENIALS_PER_SECOND: u32 = 20;
/// Longest DNS message over TCP that is read; questions are a few hundred bytes.
pub const DNS_MESSAGE_MAX: usize = 4096;
/// DNS questions of one session that are answered per second; the rest is dropped, like any
/// overload of DNS.
pub const DNS_PER_SECOND: u32 = 2000;
/// DNS connections of one session; they count as connections, too.
pub const DNS_IDLE: Duration = Duration::from_secs(10);

/// Pause of an accept loop that ran out of descriptors or memory; the queue keeps the rest.
pub const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Pause of an accept loop after a connection for which there was no place at all.
///
/// Whoever floods waits in
/// the kernel's queue; without it the flood costs all jails processor time (p99 of another four times as long).
pub const CROWD_PAUSE: Duration = Duration::from_millis(5);

/// Longest answer body that a fetch returns.
pub const FETCH_BODY_MAX: usize = 4 * 1024 * 1024;
/// Longest request body of a fetch.
pub const FETCH_REQUEST_MAX: usize = 4 * 1024 * 1024;
/// Longest time a fetch may ask for.
pub const FETCH_TIMEOUT_MAX: Duration = Duration::from_secs(300);

/// How long content that may be the beginning of a placeholder waits for what follows it. Pieces of one
/// message come within that; in a dialogue nothing comes.
pub const HELD_BACK: Duration = Duration::from_millis(5);
/// Longest head in HTTP/2, as it is counted there: names, values, and 32 bytes for each field (RFC 9113
/// 6.5.2). As [`HEAD_MAX`].
pub const HEAD_LIST_MAX: u32 = 32 * 1024;
/// Streams that a client of HTTP/2 may have open on one connection: what servers commonly grant. All
/// streams of a session take places of [`SESSION_CONNECTIONS`] as well.
pub const STREAMS: u32 = 100;
/// Content of one stream that is held while the other side does not take it. At 50 ms there and back it
/// still lets 5 MB a second pass.
pub const STREAM_WINDOW: u32 = 256 * 1024;
/// The same for all streams of a connection: as much as they may have in all, so that none can take the
/// room of another.
pub const STREAMS_WINDOW: u32 = STREAMS * STREAM_WINDOW;
/// Content of one stream that waits to be written.
pub const STREAM_BUFFER: usize = 64 * 1024;
/// Pause between two looks whether a client of HTTP/2 is still there; one that has not answered a ping by
/// the next is not.
pub const PING_PAUSE: Duration = Duration::from_secs(20);
/// Streams of a connection that a client may give up within [`RESETS_WINDOW`]. A page that is left gives
/// up what it had open.
pub const RESETS_MAX: u32 = 2 * STREAMS;
/// See [`RESETS_MAX`].
pub const RESETS_WINDOW: Duration = Duration::from_secs(10);
/// Idle connections of HTTP/1.1 to a server that wait for the next streams of one client connection:
/// beyond these few, a burst is over.
pub const LINES_KEPT: usize = 8;
