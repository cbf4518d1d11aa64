//! Which secrets a request uses, and in which of its parts: found out from placeholders and rules,
//! before any value is asked for.
//!
//! Not for: putting values in (`substitute`).

use std::sync::Arc;

use model::SecretName;
use policy::Host;

use crate::decode::Coding;
use crate::placeholder::Placeholder;
use crate::scan::{Owner, Sighting, sightings};
use crate::secret::{Kind, Place, Secret};
use crate::substitute::percent;
use crate::wallet::head::{Head, is_named};
use crate::wallet::roster::Roster;
use crate::wallet::{Aim, Misdirected, Misuse, Spot};

/// What a request uses. It holds no values.
#[derive(Debug)]
pub struct Plan {
    pub(crate) roster: Arc<Roster>,
    claims: Vec<Claim>,
    /// All secrets of the session for this host.
    bound: Vec<usize>,
    /// For every secret of the session, what its placeholder in the body would be.
    pub(crate) misuses: Vec<Misuse>,
    /// The coding of the body; `None` if it is unknown and need not be known.
    pub(crate) coding: Option<Coding>,
    pub(crate) host: Host,
    pub(crate) port: u16,
}

/// A secret that a request uses in one of its places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Claim {
    /// Its number in the roster.
    pub(crate) index: usize,
    /// How it is put in.
    pub(crate) slot: Slot,
}

/// How a secret is put into a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Slot {
    Field,
    Basic,
    Query,
    Path,
    Body,
    Signature,
}

impl Plan {
    pub(super) fn new(
        roster: &Arc<Roster>,
        aim: &Aim<'_>,
        head: &Head,
    ) -> Result<Self, Misdirected> {
        let judge = Judge { roster, aim };
        let mut claims = judge.head(head)?;
        judge.named(&mut claims)?;
        judge.unambiguous(&claims)?;
        let standing = roster.iter().map(|(_, secret, _)| judge.standing(secret));
        Ok(Self {
            roster: Arc::clone(roster),
            claims,
            bound: judge.bound(),
            misuses: standing
                .map(|standing| standing.err().unwrap_or(Misuse::WrongPlace))
                .collect(),
            coding: judge.coding(head)?,
            host: aim.host.clone(),
            port: aim.port,
        })
    }

    /// The secrets that the request uses.
    pub fn names(&self) -> impl Iterator<Item = SecretName> {
        self.claims
            .iter()
            .filter_map(|claim| self.roster.name(claim.index))
    }

    /// Whether the request is to be signed.
    #[must_use]
    pub fn signs(&self) -> bool {
        self.claims
            .iter()
            .any(|claim| claim.slot == Slot::Signature)
    }

    pub(crate) fn claims(&self) -> &[Claim] {
        &self.claims
    }

    pub(crate) fn bound(&self) -> &[usize] {
        &self.bound
    }
}

impl Slot {
    const fn of(secret: &Secret) -> Self {
        match (&secret.kind, &secret.place) {
            (Kind::SigV4(_), _) => Self::Signature,
            (_, Place::Header { .. }) => Self::Field,
            (_, Place::Basic { .. }) => Self::Basic,
            (_, Place::Query { .. }) => Self::Query,
            (_, Place::Path) => Self::Path,
            (_, Place::Body) => Self::Body,
        }
    }
}

/// The header field that a secret takes for itself.
pub(crate) fn field_of(secret: &Secret) -> Option<&str> {
    match (Slot::of(secret), &secret.place) {
        (Slot::Field, Place::Header { name }) => Some(name),
        (Slot::Basic | Slot::Signature, _) => Some("authorization"),
        _ => None,
    }
}

struct Judge<'a> {
    roster: &'a Arc<Roster>,
    aim: &'a Aim<'a>,
}

