//! Limits from text: what is taken, what is refused, and what a ceiling stops.

use super::*;

fn limits() -> Limits {
    Limits {
        memory: ByteSize(1 << 30),
        pids: 256,
        cpu_millis: 2000,
        open_files: 4096,
        file_size: ByteSize(10 << 30),
        wall_clock: None,
    }
}

fn with(text: &str) -> Result<Limits, LimitError> {
    let mut changed = limits();
    apply_override(&mut changed, text).map(|()| changed)
}

#[test]
fn overrides_one_limit_at_a_time() {
    assert_eq!(with("memory=512MiB").unwrap().memory, ByteSize(512 << 20));
    assert_eq!(with("pids=64").unwrap().pids, 64);
    assert_eq!(with("cpu=1.5").unwrap().cpu_millis, 1500);
    assert_eq!(with("open_files=16").unwrap().open_files, 16);
    assert_eq!(with("file_size=1GiB").unwrap().file_size, ByteSize(1 << 30));
    let timed = with("wall_clock=30m").unwrap();
    assert_eq!(timed.wall_clock, Some(Span::from_millis(1_800_000)));
    assert_eq!(
        Limits {
            wall_clock: None,
            ..timed
        },
        limits()
    );
}

#[test]
fn refuses_malformed_and_unknown_overrides_and_changes_nothing() {
    for bad in [
        "",
        "memory",
        "memory=",
        "memory=1GB",
        "mem=1GiB",
        "pids=-1",
        "pids=+5",
        "pids=",
        "cpu=1.5555",
        "cpu=.5",
        "cpu=1.",
        "cpu=NaN",
        "cpu=1e3",
        "wall_clock=30",
        "Memory=1GiB",
        "pids =4",
    ] {
        let mut same = limits();
        assert!(apply_override(&mut same, bad).is_err(), "{bad}");
        assert_eq!(same, limits());
    }
}

#[test]
fn holds_each_limit_to_its_range_at_both_ends() {
    for (key, low, high, under, over) in [
        ("memory", "4MiB", "1TiB", "4194303", "1025GiB"),
        ("pids", "4", "65536", "3", "65537"),
        ("cpu", "0.01", "1024", "0.009", "1024.001"),
        ("open_files", "16", "1048576", "15", "1048577"),
        ("file_size", "4KiB", "16TiB", "4095", "17TiB"),
        ("wall_clock", "1s", "365d", "999ms", "366d"),
    ] {
        for ok in [low, high] {
            assert!(with(&format!("{key}={ok}")).is_ok(), "{key}={ok}");
        }
        for bad in [under, over] {
            let error = with(&format!("{key}={bad}")).unwrap_err();
            assert!(
                matches!(error, LimitError::Range { .. }),
                "{key}={bad}: {error}"
            );
        }
    }
}

#[test]
fn reads_settings_from_toml_with_the_same_ranges() {
    let read = |text: &str| toml::from_str::<LimitSettings>(text);
    let settings = read("memory = '1GiB'\ncpu = 1.5\npids = 9").unwrap();
    assert_eq!(settings.cpu.map(Cores::millis), Some(1500));
    assert_eq!(read("cpu = 2").unwrap().cpu.map(Cores::millis), Some(2000));
    for bad in [
        "cpu = inf",
        "cpu = 1.2345",
        "cpu = 0",
        "cpu = '1'",
        "pids = 3",
        "memory = 5",
        "nice = 1",
    ] {
        assert!(read(bad).is_err(), "{bad}");
    }
}

#[test]
fn a_ceiling_stops_what_is_above_it_and_an_unlimited_clock() {
    let ceiling = |text: &str| toml::from_str::<Ceiling>(text).unwrap();
    assert_eq!(Ceiling::default().check(&limits()), Ok(()));
    let exact =
        ceiling("memory = '1GiB'\npids = 256\ncpu = 2.0\nopen_files = 4096\nfile_size = '10GiB'");
    assert_eq!(exact.check(&limits()), Ok(()));
    for low in [
        "memory = '1023MiB'",
        "pids = 255",
        "cpu = 1.999",
        "open_files = 4095",
        "file_size = '1GiB'",
        "wall_clock = '1d'",
    ] {
        let error = ceiling(low).check(&limits()).unwrap_err();
        assert!(
            matches!(error, LimitError::AboveCeiling { .. }),
            "{low}: {error}"
        );
    }
}

#[test]
fn cores_read_back_as_they_are_written() {
    for text in ["0.01", "1", "1.5", "1024", "0.333"] {
        assert_eq!(text.parse::<Cores>().unwrap().to_string(), text);
    }
}
