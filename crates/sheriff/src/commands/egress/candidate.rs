//! A policy that is in force nowhere, by the options that name it: a profile, lists, rules and a ceiling.
//!
//! Not for: judging by it (`question`).

use std::io;
use std::path::PathBuf;

use api::control::RulePlace;
use model::ProfileName;
use policy::excerpt::excerpt;
use policy::{
    EgressCeiling, EgressPolicy, EgressRules, ResolvedProfile, Rule, Source, ceiling, origin,
};

use crate::commands::folder::Folder;
use crate::commands::words;
use crate::failure::Failure;
use crate::shelf::{self, Shelf, ShelfError};

/// The configuration of an installed daemon.
const DEFAULT_CONFIG: &str = "/etc/sheriff/sheriffd.toml";

/// Options of every command that asks what a policy would say.
#[derive(Debug, clap::Args)]
pub(super) struct Options {
    #[command(flatten)]
    folder: Folder,
    /// Profile of the jail
    #[arg(long, value_name = "NAME", default_value = "base")]
    profile: ProfileName,
    /// Add the rules of a file like those of profiles/egress
    #[arg(long, value_name = "FILE")]
    list: Vec<PathBuf>,
    /// Allow a host beyond the profile, as `sheriff run` does
    #[arg(long, value_name = "HOST[:PORT]", value_parser = words::allow)]
    allow: Vec<String>,
    /// Allow a host and dial this address for it, as `sheriff run` does
    #[arg(long, value_name = "HOST=ADDR:PORT", value_parser = words::connect)]
    connect: Vec<String>,
    /// The daemon's configuration, for its ceiling [default: /etc/sheriff/sheriffd.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// The policy, and the texts that its rules come from.
#[derive(Debug)]
pub(super) struct Candidate {
    /// What would be in force.
    pub(super) policy: EgressPolicy,
    shelf: Shelf,
    lists: Vec<(ProfileName, Source)>,
    options: Vec<String>,
    config: Option<Source>,
}

impl Options {
    /// Reads all of it.
    pub(super) fn read(&self) -> Result<Candidate, Failure> {
        let shelf = self.folder.shelf();
        let lists = self.list.iter().map(|path| {
            let source = shelf::read(path)?;
            Ok((shelf::name_of(path)?, source))
        });
        let lists: Vec<_> = lists.collect::<Result<_, ShelfError>>()?;
        let config = config(self.config.clone())?;
        let ceiling = config.as_ref().map(EgressCeiling::read).transpose()?;
        // No generation: nothing is in force here.
        let policy = EgressPolicy::new(0, self.rules(&shelf, &lists)?)?;
        Ok(Candidate {
            policy: ceiling.unwrap_or_default().over(policy)?,
            shelf,
            lists,
            options: self.words(),
            config,
        })
    }

    /// The profile's rules with those of the lists and options.
    fn rules(
        &self,
        shelf: &Shelf,
        lists: &[(ProfileName, Source)],
    ) -> Result<EgressRules, Failure> {
        let mut look_up = |kind, name: &ProfileName| shelf.look_up(kind, name);
        let mut rules = ResolvedProfile::resolve(&self.profile, &mut look_up)?.egress;
        for (name, source) in lists {
            let list = EgressRules::read(name, source)?;
            rules.rules.extend(list.rules);
        }
        for (text, index) in self.allow.iter().zip(0..) {
            rules.push(Rule::from_cli_allow(text, index)?);
        }
        // Both options have one row of numbers, as in records.
        let first = u32::try_from(self.allow.len()).unwrap_or(u32::MAX);
        for (text, index) in self.connect.iter().zip(first..) {
            rules.push(Rule::from_cli_connect(text, index)?);
        }
        Ok(rules)
    }

    fn words(&self) -> Vec<String> {
        let allow = self.allow.iter().map(|text| format!("--allow {text}"));
        let connect = self.connect.iter().map(|text| format!("--connect {text}"));
        allow.chain(connect).collect()
    }
}

impl Candidate {
    /// Where a rule stands, by the name that a decision has for it.
    pub(super) fn place(&self, rule: &str) -> Option<RulePlace> {
        let (source, number) = rule.rsplit_once(':')?;
        let line: u32 = number.parse().ok()?;
        if source == origin::CLI {
            return Some(RulePlace {
                file: "command line".to_owned(),
                line,
                text: self.options.get(usize::try_from(line).ok()?)?.clone(),
            });
        }
        let own = self.config.as_ref().filter(|_| source == ceiling::LABEL);
        let text = own.or_else(|| self.list(source));
        match text {
            Some(text) => Some(RulePlace {
                file: text.file.clone(),
                line,
                text: excerpt(&text.text, line)?,
            }),
            None if source == ceiling::LABEL => None,
            None => self.shelf.rule_place(rule),
        }
    }

    fn list(&self, source: &str) -> Option<&Source> {
        let name = source.strip_prefix("egress/")?;
        let mut lists = self.lists.iter();
        let list = lists.find(|(own, _)| own.as_str() == name)?;
        Some(&list.1)
    }
}

/// The configuration; none where no daemon is installed.
fn config(given: Option<PathBuf>) -> Result<Option<Source>, Failure> {
    let optional = given.is_none();
    let path = given.unwrap_or_else(|| DEFAULT_CONFIG.into());
    match shelf::read(&path) {
        Ok(source) => Ok(Some(source)),
        Err(ShelfError::Read { source, .. })
            if optional && source.kind() == io::ErrorKind::NotFound =>
        {
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}
