//! What must hold for whatever a jail or a server sends. Property tests and the fuzz targets (`fuzz/`) run the
//! same functions.
//!
//! Not for: making inputs.

#[path = "session.rs"]
mod session;
#[path = "writing.rs"]
mod writing;

use std::sync::{Arc, LazyLock};

use sheriff_vault::{
    Aim, Coding, DecodeError, Decoder, FrameFilter, Payload, Redactor, Scrub, Signing,
};

use session::{FOREIGN, OWN, SECRET_KEY, VALUE, head, now_or_never};
use writing::{contains, says, unfold, writings};

/// Most bytes that one step of a decoder or redactor may yield: a block of zstd and what was held back.
const STEP_MAX: usize = 256 * 1024;
/// Most steps in a row that neither take nor give anything; a decoder may turn to its next part in one.
const IDLE_MAX: usize = 4;
/// More than a decoder yields of content this short before it calls it a bomb.
const GIVEN_MAX: usize = 17 * 1024 * 1024;

/// Made once: it is shared by all answers of a session, too.
static SCRUB: LazyLock<Arc<Scrub>> = LazyLock::new(|| {
    let mark = OWN.parse().expect("a placeholder");
    Arc::new(Scrub::new([(VALUE, &mark)]).expect("a value"))
});

/// How a stream ended, and what came out of it.
type Passed = (Vec<u8>, Result<(), String>);

/// An answer in a coding (first byte), divided (second byte). Where the rest has the byte `0xff`, the value stands
/// in a writing that the next byte chooses. True when it was read to its end.
pub(crate) fn redactor(input: &[u8]) -> bool {
    let Some((&[how, size], rest)) = input.split_first_chunk::<2>() else {
        return false;
    };
    let scrub = Arc::clone(&SCRUB);
    let coding = coding(how);
    if coding != Coding::Identity {
        return divided(rest, (size, coding), |pieces| {
            redacted(&scrub, coding, pieces)
        })
        .1
        .is_ok();
    }
    let (text, _) = unfold(rest, &writings(VALUE));
    let (out, end) = divided(&text, (size, coding), |pieces| {
        redacted(&scrub, coding, pieces)
    });
    assert_eq!(end, Ok(()));
    assert_eq!(*scrub.redact(&text), out, "a head and a body differ");
    assert!(!says(&out, VALUE), "{}", String::from_utf8_lossy(&out));
    true
}

/// A body of a request, as for [`redactor`], with a placeholder of this session or another one. True when it may
/// go on.
pub(crate) fn placeholders(input: &[u8]) -> bool {
    let Some((&[how, size], rest)) = input.split_first_chunk::<2>() else {
        return false;
    };
    let text = if how & 1 == 0 { OWN } else { FOREIGN };
    let (body, inserted) = unfold(rest, &writings(text.as_bytes()));
    let encoding = ["identity", "gzip", "deflate", "br", "zstd"][usize::from(how >> 1) % 5];
    let sent = if encoding == "identity" { &body } else { rest };
    let (out, end) = divided(sent, (size, coding(how >> 1)), |pieces| {
        passed(encoding, pieces)
    });
    match (&end, encoding) {
        (Ok(()), _) => assert_eq!(out, sent, "a body without a placeholder was changed"),
        (Err(_), _) => assert!(sent.starts_with(&out), "what goes on is not what came"),
    }
    assert!(
        end.is_err() || !inserted || encoding != "identity",
        "a placeholder got through"
    );
    end.is_ok()
}

/// Bytes of WebSocket frames, in either direction. True when both take them.
pub(crate) fn frames(input: &[u8]) -> bool {
    let Some((&size, rest)) = input.split_first() else {
        return false;
    };
    let scrub = Arc::clone(&SCRUB);
    let down = || FrameFilter::down(Arc::clone(&scrub));
    let up = || {
        let (wallet, aim) = &*session::TOKEN;
        let (_, applied) = applied(
            wallet,
            &aim.aim(),
            &mut head("GET", "/", &[]),
            Payload::Empty,
        );
        FrameFilter::up(applied.expect("a token").body)
    };
    let filters: [&dyn Fn() -> FrameFilter; 2] = [&up, &down];
    let ends = filters.map(|filter| {
        let whole = framed(filter(), &[rest]);
        let parts: Vec<&[u8]> = rest.chunks(usize::from(size) + 1).collect();
        // Fragments may differ with the division, but not whether the frames are taken.
        assert_eq!(
            framed(filter(), &parts).1,
            whole.1,
            "in pieces of {}",
            parts.len()
        );
        assert!(whole.0.len() <= rest.len() * 24 + 64);
        whole.1.is_ok()
    });
    ends == [true, true]
}

