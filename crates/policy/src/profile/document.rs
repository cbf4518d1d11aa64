//! Profile files as TOML tables: every key that exists, each with a type that checks its value.
//!
//! Not for: merging, or checks that need two keys (`layer`).

use std::collections::BTreeMap;

use model::{ByteSize, Money, ProfileName};
use serde::Deserialize;
use toml::Spanned;

use super::place::{MountPoint, Root, WorkspaceMode};
use crate::budget::OnExceeded;
use crate::limits::LimitSettings;
use crate::listed::Listed;
use crate::rule::RuleTable;

/// Most read-only paths, and most tmpfs, of one file; each is a mount of every jail.
pub(super) const MOUNTS_MAX: usize = 256;
/// Most egress lists that one file names.
pub(super) const LISTS_MAX: usize = 32;
/// Largest tmpfs: that of a jail's memory.
const TMPFS_MAX: ByteSize = crate::limits::MEMORY_RANGE[1];
/// The highest Landlock ABI that can be asked for; the kernel's is below 16 for years to come.
const LANDLOCK_ABI_MAX: u32 = 64;
/// Longest value of a variable; the kernel refuses strings of 128 KiB.
const ENV_VALUE_MAX: usize = 32 * 1024;
/// Longest name of a variable.
const ENV_NAME_MAX: usize = 128;

/// `profiles/jail/NAME.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JailDocument {
    #[serde(rename = "version")]
    pub(super) _version: Version,
    pub(super) name: Spanned<ProfileName>,
    pub(super) extends: Option<Spanned<ProfileName>>,
    pub(super) filesystem: Option<FilesystemTable>,
    pub(super) workspace: Option<WorkspaceTable>,
    pub(super) limits: Option<LimitSettings>,
    pub(super) seccomp: Option<SeccompTable>,
    pub(super) landlock: Option<LandlockTable>,
    pub(super) egress: Option<EgressTable>,
    pub(super) budget: Option<BudgetTable>,
    pub(super) environment: Option<EnvironmentTable>,
}

/// `profiles/egress/NAME.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EgressDocument {
    #[serde(rename = "version")]
    pub(super) _version: Version,
    pub(super) name: Spanned<ProfileName>,
    #[serde(default)]
    pub(super) allow: Vec<Spanned<RuleTable>>,
    #[serde(default)]
    pub(super) deny: Vec<Spanned<RuleTable>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FilesystemTable {
    pub(super) root: Option<Root>,
    pub(super) read_only: Option<Listed<MountPoint, MOUNTS_MAX>>,
    pub(super) tmpfs: Option<Listed<Spanned<TmpfsTable>, MOUNTS_MAX>>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TmpfsTable {
    pub(super) path: MountPoint,
    pub(super) size: TmpfsSize,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WorkspaceTable {
    pub(super) path: Option<MountPoint>,
    pub(super) mode: Option<WorkspaceMode>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SeccompTable {
    pub(super) profile: ProfileName,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LandlockTable {
    pub(super) min_abi: LandlockAbi,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EgressTable {
    pub(super) extends: Option<Listed<Spanned<ProfileName>, LISTS_MAX>>,
    #[serde(default)]
    pub(super) allow: Vec<Spanned<RuleTable>>,
    #[serde(default)]
    pub(super) deny: Vec<Spanned<RuleTable>>,
}

#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BudgetTable {
    pub(super) egress_up: Option<ByteSize>,
    pub(super) egress_down: Option<ByteSize>,
    pub(super) requests: Option<u64>,
    pub(super) llm_tokens: Option<u64>,
    pub(super) llm_cost: Option<Money>,
    pub(super) on_exceeded: Option<OnExceeded>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct EnvironmentTable {
    pub(super) set: BTreeMap<EnvName, EnvValue>,
}

/// The format's version: 1.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "i64")]
pub(super) struct Version;

/// A size of more than 0 and at most 1 TiB.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "ByteSize")]
pub(super) struct TmpfsSize(pub(super) ByteSize);

/// 1 to 64.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(try_from = "i64")]
pub(super) struct LandlockAbi(pub(super) u32);

/// The name of a variable: letters, digits and underscores, no digit first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct EnvName(String);

/// The value of a variable: no NUL, at most 32 KiB.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct EnvValue(String);

/// A value that its key can't have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum ValueError {
    #[error("version {given} is refused: this release reads version 1")]
    Version { given: i64 },
    #[error("tmpfs size {given} is refused: more than 0, at most {TMPFS_MAX}")]
    TmpfsSize { given: ByteSize },
    #[error("Landlock ABI {given} is refused: 1 to {LANDLOCK_ABI_MAX}")]
    LandlockAbi { given: i64 },
}

/// A variable that can't be set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EnvError {
    /// The name is malformed.
    #[error(
        "variable {given:?} is refused: letters, digits and underscores, no digit first, at most {ENV_NAME_MAX}"
    )]
    Name {
        /// What was given, cut.
        given: String,
    },
    /// The value is malformed.
    #[error("a variable's value is refused: no NUL, at most {ENV_VALUE_MAX} bytes")]
    Value,
}

impl TryFrom<i64> for Version {
    type Error = ValueError;

    fn try_from(given: i64) -> Result<Self, ValueError> {
        match given {
            1 => Ok(Self),
            _ => Err(ValueError::Version { given }),
        }
    }
}

impl TryFrom<ByteSize> for TmpfsSize {
    type Error = ValueError;

    fn try_from(given: ByteSize) -> Result<Self, ValueError> {
        if given.0 == 0 || given > TMPFS_MAX {
            return Err(ValueError::TmpfsSize { given });
        }
        Ok(Self(given))
    }
}

impl TryFrom<i64> for LandlockAbi {
    type Error = ValueError;

    fn try_from(given: i64) -> Result<Self, ValueError> {
        match u32::try_from(given) {
            Ok(abi) if (1..=LANDLOCK_ABI_MAX).contains(&abi) => Ok(Self(abi)),
            _ => Err(ValueError::LandlockAbi { given }),
        }
    }
}

impl TryFrom<String> for EnvName {
    type Error = EnvError;

    fn try_from(text: String) -> Result<Self, EnvError> {
        let letters = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let digit_first = text.starts_with(|c: char| c.is_ascii_digit());
        if text.is_empty() || text.len() > ENV_NAME_MAX || !letters || digit_first {
            return Err(EnvError::Name {
                given: text.chars().take(64).collect(),
            });
        }
        Ok(Self(text))
    }
}

impl TryFrom<String> for EnvValue {
    type Error = EnvError;

    fn try_from(text: String) -> Result<Self, EnvError> {
        if text.len() > ENV_VALUE_MAX || text.contains('\0') {
            return Err(EnvError::Value);
        }
        Ok(Self(text))
    }
}

impl From<EnvName> for String {
    fn from(name: EnvName) -> Self {
        name.0
    }
}

impl From<EnvValue> for String {
    fn from(value: EnvValue) -> Self {
        value.0
    }
}
