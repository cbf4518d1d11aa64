//! Who may run a command that learns: one whose every request is let through and recorded, but for what
//! deny rules, the ceiling and address classes forbid.
//!
//! Not for: what is let through (`policy`), nor what is made of the record; the client does that.

use api::attach::Run;

/// TCP ports that programs use without asking a proxy, opened beside those that rules name. A program that
/// connects to any other one is refused by the kernel, and nobody hears of it.
///
/// SSH, mail submission, MySQL, PostgreSQL, Redis, two that development servers use, HTTPS's
/// alternative, and git's own.
pub(crate) const PORTS: [u16; 9] = [22, 587, 3306, 5432, 6379, 8000, 8080, 8443, 9418];

/// A command that may not learn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LearningError {
    /// It is dangerous, so it is for those who could do it anyway.
    #[error("user {uid} may not let a command learn: it would reach every host")]
    Forbidden {
        /// Who asked.
        uid: u32,
    },
    /// A secret would go wherever the command sends it.
    #[error("a command that learns gets no secrets")]
    Secrets,
}

impl LearningError {
    /// Stable code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Forbidden { .. } => "learning_forbidden",
            Self::Secrets => "learning_with_secrets",
        }
    }

    /// What the operator can do about it.
    #[must_use]
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Forbidden { .. } => {
                "run it as root, or set `learn = true` under [egress] in sheriffd.toml"
            }
            Self::Secrets => "leave --secret out; add the secret to the proposed rules",
        }
    }
}

/// Judges whether this user may have this command learn; one that doesn't learn may.
///
/// # Errors
/// [`LearningError`].
pub(crate) const fn check(run: &Run, uid: u32, everyone: bool) -> Result<(), LearningError> {
    if !run.learn {
        return Ok(());
    }
    if uid != 0 && !everyone {
        return Err(LearningError::Forbidden { uid });
    }
    if run.secrets.is_empty() {
        Ok(())
    } else {
        Err(LearningError::Secrets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(learn: bool, secrets: &[&str]) -> Run {
        let run = serde_json::json!({
            "profile": "base", "argv": ["x"], "env": [], "allow": [], "connect": [],
            "secrets": secrets, "limits": [], "timeout": null, "workspace": false,
            "terminal": null, "learn": learn,
        });
        serde_json::from_value(run).unwrap()
    }

    #[test]
    fn only_root_learns_unless_the_configuration_lets_everyone_and_never_with_secrets() {
        let learning = run(true, &[]);
        assert_eq!(check(&learning, 0, false), Ok(()));
        assert_eq!(check(&learning, 1000, true), Ok(()));
        let forbidden = Err(LearningError::Forbidden { uid: 1000 });
        assert_eq!(check(&learning, 1000, false), forbidden);
        assert_eq!(
            check(&run(true, &["s"]), 0, true),
            Err(LearningError::Secrets)
        );
        assert_eq!(check(&run(false, &["s"]), 1000, false), Ok(()));
    }
}