/// Content in a coding (first byte), divided (second byte). True when it was read to its end.
pub(crate) fn decoder(input: &[u8]) -> bool {
    let Some((&[how, size], rest)) = input.split_first_chunk::<2>() else {
        return false;
    };
    let coding = coding(how);
    let (out, end) = divided(rest, (size, coding), |pieces| decoded(coding, pieces));
    assert!(
        out.len() <= GIVEN_MAX.max(rest.len() * 256),
        "{} bytes out of {}",
        out.len(),
        rest.len()
    );
    end.is_ok()
}

/// A request that is to be signed: method, target and fields, one in a line, the body's hash known or not by the
/// first byte. True when it was signed.
pub(crate) fn sigv4(input: &[u8]) -> bool {
    let Some((&how, rest)) = input.split_first() else {
        return false;
    };
    let payload =
        [Payload::Empty, Payload::Hashed([how; 32]), Payload::Unknown][usize::from(how) % 3];
    let Some(given) = session::read_head(rest) else {
        return false;
    };
    // The fuzzer learns the key from what is looked for.
    if shows_key(&given) {
        return false;
    }
    let (wallet, aim) = &**session::SIGNING
        .get(usize::from(how & 4 != 0))
        .expect("one of two");
    let aim: Aim<'_> = aim.aim();
    let mut signed = given.clone();
    let (planned, done) = applied(wallet, &aim, &mut signed, payload);
    if !planned || done.is_err() {
        return false;
    }
    for name in ["authorization", "x-amz-date"] {
        assert_eq!(values(&signed, name).len(), 1, "{name}");
    }
    assert_eq!(signed.method, given.method);
    let is_control = |byte: &u8| byte.is_ascii_control() && *byte != b'\t';
    assert!(!shows_key(&signed), "the key travels");
    let ours = |name: &str| values(&signed, name).concat();
    assert!(!ours("authorization").iter().any(is_control));
    // Signed once more, it is the same request: nothing of a signature is itself signed or piles up.
    let mut again = signed.clone();
    let (planned, done) = applied(wallet, &aim, &mut again, payload);
    assert!(planned && done.is_ok(), "what was signed can't be signed");
    assert_eq!(
        values(&again, "authorization"),
        values(&signed, "authorization")
    );
    assert_eq!(again.target, signed.target);
    // The order of fields of different names says nothing.
    let mut turned = given;
    turned
        .fields
        .sort_by_key(|(name, _)| std::cmp::Reverse(name.to_ascii_lowercase()));
    let (_, done) = applied(wallet, &aim, &mut turned, payload);
    assert!(done.is_ok());
    assert_eq!(
        values(&turned, "authorization"),
        values(&signed, "authorization")
    );
    true
}

fn shows_key(head: &sheriff_vault::Head) -> bool {
    let fields = head.fields.iter().flat_map(|(name, value)| [name, value]);
    let mut texts = fields.chain([&head.target]);
    texts.any(|text| contains(text, SECRET_KEY))
}

/// The values of all fields of this name.
fn values(head: &sheriff_vault::Head, name: &str) -> Vec<Vec<u8>> {
    let fields = head.fields.iter();
    let named = fields.filter(|(given, _)| given.eq_ignore_ascii_case(name.as_bytes()));
    named.map(|(_, value)| value.clone()).collect()
}

fn applied(
    wallet: &sheriff_vault::Wallet,
    aim: &Aim<'_>,
    head: &mut sheriff_vault::Head,
    payload: Payload,
) -> (bool, Result<sheriff_vault::Applied, String>) {
    let Ok(plan) = wallet.plan(aim, head) else {
        return (false, Err("misdirected".to_owned()));
    };
    let obtained = now_or_never(wallet.obtain(&plan)).expect("the value is there");
    let signing = Signing {
        now: 1_440_938_160,
        payload,
    };
    let applied = plan.apply(&obtained, head, &signing);
    (true, applied.map_err(|error| error.to_string()))
}

