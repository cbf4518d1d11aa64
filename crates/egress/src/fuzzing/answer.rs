//! Heads of answers: a server can't make two answers out of one.
//!
//! Not for: requests (`head`).

#![expect(
    clippy::panic,
    reason = "a promise that is not kept is a find of the fuzzer"
)]

use bytes::BytesMut;

use crate::answer::Answer;
use crate::head::Scanner;
use crate::limits::HEAD_MAX;

/// The first bytes that a server sends. True when they are an answer's head.
///
/// # Panics
/// When a promise is not kept.
pub fn answer(input: &[u8]) -> bool {
    let input = input.get(..HEAD_MAX).unwrap_or(input);
    let Ok(Some(length)) = Scanner::default().scan(input) else {
        return false;
    };
    let mut buffer = BytesMut::from(input);
    let Ok(answer) = Answer::take(&mut buffer, length) else {
        return false;
    };
    assert_eq!(buffer.len(), input.len() - length);
    let sent = written(&answer);
    assert_eq!(
        Scanner::default().scan(&sent),
        Ok(Some(sent.len())),
        "what is sent is not one head"
    );
    let Ok(again) = Answer::take(&mut BytesMut::from(&sent[..]), sent.len()) else {
        panic!("what is sent is refused");
    };
    assert_eq!(
        (again.status, &again.phrase),
        (answer.status, &answer.phrase)
    );
    assert_eq!(written(&again), sent, "sent on twice, it is another answer");
    for method in ["GET", "HEAD"] {
        let framing = answer.framing(method);
        assert_eq!(framing, answer.framing(method));
    }
    true
}

/// As the client gets it, but for the framing.
fn written(answer: &Answer) -> Vec<u8> {
    let mut out = format!("HTTP/1.1 {} {}\r\n", answer.status, answer.phrase).into_bytes();
    answer.fields.end_to_end().write(&mut out);
    out.extend_from_slice(b"\r\n");
    out
}
