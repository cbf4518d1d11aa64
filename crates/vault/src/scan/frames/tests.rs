//! WebSocket messages in every division into frames, fragments and reads.
//!
//! Not for: what is found in a text (`scan::tests`, `redact::tests`).

use super::*;
use crate::placeholder::Placeholder;
use crate::placeholder::tests::placeholder;
use crate::scan::Allowance;
use crate::wallet::Misuse;
use crate::wallet::roster::Roster;

const VALUE: &str = "sk-real-value-0123";
const MASK: [u8; 4] = [0x12, 0xf4, 0x05, 0x88];

fn frame(first: u8, mask: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    write(first & 15, first & 128 != 0, mask, payload, &mut out);
    out
}

fn up() -> FrameFilter {
    FrameFilter::up(BodyFilter::plain(Allowance {
        roster: Arc::new(Roster::default()),
        misuses: Vec::new(),
        insertions: Vec::new(),
    }))
}

fn down() -> FrameFilter {
    let mark = placeholder("", 0);
    FrameFilter::down(Arc::new(Scrub::new([(VALUE.as_bytes(), &mark)]).unwrap()))
}

fn mark() -> Placeholder {
    placeholder("", 0)
}

/// Messages and control frames that these bytes are, each with its opcode.
fn messages(bytes: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let (mut all, mut open, mut rest) = (Vec::new(), None::<(u8, Vec<u8>)>, bytes);
    while !rest.is_empty() {
        let len = (2..=rest.len().min(HEADER_MAX))
            .find(|len| Frame::read(&rest[..*len]).unwrap().is_some());
        let (header, behind) = rest.split_at(len.unwrap());
        let mut frame = Frame::read(header).unwrap().unwrap();
        let (payload, behind) = behind.split_at(usize::try_from(frame.left).unwrap());
        rest = behind;
        let payload = frame.unmask(payload);
        if frame.opcode >= 8 {
            all.push((frame.opcode, payload));
            continue;
        }
        let (_, text) = open.get_or_insert((frame.opcode, Vec::new()));
        text.extend(payload);
        if frame.is_last {
            all.extend(open.take());
        }
    }
    assert!(open.is_none());
    all
}

fn through(filter: &mut FrameFilter, bytes: &[u8], size: usize) -> Result<Vec<u8>, FrameError> {
    let mut out = Vec::new();
    for piece in bytes.chunks(size) {
        filter.push(piece, &mut out)?;
    }
    Ok(out)
}

#[test]
fn messages_of_both_kinds_and_control_frames_between_fragments_pass_as_they_are() {
    let long = vec![b'x'; 70_000];
    let expected = [
        (9, b"ping".to_vec()),
        (1, b"hello world".to_vec()),
        (2, long.clone()),
        (2, Vec::new()),
        (8, vec![3, 232]),
    ];
    for (mask, new) in [(Some(MASK), up as fn() -> FrameFilter), (None, down)] {
        let bytes = [
            frame(1, mask, b"hello "),
            frame(0x89, mask, b"ping"),
            frame(0x80, mask, b"world"),
            frame(0x82, mask, &long),
            frame(0x82, mask, b""),
            frame(0x88, mask, &[3, 232]),
        ]
        .concat();
        for size in [1, 3, 1000, bytes.len()] {
            let out = through(&mut new(), &bytes, size).unwrap();
            assert_eq!(messages(&out), expected, "by {size}");
        }
    }
}

#[test]
fn a_small_message_passes_at_once_in_one_frame() {
    let bytes = frame(0x81, None, b"{\"delta\": \"x\"}");
    assert_eq!(through(&mut down(), &bytes, bytes.len()).unwrap(), bytes);
    let bytes = frame(0x81, Some(MASK), b"{\"delta\": \"x\"}");
    assert_eq!(through(&mut up(), &bytes, bytes.len()).unwrap(), bytes);
}

#[test]
fn a_value_is_redacted_across_fragments_with_a_control_frame_in_between() {
    for cut in 0..VALUE.len() {
        let (first, second) = VALUE.split_at(cut);
        let bytes = [
            frame(1, None, format!("a {first}").as_bytes()),
            frame(0x8a, None, VALUE.as_bytes()),
            frame(0x80, None, format!("{second} b").as_bytes()),
        ]
        .concat();
        for size in [1, bytes.len()] {
            let out = messages(&through(&mut down(), &bytes, size).unwrap());
            let text = format!("a {} b", mark()).into_bytes();
            assert_eq!(
                out,
                [(10, mark().as_str().into()), (1, text)],
                "{cut} by {size}"
            );
        }
    }
}

#[test]
fn a_placeholder_is_found_across_fragments_and_in_control_frames_and_nothing_of_it_goes() {
    let text = mark().as_str().to_owned();
    for cut in 0..text.len() {
        let (first, second) = text.as_bytes().split_at(cut);
        let bytes = [frame(2, Some(MASK), first), frame(0x80, Some(MASK), second)].concat();
        let mut filter = up();
        let mut out = Vec::new();
        let refused = bytes
            .chunks(1)
            .find_map(|piece| filter.push(piece, &mut out).err());
        let Some(FrameError::Misdirected(refused)) = refused else {
            panic!("not found at {cut}");
        };
        assert_eq!((refused.misuse, out.len()), (Misuse::Foreign, 0));
    }
    let ping = frame(0x89, Some(MASK), text.as_bytes());
    assert!(matches!(
        through(&mut up(), &ping, 9),
        Err(FrameError::Misdirected(_))
    ));
}

#[test]
fn frames_that_nobody_agreed_on_end_the_connection() {
    let refused = |new: fn() -> FrameFilter, bytes: &[u8]| {
        matches!(through(&mut new(), bytes, 1), Err(FrameError::Malformed(_)))
    };
    let bad: [(&str, &[u8]); 8] = [
        ("a reserved bit (compression)", &[0xc1, 0]),
        ("an unknown opcode", &[0x83, 0]),
        ("a divided control frame", &[0x09, 0]),
        ("a long control frame", &[0x89, 126]),
        ("a continuation of nothing", &[0x80, 0]),
        ("a message within a message", &[0x01, 0, 0x81, 0]),
        ("a length written too long", &[0x81, 126, 0, 5]),
        (
            "a length beyond 63 bits",
            &[0x81, 127, 255, 0, 0, 0, 0, 0, 0, 0],
        ),
    ];
    for (what, bytes) in bad {
        assert!(refused(down, bytes), "{what}");
    }
    assert!(
        refused(down, &frame(0x81, Some(MASK), b"x")),
        "masked by a server"
    );
    assert!(
        refused(up, &frame(0x81, None, b"x")),
        "not masked by a client"
    );
    assert!(!refused(down, &frame(0x81, None, b"x")));
    assert!(!refused(up, &frame(0x81, Some(MASK), b"x")));
}
