//! Sessions that learn: every tunnel is opened to see what it is for, unless its client insists on the
//! server's own certificate, or speaks something that can't be read.
//!
//! Not for: what such a session may reach (`policy::egress`), nor what is made of its record.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use policy::{Decision, Destination, EgressPolicy, Handling};
use tokio::time::timeout;

use crate::authorize::{Asked, Passage, open};
use crate::conversation::{Conversation, Next};
use crate::hello::HANDSHAKE;
use crate::intercept;
use crate::tunnel::{self, Greeting, TLS_PORTS, greet};

/// Most destinations whose tunnels stay closed; tunnels to further ones are tried each time anew.
const CLOSED_MAX: usize = 1024;
/// How long a client may take to speak on a port of any protocol. One that waits for its server's
/// greeting says nothing; one that speaks first does so within a round trip of its own host.
const FIRST_WORD: Duration = Duration::from_millis(300);
/// Longest method; the longest registered one has 17 letters.
const METHOD_MAX: usize = 32;

/// What a session has learnt about tunnels.
#[derive(Debug, Default)]
pub(crate) struct Lessons {
    closed: Mutex<HashSet<Destination>>,
}

impl Lessons {
    /// What is done with a tunnel that a policy allows: one that learns opens it, unless that failed
    /// before. Where rules must see inside, it is opened in any case.
    pub(crate) fn handling(
        &self,
        policy: &EgressPolicy,
        decision: &Decision,
        destination: &Destination,
    ) -> Handling {
        if policy.is_learning() && decision.is_allowed() && !self.stays_closed(destination) {
            Handling::Intercept
        } else {
            decision.handling
        }
    }

    /// Leaves tunnels to this destination closed from now on.
    pub(crate) fn keep_closed(&self, destination: &Destination) {
        let mut closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        if closed.len() < CLOSED_MAX {
            closed.insert(destination.clone());
        }
    }

    fn stays_closed(&self, destination: &Destination) -> bool {
        let closed = self.closed.lock().unwrap_or_else(PoisonError::into_inner);
        closed.contains(destination)
    }
}

/// Opens a tunnel if there is something to read in it, and carries it otherwise.
pub(crate) async fn serve(
    conversation: &mut Conversation,
    asked: &Asked,
    greeting: Greeting,
) -> Next {
    if greet(conversation, greeting).await.is_err() {
        return Next::Done;
    }
    if TLS_PORTS.contains(&asked.destination.port) || is_readable(conversation).await {
        return intercept::serve(conversation, asked, Greeting::None).await;
    }
    let Conversation { proxy, session, .. } = &*conversation;
    session.lessons.keep_closed(&asked.destination);
    match open(session, &proxy.recorder, asked).await {
        Ok(Passage::Tunnel(permit)) => {
            tunnel::serve(conversation, asked, *permit, Greeting::None).await
        }
        // A rule must see inside, so what can't be read does not pass.
        Ok(Passage::Open) => intercept::serve(conversation, asked, Greeting::None).await,
        Err(refusal) => tunnel::deny(conversation, &refusal, Greeting::None).await,
    }
}

/// Whether the client begins with TLS or with a request of HTTP/1.1.
async fn is_readable(conversation: &mut Conversation) -> bool {
    if conversation.buffer.is_empty() {
        let reading = conversation.client.read(&mut conversation.buffer);
        // A client that has gone shows to whoever reads next.
        drop(timeout(FIRST_WORD, reading).await);
    }
    let first = &conversation.buffer;
    first.first() == Some(&HANDSHAKE) || begins_request(first)
}

fn begins_request(bytes: &[u8]) -> bool {
    let method = bytes.iter().take_while(|byte| byte.is_ascii_uppercase());
    let method = method.count();
    (1..=METHOD_MAX).contains(&method)
        && bytes
            .get(method..)
            .is_some_and(|rest| rest.starts_with(b" /"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_requests_from_other_protocols() {
        for request in [&b"GET / HTTP/1.1\r\n"[..], b"PATCH /a"] {
            assert!(begins_request(request), "{request:?}");
        }
        for other in [
            &b""[..],
            b"SSH-2.0-OpenSSH_9.2",
            b"PING\r\n",
            b"GET key\r\n",
            b"get / HTTP/1.1",
            b" / HTTP/1.1",
        ] {
            assert!(!begins_request(other), "{other:?}");
        }
    }

    #[test]
    fn opens_what_has_not_failed_and_only_while_learning() {
        let rules = policy::EgressRules::default();
        let strict = EgressPolicy::new(1, rules).unwrap();
        let learning = strict.clone().learning();
        let destination = Destination::from_authority(b"a.test:443", None).unwrap();
        let request = policy::Request {
            destination: &destination,
            kind: policy::RequestKind::Tunnel,
            method: None,
            path: None,
            tls: false,
        };
        let lessons = Lessons::default();
        let handling =
            |policy: &EgressPolicy| lessons.handling(policy, &policy.judge(&request), &destination);
        assert_eq!(handling(&learning), Handling::Intercept);
        assert_eq!(handling(&strict), Handling::Tunnel);
        lessons.keep_closed(&destination);
        assert_eq!(handling(&learning), Handling::Tunnel);
    }
}
