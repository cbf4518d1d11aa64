//! The wallet at work on one exchange: what a request claims, what is put into it, and what its content
//! and its answer pass through.
//!
//! Not for: which placeholder may stand where, nor finding and replacing them (`vault`).

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use model::SecretName;
use policy::{Scheme, Terms};
use serde_json::json;
use vault::{
    Aim, ApplyError, BodyFilter, Head, Misdirected, Misuse, Payload, Redactor, Scrub, SignError,
    Signing, Wallet,
};

use crate::answer::Answer;
use crate::content::{Taken, Tap};
use crate::fields::Fields;
use crate::plan::Plan;
use crate::reason::Cause;
use crate::record::Recorder;
use crate::refusal::Refusal;
use crate::session::Session;

/// What a request claims, found to be in order. It holds no values.
#[derive(Debug)]
pub(crate) struct Claims {
    plan: vault::Plan,
    /// Of the moment of the verdict: a reload may give the session another one before the values are had.
    wallet: Arc<Wallet>,
}

/// What became of the claims.
pub(crate) struct Honoured {
    /// For the request's content.
    pub(crate) body: BodyFilter,
    /// For the answer, if it may show a value.
    pub(crate) scrub: Option<Arc<Scrub>>,
    /// What was put in, or may be put into the content.
    pub(crate) used: Vec<SecretName>,
    /// The content may come out in another length.
    pub(crate) reframes: bool,
}

/// Why claims are not honoured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dishonoured {
    /// The content has to be had whole first: its hash is to be signed.
    NeedsContent,
    Refused(Cause),
}

impl Claims {
    /// Looks for placeholders in the head of a request that rules with these terms allow.
    pub(crate) fn read(
        wallet: Arc<Wallet>,
        plan: &Plan,
        terms: &Terms,
    ) -> Result<Self, Misdirected> {
        let destination = &plan.asked.destination;
        let aim = Aim {
            host: &destination.host,
            port: destination.port,
            tls: plan.scheme == Scheme::Https,
            named: &terms.secrets,
        };
        let plan = wallet.plan(&aim, &head(plan))?;
        Ok(Self { plan, wallet })
    }

    /// Whether the session has secrets at all.
    pub(crate) fn is_of_secrets(&self) -> bool {
        !self.wallet.is_empty()
    }

    /// The secrets, as a record names them.
    pub(crate) fn names(&self) -> Option<String> {
        let mut names: Vec<_> = self.plan.names().map(|name| name.to_string()).collect();
        names.dedup();
        (!names.is_empty()).then(|| names.join(","))
    }

    /// Whether the request may have to be held whole.
    pub(crate) fn may_hold(&self) -> bool {
        self.plan.signs()
    }

    /// Puts the values into the request.
    pub(crate) async fn honour(
        &self,
        plan: &mut Plan,
        payload: Payload,
    ) -> Result<Honoured, Dishonoured> {
        let obtained = self.wallet.obtain(&self.plan).await.map_err(|error| {
            tracing::warn!(%error, "a secret can't be had");
            Dishonoured::Refused(Cause::SecretUnavailable)
        })?;
        let signing = Signing {
            now: seconds(),
            payload,
        };
        // Of a session without secrets nothing is put anywhere, and most sessions have none.
        let mut head = if self.wallet.is_empty() {
            Head::default()
        } else {
            head(plan)
        };
        let applied = self.plan.apply(&obtained, &mut head, &signing);
        let applied = applied.map_err(|error| match error {
            ApplyError::Sign(SignError::NeedsHash) => Dishonoured::NeedsContent,
            error => {
                tracing::warn!(%error, "a secret can't be used");
                Dishonoured::Refused(Cause::SecretUnavailable)
            }
        })?;
        if !applied.used.is_empty() || applied.scrub.is_some() {
            plan.take(head.target, head.fields);
        }
        Ok(Honoured {
            body: applied.body,
            scrub: applied.scrub,
            used: applied.used,
            reframes: applied.changes_length,
        })
    }
}

/// The head as it will be sent, `Host` included, since it may be signed.
fn head(plan: &Plan) -> Head {
    let host = (b"host".to_vec(), plan.host().into_bytes());
    let fields = plan.fields.iter();
    let fields = fields.map(|(name, value)| (name.to_vec(), value.to_vec()));
    Head {
        method: plan.asked.method.as_bytes().to_vec(),
        target: plan.target(),
        fields: std::iter::once(host).chain(fields).collect(),
    }
}

fn seconds() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs()
}

/// What the jail is told of a placeholder that is out of place.
pub(crate) const fn cause(misdirected: &Misdirected) -> Cause {
    match misdirected.misuse {
        Misuse::NoTls => Cause::SecretNeedsTls,
        Misuse::Missing => Cause::SecretUnavailable,
        Misuse::Unreadable => Cause::UnreadableBody,
        Misuse::Unbound
        | Misuse::WrongPlace
        | Misuse::Foreign
        | Misuse::NearMiss
        | Misuse::Ambiguous => Cause::SecretMisdirected,
    }
}

