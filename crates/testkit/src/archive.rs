//! Zip, tar and gzip files of a few small members, without compression.
//!
//! Not for: reading archives.

/// A zip archive with stored members (as a Python wheel is).
#[must_use]
pub fn zip(members: &[(&str, &[u8])]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in members {
        let offset = file.len();
        let description = zip_description(name, content);
        file.extend_from_slice(b"PK\x03\x04");
        file.extend_from_slice(&description);
        file.extend_from_slice(name.as_bytes());
        file.extend_from_slice(content);
        // Version made by: UNIX (3), so that the mode below counts.
        directory.extend_from_slice(b"PK\x01\x02\x14\x03");
        directory.extend_from_slice(&description);
        directory.extend_from_slice(&[0; 6]);
        directory.extend_from_slice(&(0o100_644_u32 << 16).to_le_bytes());
        directory.extend_from_slice(&long(offset));
        directory.extend_from_slice(name.as_bytes());
    }
    let start = file.len();
    file.extend_from_slice(&directory);
    file.extend_from_slice(b"PK\x05\x06\0\0\0\0");
    file.extend_from_slice(&short(members.len()));
    file.extend_from_slice(&short(members.len()));
    file.extend_from_slice(&long(directory.len()));
    file.extend_from_slice(&long(start));
    file.extend_from_slice(&[0; 2]);
    file
}

/// What local and central headers share: version, flags, method, date, checksum, sizes, lengths.
fn zip_description(name: &str, content: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    text.extend_from_slice(&[20, 0, 0, 0, 0, 0, 0, 0]);
    // 1 January 1980, the earliest date there is.
    text.extend_from_slice(&[0x21, 0]);
    text.extend_from_slice(&crc32(content).to_le_bytes());
    text.extend_from_slice(&long(content.len()));
    text.extend_from_slice(&long(content.len()));
    text.extend_from_slice(&short(name.len()));
    text.extend_from_slice(&[0; 2]);
    text
}

/// A gzip file of one stored block a 65,535 bytes (RFC 1951 section 3.2.4, RFC 1952).
#[must_use]
pub fn gzip(content: &[u8]) -> Vec<u8> {
    let mut file = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 255];
    let blocks = content.chunks(0xffff).count();
    for (index, block) in content.chunks(0xffff).enumerate() {
        file.push(u8::from(index + 1 == blocks));
        let size = short(block.len());
        file.extend_from_slice(&size);
        file.extend(size.iter().map(|byte| !byte));
        file.extend_from_slice(block);
    }
    file.extend_from_slice(&crc32(content).to_le_bytes());
    file.extend_from_slice(&long(content.len()));
    file
}

/// A ustar archive of regular files with names of at most 99 bytes.
#[must_use]
pub fn tar(members: &[(&str, &[u8])]) -> Vec<u8> {
    let mut file = Vec::new();
    for (name, content) in members {
        file.extend_from_slice(&tar_header(name, content.len()));
        file.extend_from_slice(content);
        file.resize(file.len().next_multiple_of(512), 0);
    }
    file.resize(file.len() + 1024, 0);
    file
}

fn tar_header(name: &str, size: usize) -> Vec<u8> {
    let mut header = name.as_bytes().to_vec();
    assert!(header.len() < 100, "{name} is too long for a plain header");
    header.resize(100, 0);
    header.extend_from_slice(b"0000644\x000000000\x000000000\x00");
    header.extend_from_slice(format!("{size:011o}\0{:011o}\0", 0).as_bytes());
    let checksum_at = header.len();
    header.extend_from_slice(b"        0");
    header.resize(257, 0);
    header.extend_from_slice(b"ustar\x0000");
    header.resize(512, 0);
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    let digits = format!("{sum:06o}\0 ");
    header.splice(checksum_at..checksum_at + 8, digits.bytes());
    header
}

/// CRC-32 as in zip and gzip (RFC 1952 section 8), bit by bit.
fn crc32(content: &[u8]) -> u32 {
    let step = |crc: u32| (crc >> 1) ^ (0xEDB8_8320 & (crc & 1).wrapping_neg());
    let folded = content.iter().fold(!0, |crc: u32, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc))
    });
    !folded
}

fn short(value: usize) -> [u8; 2] {
    u16::try_from(value).unwrap().to_le_bytes()
}

fn long(value: usize) -> [u8; 4] {
    u32::try_from(value).unwrap().to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_published_one() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn other_programs_read_what_we_write() {
        let folder = tempfile::tempdir().unwrap();
        let members: &[(&str, &[u8])] = &[("a/one", b"1\n"), ("a/two", b"22\n")];
        std::fs::write(folder.path().join("x.zip"), zip(members)).unwrap();
        std::fs::write(folder.path().join("x.tgz"), gzip(&tar(members))).unwrap();
        let script = "tar xzf x.tgz && cat a/one a/two && rm -r a && \
                      python3 -m zipfile -e x.zip . && cat a/one a/two";
        let output = std::process::Command::new("sh")
            .args(["-c", script])
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert_eq!(output.stdout, b"1\n22\n1\n22\n", "{output:?}");
    }
}
