//! Upstream servers that write down all that reaches them.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

pub(crate) struct Origin {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<u8>>>,
    connections: Arc<AtomicUsize>,
}

/// One connection to an origin.
pub(crate) struct Caller {
    pub(crate) stream: TcpStream,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Origin {
    /// Runs `serve` for each connection on a thread of its own, until the test's process ends.
    pub(crate) fn start(serve: impl Fn(&mut Caller) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, connections) = (
            Arc::<Mutex<Vec<u8>>>::default(),
            Arc::<AtomicUsize>::default(),
        );
        let (shared, count, serve) = (Arc::clone(&seen), Arc::clone(&connections), Arc::new(serve));
        let accept = move || {
            while let Ok((stream, _)) = listener.accept() {
                count.fetch_add(1, Ordering::SeqCst);
                let mut caller = Caller {
                    stream,
                    seen: Arc::clone(&shared),
                };
                let serve = Arc::clone(&serve);
                drop(tasks::thread("origin caller", move || serve(&mut caller)).unwrap());
            }
        };
        drop(tasks::thread("origin", accept).unwrap());
        Self {
            address,
            seen,
            connections,
        }
    }

    /// Sends back all that it gets.
    pub(crate) fn echo() -> Self {
        Self::start(|caller| {
            while let Some(bytes) = caller.read() {
                if caller.stream.write_all(&bytes).is_err() {
                    return;
                }
            }
            drop(caller.stream.shutdown(Shutdown::Write));
        })
    }

    /// Answers each request that has no body with these bytes.
    pub(crate) fn http(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |caller| {
            while caller.head().is_some() {
                caller.say(&answer);
            }
        })
    }

    /// Like [`Self::http`], but closes behind its answer.
    pub(crate) fn http_closing(answer: impl Into<Vec<u8>>) -> Self {
        let answer = answer.into();
        Self::start(move |caller| {
            if caller.head().is_some() {
                caller.say(&answer);
            }
        })
    }

    /// A rule that leads a name and port here.
    pub(crate) fn rule(&self, host: &str, port: u16) -> Value {
        json!({ "host": host, "ports": [port], "connect": self.address.to_string() })
    }

    /// All bytes of all connections so far.
    pub(crate) fn seen(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Caller {
    /// The next bytes; `None` at the end.
    pub(crate) fn read(&mut self) -> Option<Vec<u8>> {
        let mut buffer = vec![0; 1 << 16];
        let count = self
            .stream
            .read(&mut buffer)
            .ok()
            .filter(|count| *count > 0)?;
        buffer.truncate(count);
        self.seen.lock().unwrap().extend_from_slice(&buffer);
        Some(buffer)
    }

    /// Reads to the end of a head.
    pub(crate) fn head(&mut self) -> Option<String> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            self.stream.read_exact(&mut byte).ok()?;
            head.push(byte[0]);
        }
        self.seen.lock().unwrap().extend_from_slice(&head);
        String::from_utf8(head).ok()
    }

    /// Writes; the other side may be gone.
    pub(crate) fn say(&mut self, bytes: &[u8]) {
        drop(self.stream.write_all(bytes));
    }
}

/// An answer with a Content-Length.
pub(crate) fn ok(body: &str) -> String {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}
