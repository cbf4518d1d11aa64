//! The reason of a jailed command's end in words, where its exit code alone would not tell.
//!
//! Not for: the exit code itself; it comes with the record.

use model::{ExitReason, ExitRecord};

/// Why the command ended, for standard error; `None` when it ended by itself.
pub(crate) fn reason(record: &ExitRecord, program: &str) -> Option<String> {
    let code = record.code;
    let text = match record.reason {
        ExitReason::Exited => return None,
        ExitReason::Signalled => format!("{program}: ended by signal {}", code.saturating_sub(128)),
        ExitReason::Memory => {
            format!(
                "{program}: killed (exit {code}): the jail ran out of memory; see --limit memory=SIZE"
            )
        }
        ExitReason::Timeout => {
            format!(
                "{program}: ended (exit {code}): its time was over; see --timeout and --limit wall_clock=D"
            )
        }
        ExitReason::Budget => {
            format!(
                "{program}: killed (exit {code}): an egress budget ran out and the policy says stop"
            )
        }
        ExitReason::Killed => format!("{program}: killed (exit {code}) by an operator"),
        ExitReason::DaemonGone => format!("{program}: killed (exit {code}): the daemon went away"),
        ExitReason::NotExecutable => format!("{program}: found in the jail, but not executable"),
        ExitReason::NotFound => format!("{program}: not found in the jail"),
        ExitReason::StartFailed => format!("{program}: not started: the jail could not be built"),
    };
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_ended_by_itself_needs_no_words() {
        assert_eq!(reason(&ExitRecord::exited(137), "x"), None);
    }

    #[test]
    fn every_forced_end_names_its_cause() {
        for (cause, word) in [
            (ExitReason::Memory, "memory"),
            (ExitReason::Timeout, "time"),
            (ExitReason::Budget, "budget"),
            (ExitReason::Killed, "operator"),
            (ExitReason::DaemonGone, "daemon"),
            (ExitReason::NotFound, "not found"),
            (ExitReason::NotExecutable, "not executable"),
            (ExitReason::StartFailed, "not started"),
        ] {
            let text = reason(&ExitRecord::ended(cause), "x").unwrap();
            assert!(text.contains(word), "{text}");
        }
        let text = reason(&ExitRecord::signalled(9), "x").unwrap();
        assert!(text.ends_with("signal 9"), "{text}");
    }
}