/// Has an operator hear of a placeholder that was sent where it must not go. A jail can't fill the log
/// with these: what is beyond the bound on noise is in the denials alone.
pub(crate) fn alarm(
    session: &Session,
    recorder: &Recorder,
    refusal: &Refusal,
    misdirected: &Misdirected,
) {
    if !misdirected.is_alert() || !session.alarms.is_admitted() {
        return;
    }
    let data = json!({
        "alert": refusal.reason,
        "id": refusal.id,
        "host": refusal.host,
        "secret": misdirected.name,
        "spot": misdirected.spot.to_string(),
        "misuse": misdirected.misuse.to_string(),
    });
    recorder.alert(&session.id, data);
}

/// The tap that looks for placeholders in a request's content, and puts values into it where a secret is
/// for that place.
pub(crate) struct Guard {
    filter: BodyFilter,
    found: Found,
}

/// What was found in content, for whoever tells an operator.
pub(crate) type Found = Arc<Mutex<Option<Misdirected>>>;

/// What was noted, once.
pub(crate) fn told(found: &Found) -> Option<Misdirected> {
    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
    found.take()
}

/// Notes what was found, and says what the jail is told.
pub(crate) fn tell(found: &Found, misdirected: Misdirected) -> Cause {
    let cause = cause(&misdirected);
    let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
    *found = Some(misdirected);
    cause
}

impl Guard {
    pub(crate) fn new(filter: BodyFilter, found: &Found) -> Self {
        let found = Arc::clone(found);
        Self { filter, found }
    }

    fn judge(&self, looked: Result<(), Misdirected>) -> Result<(), Cause> {
        looked.map_err(|misdirected| tell(&self.found, misdirected))
    }
}

impl Tap for Guard {
    fn is_holding(&self) -> bool {
        self.filter.is_holding()
    }

    fn lend(&mut self, out: &mut Vec<u8>) {
        self.filter.lend(out);
    }

    fn data(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<Taken, Cause> {
        let looked = self.filter.push(data, out);
        self.judge(looked)?;
        Ok(Taken::all(data))
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Cause> {
        let looked = self.filter.finish(out);
        self.judge(looked)
    }

    fn trailers(&mut self, trailers: &mut Fields) -> Result<(), Cause> {
        for (name, value) in trailers.iter() {
            let looked = self.filter.check(name);
            self.judge(looked.and_then(|()| self.filter.check(value)))?;
        }
        Ok(())
    }
}

/// The tap that takes values out of an answer's content, and its coding off.
pub(crate) struct Redaction {
    scrub: Arc<Scrub>,
    redactor: Redactor,
}

impl Redaction {
    /// For an answer whose head is given.
    ///
    /// # Errors
    /// [`Cause::AnswerUnreadable`]: a coding that nobody can look into.
    pub(crate) fn new(scrub: &Arc<Scrub>, answer: &Answer) -> Result<Self, Cause> {
        let coding = vault::Coding::of(answer.fields.all("content-encoding"));
        let coding = coding.map_err(|_unknown| Cause::AnswerUnreadable)?;
        Ok(Self {
            scrub: Arc::clone(scrub),
            redactor: Redactor::new(Arc::clone(scrub), coding),
        })
    }
}

impl Tap for Redaction {
    fn data(&mut self, data: &[u8], out: &mut Vec<u8>) -> Result<Taken, Cause> {
        let progress = self.redactor.push(data, out);
        let progress = progress.map_err(|_undecodable| Cause::AnswerUnreadable)?;
        Ok(Taken {
            consumed: progress.consumed,
            more: progress.more,
        })
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), Cause> {
        let finished = self.redactor.finish(out);
        finished.map_err(|_undecodable| Cause::AnswerUnreadable)
    }

    fn trailers(&mut self, trailers: &mut Fields) -> Result<(), Cause> {
        redact(&self.scrub, trailers);
        Ok(())
    }
}

/// The same for an answer without content, which may have trailers in HTTP/2.
pub(crate) struct TrailerRedaction(Arc<Scrub>);

impl TrailerRedaction {
    pub(crate) fn new(scrub: &Arc<Scrub>) -> Self {
        Self(Arc::clone(scrub))
    }
}

impl Tap for TrailerRedaction {
    /// There is none.
    fn data(&mut self, _: &[u8], _: &mut Vec<u8>) -> Result<Taken, Cause> {
        Err(Cause::UpstreamProtocol)
    }

    fn end(&mut self, _: &mut Vec<u8>) -> Result<(), Cause> {
        Ok(())
    }

    fn trailers(&mut self, trailers: &mut Fields) -> Result<(), Cause> {
        redact(&self.0, trailers);
        Ok(())
    }
}

/// Takes values out of fields, names and values.
pub(crate) fn redact(scrub: &Scrub, fields: &mut Fields) {
    for (name, value) in fields.iter_mut() {
        for part in [name, value] {
            if let Cow::Owned(clean) = scrub.redact(part) {
                *part = Bytes::from(clean);
            }
        }
    }
}
