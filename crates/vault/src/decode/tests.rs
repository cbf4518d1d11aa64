//! Codings, made by other encoders and by hand, in pieces of every size, cut, spoilt and unfolding
//! without end.
//!
//! Not for: what is looked for in them.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::*;

const CODINGS: [Coding; 5] = [
    Coding::Identity,
    Coding::Gzip,
    Coding::Deflate,
    Coding::Brotli,
    Coding::Zstd,
];

/// A content in this coding.
pub(crate) fn encoded(coding: Coding, content: &[u8]) -> Vec<u8> {
    match coding {
        Coding::Identity => content.to_vec(),
        Coding::Gzip => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap()
        }
        Coding::Deflate => {
            let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
            encoder.write_all(content).unwrap();
            encoder.finish().unwrap()
        }
        Coding::Brotli => {
            let mut encoder = ::brotli::CompressorWriter::new(Vec::new(), 4096, 5, 20);
            encoder.write_all(content).unwrap();
            encoder.into_inner()
        }
        Coding::Zstd => compress_to_vec(content, CompressionLevel::Fastest),
    }
}

/// What pieces unfold to, and the most that one step gave.
fn decoded(coding: Coding, bytes: &[u8], size: usize) -> Result<(Vec<u8>, usize), DecodeError> {
    let mut decoder = Decoder::new(coding);
    let (mut out, mut most) = (Vec::new(), 0);
    for piece in bytes.chunks(size) {
        let mut rest = piece;
        loop {
            let before = out.len();
            let step = decoder.push(rest, &mut out)?;
            most = most.max(out.len() - before);
            rest = &rest[step.consumed..];
            if rest.is_empty() && !step.more {
                break;
            }
        }
    }
    decoder.finish()?;
    Ok((out, most))
}

fn content() -> Vec<u8> {
    let lines = (0..20_000).map(|number| format!("{{\"line\": {}}}\n", number * 7919 % 10_007));
    lines.collect::<String>().into_bytes()
}

#[test]
fn every_coding_unfolds_to_its_content_in_pieces_of_any_size() {
    for coding in CODINGS {
        for content in [content(), b"x".to_vec(), Vec::new()] {
            let bytes = encoded(coding, &content);
            for size in [1, 2, 7, 1000, 10_000_000] {
                let (out, most) = decoded(coding, &bytes, size).unwrap();
                assert!(out == content, "{coding:?} by {size}");
                assert!(most <= 2 * STEP_MAX, "{coding:?} {most}");
            }
        }
    }
}

#[test]
fn deflate_without_its_frame_and_several_members_or_frames_are_read() {
    let mut raw = DeflateEncoder::new(Vec::new(), Compression::default());
    raw.write_all(&content()).unwrap();
    let raw = raw.finish().unwrap();
    assert_eq!(decoded(Coding::Deflate, &raw, 100).unwrap().0, content());
    for coding in [Coding::Gzip, Coding::Zstd] {
        let skipped: &[u8] = match coding {
            Coding::Zstd => &[0x51, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, b'a', b'b', b'c'],
            _ => &[],
        };
        let two = [&encoded(coding, b"one "), skipped, &encoded(coding, b"two")].concat();
        for size in [1, 1000] {
            assert_eq!(decoded(coding, &two, size).unwrap().0, b"one two");
        }
    }
}

#[test]
fn a_gzip_header_with_everything_in_it_is_read() {
    let plain = encoded(Coding::Gzip, b"content");
    let mut full = vec![0x1f, 0x8b, 8, 31, 0, 0, 0, 0, 0, 3];
    full.extend([3, 0, b'x', b'y', b'z']);
    full.extend(b"name\0comment\0\x12\x34");
    full.extend(&plain[10..]);
    for size in [1, 3, 1000] {
        assert_eq!(decoded(Coding::Gzip, &full, size).unwrap().0, b"content");
    }
}

