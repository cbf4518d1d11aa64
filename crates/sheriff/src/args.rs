//! The command line as a whole: global options and the choice of a command.
//!
//! Not for: the options of one command; they stand in its own file.

use clap::Parser;

use crate::commands::Command;
use crate::sockets::Sockets;

/// Runs untrusted programs in jails whose only way out is a proxy that you control.
#[derive(Debug, Parser)]
#[command(name = "sheriff", version, about, long_about = None, max_term_width = 100)]
pub(crate) struct Cli {
    /// Where the daemon is.
    #[command(flatten)]
    pub(crate) sockets: Sockets,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, error::ErrorKind};

    use super::*;

    fn refused(line: &[&str]) -> ErrorKind {
        Cli::try_parse_from(line).unwrap_err().kind()
    }

    #[test]
    fn the_definition_of_the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_command_has_an_option_under_the_id_of_a_global_one() {
        fn walk(command: &clap::Command, globals: &[String], seen: &mut usize) {
            for option in command.get_arguments().filter(|it| !it.is_global_set()) {
                *seen += 1;
                let id = option.get_id().as_str();
                assert!(
                    !globals.iter().any(|it| it == id),
                    "{id} of {}",
                    command.get_name()
                );
            }
            for below in command.get_subcommands() {
                walk(below, globals, seen);
            }
        }
        let cli = Cli::command();
        let globals = cli.get_arguments().filter(|it| it.is_global_set());
        let globals: Vec<String> = globals.map(|it| it.get_id().to_string()).collect();
        let mut seen = 0;
        walk(&cli, &globals, &mut seen);
        assert!(
            globals == ["socket-dir"] && seen > 20,
            "{globals:?}, {seen}"
        );
    }

    #[test]
    fn options_of_the_command_stay_with_the_command() {
        let cli = Cli::try_parse_from(["sheriff", "run", "--", "ls", "--allow", "-t"]).unwrap();
        let Command::Run(run) = cli.command else {
            panic!("not run")
        };
        assert_eq!(run.jailed.command, ["ls", "--allow", "-t"]);
        assert!(!run.jailed.terminal && run.jailed.allow.is_empty());
    }

    #[test]
    fn refuses_malformed_values_by_name() {
        let valid = ["sheriff", "inspect", "s-0000000000000001"];
        assert!(Cli::try_parse_from(valid).is_ok());
        for line in [
            &["sheriff", "inspect", "../../etc"][..],
            &["sheriff", "egress", "why", "s-0000000000000001"],
            &["sheriff", "run", "--profile", "../x", "--", "ls"],
            &["sheriff", "run", "--timeout", "30", "--", "ls"],
            &["sheriff", "run", "--env", "NOVALUE", "--", "ls"],
            &["sheriff", "run", "--env", "=x", "--", "ls"],
            &["sheriff", "run", "--limit", "memory", "--", "ls"],
            &[
                "sheriff",
                "run",
                "--connect",
                "a.example=nowhere",
                "--",
                "ls",
            ],
            &["sheriff", "run", "--allow", "", "--", "ls"],
        ] {
            assert_eq!(refused(line), ErrorKind::ValueValidation, "{line:?}");
        }
        assert_eq!(
            refused(&["sheriff", "run"]),
            ErrorKind::MissingRequiredArgument
        );
        assert_eq!(
            refused(&["sheriff", "run", "ls"]),
            ErrorKind::UnknownArgument
        );
    }
}
