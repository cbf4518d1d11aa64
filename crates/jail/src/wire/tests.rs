//! Messages that survive their bytes, and bytes that are no message.

use super::*;

fn spawn() -> Order {
    Order::Spawn(Spawn {
        process: 7,
        streams: Streams::New { rows: 24, cols: 80 },
        cwd: c"/workspace".into(),
        argv: vec![c"ls".into(), c"".into()],
        env: vec![c"A=b".into()],
    })
}

#[test]
fn orders_and_reports_survive_the_wire() {
    let order = spawn();
    assert_eq!(Order::decode(&order.encode()), Ok(order));
    let report = Report::Failed {
        step: Step::Pivot,
        object: "pivot_root".into(),
        errno: Errno::EINVAL,
    };
    assert_eq!(Report::decode(&report.encode()), Ok(report));
    let killed = DeniedCall {
        errno: None,
        ..denied_call()
    };
    for call in [None, Some(denied_call()), Some(killed)] {
        let report = Report::Denied(Denials { call, untold: 9 });
        assert_eq!(Report::decode(&report.encode()), Ok(report));
    }
}

fn denied_call() -> DeniedCall {
    DeniedCall {
        thread: 1,
        number: 2,
        arch: 3,
        arguments: [4, 5, 6, 7, 8, u64::MAX],
        errno: Some(9),
    }
}

#[test]
fn a_report_of_denials_has_one_of_two_lengths_and_no_impossible_errno() {
    let call = denied_call();
    let report = |call| Report::Denied(Denials { call, untold: 1 }).encode();
    let bytes = report(Some(call));
    for length in (0..bytes.len()).filter(|length| *length != report(None).len()) {
        assert_eq!(Report::decode(&bytes[..length]), Err(Malformed), "{length}");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert_eq!(Report::decode(&longer), Err(Malformed));
    for errno in [Some(4096), Some(u16::MAX)] {
        let none = report(Some(DeniedCall { errno, ..call }));
        assert_eq!(Report::decode(&none), Err(Malformed), "{errno:?}");
    }
}

#[test]
fn refuses_every_cut_and_every_extension_of_a_message() {
    let bytes = spawn().encode();
    for length in 0..bytes.len() {
        assert_eq!(Order::decode(&bytes[..length]), Err(Malformed), "{length}");
    }
    let longer = [bytes.as_slice(), &[0]].concat();
    assert_eq!(Order::decode(&longer), Err(Malformed));
}