/// The same content whole, byte by byte, and in pieces of this size: the same comes out.
///
/// But for br: its decoder looks less closely at what it has whole, and takes some malformed streams that it
/// refuses in pieces. Then it must be one or the other: never two contents.
fn divided(
    input: &[u8],
    (size, coding): (u8, Coding),
    mut run: impl FnMut(&[&[u8]]) -> Passed,
) -> Passed {
    let whole = run(&[input]);
    for size in [1, usize::from(size) + 2] {
        let pieces: Vec<&[u8]> = input.chunks(size).collect();
        let parts = run(&pieces);
        // Which of two faults is met first depends on the division, not whether there is one.
        let same = parts.1.is_ok() == whole.1.is_ok() || coding == Coding::Brotli;
        assert!(same, "in pieces of {size}: {parts:?}, {whole:?}");
        // What comes out before an error depends on the division; nothing of it is used as a whole.
        let is_whole = parts.1.is_ok() && whole.1.is_ok();
        assert!(!is_whole || parts.0 == whole.0, "in pieces of {size}");
    }
    whole
}

fn coding(how: u8) -> Coding {
    [
        Coding::Identity,
        Coding::Gzip,
        Coding::Deflate,
        Coding::Brotli,
        Coding::Zstd,
    ][usize::from(how) % 5]
}

fn redacted(scrub: &Arc<Scrub>, coding: Coding, pieces: &[&[u8]]) -> Passed {
    let mut redactor = Redactor::new(Arc::clone(scrub), coding);
    let (mut out, end) = steps(pieces, |input, out| redactor.push(input, out));
    let end = end.and_then(|()| redactor.finish(&mut out).map_err(|error| error.to_string()));
    (out, end)
}

fn decoded(coding: Coding, pieces: &[&[u8]]) -> Passed {
    let mut decoder = Decoder::new(coding);
    let (out, end) = steps(pieces, |input, out| decoder.push(input, out));
    (
        out,
        end.and_then(|()| decoder.finish().map_err(|error| error.to_string())),
    )
}

fn steps(
    pieces: &[&[u8]],
    mut push: impl FnMut(&[u8], &mut Vec<u8>) -> Result<sheriff_vault::Progress, DecodeError>,
) -> Passed {
    let mut out = Vec::new();
    let mut idle = 0;
    for piece in pieces {
        let mut rest = *piece;
        loop {
            let before = out.len();
            let step = match push(rest, &mut out) {
                Ok(step) => step,
                Err(error) => return (out, Err(error.to_string())),
            };
            assert!(
                out.len() - before <= STEP_MAX,
                "a step of {}",
                out.len() - before
            );
            assert!(step.consumed <= rest.len());
            let moves = step.consumed > 0 || out.len() > before;
            idle = if moves { 0 } else { idle + 1 };
            assert!(idle <= IDLE_MAX, "a caller would go round for ever");
            rest = &rest[step.consumed..];
            if rest.is_empty() && !step.more {
                break;
            }
        }
    }
    (out, Ok(()))
}

fn passed(encoding: &str, pieces: &[&[u8]]) -> Passed {
    let (wallet, aim) = &*session::TOKEN;
    let mut head = head("POST", "/", &[("content-encoding", encoding)]);
    let (_, applied) = applied(wallet, &aim.aim(), &mut head, Payload::Unknown);
    let mut body = applied.expect("a token").body;
    let mut out = Vec::new();
    for piece in pieces {
        if let Err(error) = body.push(piece, &mut out) {
            return (out, Err(error.to_string()));
        }
    }
    let end = body.finish(&mut out).map_err(|error| error.to_string());
    (out, end)
}

fn framed(mut filter: FrameFilter, pieces: &[&[u8]]) -> Passed {
    let mut out = Vec::new();
    for piece in pieces {
        if let Err(error) = filter.push(piece, &mut out) {
            return (out, Err(error.to_string()));
        }
    }
    (out, Ok(()))
}