#[test]
fn content_that_is_cut_spoilt_or_followed_by_more_is_an_error() {
    for coding in [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd] {
        let bytes = encoded(coding, &content());
        for cut in [1, bytes.len() / 2, bytes.len() - 1] {
            let cut = decoded(coding, &bytes[..cut], 1000);
            assert!(
                matches!(cut, Err(DecodeError::Truncated)),
                "{coding:?} {cut:?}"
            );
        }
        let more = [&bytes[..], b"more"].concat();
        assert!(decoded(coding, &more, 1000).is_err(), "{coding:?}");
        assert!(decoded(coding, b"plain text", 1000).is_err(), "{coding:?}");
        assert!(decoded(coding, &bytes, 1000).is_ok());
    }
    let mut spoilt = encoded(Coding::Gzip, &content());
    let sum = spoilt.len() - 6;
    spoilt[sum] ^= 1;
    assert!(matches!(
        decoded(Coding::Gzip, &spoilt, 1000),
        Err(DecodeError::Malformed)
    ));
}

#[test]
fn content_that_unfolds_without_end_is_cut_in_bounded_memory() {
    let zeros = vec![0; 64 * 1024 * 1024];
    for coding in [Coding::Gzip, Coding::Deflate, Coding::Brotli] {
        let bomb = encoded(coding, &zeros);
        assert!(
            matches!(decoded(coding, &bomb, 1_000_000), Err(DecodeError::Bomb)),
            "{coding:?}"
        );
    }
    // A frame of runs: each block of four bytes unfolds to 128 KiB.
    let mut bomb = vec![0x28, 0xb5, 0x2f, 0xfd, 0, 0x58];
    for _ in 0..1000 {
        bomb.extend([0x02, 0x00, 0x10, b'z']);
    }
    assert!(matches!(
        decoded(Coding::Zstd, &bomb, 1_000_000),
        Err(DecodeError::Bomb)
    ));
    // Much text is no bomb.
    let text = content().repeat(100);
    let bytes = encoded(Coding::Gzip, &text);
    assert_eq!(
        decoded(Coding::Gzip, &bytes, 1_000_000).unwrap().0.len(),
        text.len()
    );
}

#[test]
fn a_zstd_window_beyond_8_mib_is_refused() {
    let frame = |window: u8| vec![0x28, 0xb5, 0x2f, 0xfd, 0, window, 0x01, 0, 0];
    assert!(decoded(Coding::Zstd, &frame(13 << 3), 100).is_ok());
    assert!(decoded(Coding::Zstd, &frame(14 << 3), 100).is_err());
}

#[test]
fn what_is_flushed_by_the_server_comes_out_at_once() {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::default());
    let mut decoder = Decoder::new(Coding::Gzip);
    for event in ["data: one\n\n", "data: two\n\n"] {
        gzip.write_all(event.as_bytes()).unwrap();
        gzip.flush().unwrap();
        let mut rest = std::mem::take(gzip.get_mut());
        let mut out = Vec::new();
        while !rest.is_empty() {
            let step = decoder.push(&rest, &mut out).unwrap();
            rest.drain(..step.consumed);
        }
        assert_eq!(out, event.as_bytes());
    }
}

#[test]
fn names_of_codings_are_read_as_http_writes_them() {
    let of = |values: &[&str]| Coding::of(values.iter().map(|value| value.as_bytes()));
    assert_eq!(of(&[]), Ok(Coding::Identity));
    assert_eq!(of(&["", " identity "]), Ok(Coding::Identity));
    assert_eq!(of(&["X-GZip"]), Ok(Coding::Gzip));
    assert_eq!(of(&["identity, br"]), Ok(Coding::Brotli));
    for bad in [
        &["gzip, br"][..],
        &["gzip", "gzip"],
        &["compress"],
        &["gzip;q=1"],
        &["aes128gcm"],
    ] {
        assert_eq!(of(bad), Err(DecodeError::Unknown), "{bad:?}");
    }
}