impl Judge<'_> {
    /// Whether this secret may be used by this request at all.
    fn standing(&self, secret: &Secret) -> Result<(), Misuse> {
        if !secret.is_for(self.aim.host, self.aim.port) || !self.aim.named.contains(&secret.name) {
            return Err(Misuse::Unbound);
        }
        if self.aim.tls {
            Ok(())
        } else {
            Err(Misuse::NoTls)
        }
    }

    fn bound(&self) -> Vec<usize> {
        let for_host = |secret: &Secret| secret.hosts.iter().any(|to| to.host == *self.aim.host);
        let bound = self.roster.iter().filter(|(_, secret, _)| for_host(secret));
        bound.map(|(index, ..)| index).collect()
    }

    fn coding(&self, head: &Head) -> Result<Option<Coding>, Misdirected> {
        match Coding::of(head.values("content-encoding")) {
            Ok(coding) => Ok(Some(coding)),
            Err(_unknown) if self.roster.is_empty() => Ok(None),
            Err(_unknown) => Err(Misdirected::new(Spot::Body, Misuse::Unreadable)),
        }
    }

    /// The claims of all placeholders in a head.
    fn head(&self, head: &Head) -> Result<Vec<Claim>, Misdirected> {
        let mut claims = Vec::new();
        self.part(Spot::Method, &head.method, |_| false, &mut claims)?;
        let in_path = |seen: &Seen<'_>| seen.slot() == Slot::Path && seen.is_whole_in(head.path());
        self.part(Spot::Path, head.path(), in_path, &mut claims)?;
        for pair in head.query().unwrap_or_default().split(|&byte| byte == b'&') {
            self.part(
                Spot::Query,
                pair,
                |seen| seen.is_parameter(pair),
                &mut claims,
            )?;
        }
        for (name, value) in &head.fields {
            self.part(Spot::FieldName, name, |_| false, &mut claims)?;
            self.part(
                Spot::Field,
                value,
                |seen| seen.is_field(name, value),
                &mut claims,
            )?;
        }
        Ok(claims)
    }

    fn part(
        &self,
        spot: Spot,
        text: &[u8],
        is_in_place: impl Fn(&Seen<'_>) -> bool,
        claims: &mut Vec<Claim>,
    ) -> Result<(), Misdirected> {
        for sighting in sightings(self.roster, text) {
            let index = match sighting.owner {
                Owner::Own(index) => index,
                Owner::Not(misuse) => return Err(Misdirected::new(spot, misuse)),
            };
            let Some((secret, placeholder)) = self.roster.get(index) else {
                continue;
            };
            let seen = Seen {
                secret,
                placeholder,
                sighting: &sighting,
            };
            let standing = self.standing(secret);
            let in_place = || {
                if is_in_place(&seen) {
                    Ok(())
                } else {
                    Err(Misuse::WrongPlace)
                }
            };
            standing
                .and_then(|()| in_place())
                .map_err(|misuse| Misdirected {
                    name: Some(secret.name.clone()),
                    spot,
                    misuse,
                })?;
            let slot = Slot::of(secret);
            if !claims.contains(&Claim { index, slot }) {
                claims.push(Claim { index, slot });
            }
        }
        Ok(())
    }

    /// Adds what the rules name and no placeholder has asked for.
    fn named(&self, claims: &mut Vec<Claim>) -> Result<(), Misdirected> {
        let asked = claims.len();
        for name in self.aim.named {
            let refuse = |misuse| Misdirected {
                name: Some(name.clone()),
                spot: Spot::Rule,
                misuse,
            };
            let index = self
                .roster
                .find(name)
                .ok_or_else(|| refuse(Misuse::Missing))?;
            let Some((secret, _)) = self.roster.get(index) else {
                continue;
            };
            self.standing(secret).map_err(refuse)?;
            let slot = Slot::of(secret);
            let claim = Claim { index, slot };
            let is_taken = self.is_taken(secret, claims.get(..asked).unwrap_or_default());
            if !matches!(slot, Slot::Query | Slot::Path) && !is_taken && !claims.contains(&claim) {
                claims.push(claim);
            }
        }
        Ok(())
    }

    /// Whether a placeholder has chosen another secret for the same field.
    fn is_taken(&self, secret: &Secret, claims: &[Claim]) -> bool {
        let Some(field) = field_of(secret) else {
            return false;
        };
        claims.iter().any(|claim| self.field(claim) == Some(field))
    }

    fn unambiguous(&self, claims: &[Claim]) -> Result<(), Misdirected> {
        for (at, claim) in claims.iter().enumerate() {
            let others = claims.get(at + 1..).unwrap_or_default();
            let field = self.field(claim);
            if field.is_some() && others.iter().any(|other| self.field(other) == field) {
                return Err(Misdirected {
                    name: self.roster.name(claim.index),
                    spot: Spot::Rule,
                    misuse: Misuse::Ambiguous,
                });
            }
        }
        Ok(())
    }

    fn field(&self, claim: &Claim) -> Option<&str> {
        self.roster
            .get(claim.index)
            .and_then(|(secret, _)| field_of(secret))
    }
}

/// A placeholder of this session that was seen in a part of the head.
struct Seen<'a> {
    secret: &'a Secret,
    placeholder: &'a Placeholder,
    sighting: &'a Sighting,
}

impl Seen<'_> {
    const fn slot(&self) -> Slot {
        Slot::of(self.secret)
    }

    /// Whether it stands there letter by letter, with its prefix.
    fn is_whole_in(&self, text: &[u8]) -> bool {
        let whole = self.placeholder.as_str().as_bytes();
        self.sighting.is_plain && text.windows(whole.len()).any(|window| window == whole)
    }

    /// Whether it is the whole value of the parameter that the secret is declared for. A signature in
    /// the query is taken out later, whatever is in it.
    fn is_parameter(&self, pair: &[u8]) -> bool {
        let (name, value) = percent::pair(pair);
        match (&self.secret.place, self.slot()) {
            (_, Slot::Signature) => name.eq_ignore_ascii_case(b"x-amz-credential"),
            (Place::Query { name: declared }, Slot::Query) => {
                name == declared.as_bytes() && value == self.placeholder.as_str().as_bytes()
            }
            _ => false,
        }
    }

    fn is_field(&self, name: &[u8], value: &[u8]) -> bool {
        if !field_of(self.secret).is_some_and(|declared| is_named(name, declared)) {
            return false;
        }
        match self.slot() {
            Slot::Field | Slot::Signature => self.is_whole_in(value),
            Slot::Basic => self.is_password(value),
            Slot::Query | Slot::Path | Slot::Body => false,
        }
    }

    /// Whether it is the password of basic credentials (RFC 7617).
    fn is_password(&self, value: &[u8]) -> bool {
        let Some((scheme, rest)) = value.split_at_checked(6) else {
            return false;
        };
        let decoded = percent::base64(rest.trim_ascii());
        let colon = decoded.iter().position(|&byte| byte == b':');
        let password = colon.and_then(|at| decoded.get(at + 1..));
        scheme.eq_ignore_ascii_case(b"basic ")
            && password == Some(self.placeholder.as_str().as_bytes())
    }
}
