//! One permitted exchange from its decision to its close; the close is recorded however it ends.
//!
//! Not for: deciding (`authorize`) or moving bytes (`relay`, `forward`).

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use llm::PriceTable;
use model::{EgressEvent, EventId, Phase, Verdict};
use policy::Reason;
use serde_json::json;

use crate::clock;
use crate::meter::Account;
use crate::noise::{Admission, Noise};
use crate::reason::Cause;
use crate::record::Recorder;
use crate::refusal::Refusal;
use crate::respond;
use crate::usage::Usage;

/// An exchange under way. Dropping it records its close.
#[derive(Debug)]
pub(crate) struct Exchange {
    event: EgressEvent,
    account: Arc<Account>,
    recorder: Recorder,
    /// Bounds the records of closes that say nothing but why nothing happened.
    noise: Arc<Noise>,
    started: Instant,
    ended: bool,
    usage: Option<(Usage, Arc<PriceTable>)>,
    /// Generation of the policy that ended it; 0 while none has.
    overruled: AtomicU64,
}

impl Exchange {
    /// Begins after `decision`, which has been recorded and allows the exchange.
    pub(crate) fn begin(
        decision: EgressEvent,
        account: Account,
        (recorder, noise): (Recorder, Arc<Noise>),
    ) -> Self {
        Self {
            event: decision,
            account: Arc::new(account),
            recorder,
            noise,
            started: Instant::now(),
            ended: false,
            usage: None,
            overruled: AtomicU64::new(0),
        }
    }

    /// The id that its records and answers share.
    pub(crate) fn id(&self) -> &EventId {
        &self.event.id
    }

    /// True when secrets were put into it.
    pub(crate) const fn has_secrets(&self) -> bool {
        self.event.secret.is_some()
    }

    /// The account that bytes of this exchange are counted on.
    pub(crate) fn account(&self) -> &Arc<Account> {
        &self.account
    }

    /// Notes under which generation a newer policy ends it.
    pub(crate) fn overruled_by(&self, generation: u64) {
        self.overruled.store(generation, Ordering::Release);
    }

    /// Notes the status that the jail was sent.
    pub(crate) fn set_status(&mut self, status: u16) {
        self.event.status = Some(status);
    }

    /// Notes what a reader of its close should know.
    pub(crate) fn note(&mut self, note: &str) {
        self.event.note = Some(note.to_owned());
    }

    /// Has the answer of a language model counted at the end, also one that was cut.
    pub(crate) fn charge(&mut self, usage: Usage, prices: Arc<PriceTable>) {
        self.usage = Some((usage, prices));
    }

    /// Notes that it is complete. What is dropped without this or [`Self::end`] was cut with its
    /// session.
    pub(crate) fn complete(&mut self) {
        self.ended = true;
    }

    /// Notes why it ended other than by being complete; the first cause stays.
    pub(crate) fn end(&mut self, cause: Cause) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        self.event.reason = cause.code().to_owned();
        if let Some(note) = cause.note() {
            self.note(&note);
        }
        // A budget that runs out in the middle ends what was allowed; that is no denial.
        // A placeholder in the wrong place is one at any time.
        let refused = cause == Cause::SecretMisdirected || !self.account.has_moved();
        if cause.is_denial() && refused {
            self.event.verdict = Verdict::Deny;
            self.account.deny();
        }
    }

    /// Ends it with an answer to the jail in place of the upstream server's.
    pub(crate) fn refuse(&mut self, cause: Cause) -> Refusal {
        self.end(cause);
        self.set_status(cause.status());
        Refusal {
            status: cause.status(),
            error: cause.text(),
            reason: cause.code().to_owned(),
            host: self.event.host.clone(),
            port: self.event.port,
            rule: self.event.rule.clone(),
            id: self.event.id.clone(),
            retry_after: cause.retry_after(),
            next_steps: respond::next_steps(cause.code(), &self.event.host, &self.event.id),
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.ended {
            self.event.reason = Cause::SessionClosed.code().to_owned();
        }
        if let Some((usage, prices)) = self.usage.take() {
            let used = usage.finish();
            self.event.llm = used.map(|used| self.account.charge(used, &prices));
        }
        let (bytes_up, bytes_down) = self.account.bytes();
        let duration = self.started.elapsed().as_millis();
        let event = &mut self.event;
        event.time = clock::now();
        event.phase = Phase::Close;
        let overruled = self.overruled.load(Ordering::Acquire);
        if event.reason == Cause::PolicyChanged.code() && overruled > 0 {
            event.policy_generation = overruled;
        }
        (event.bytes_up, event.bytes_down) = (bytes_up, bytes_down);
        event.duration_ms = u64::try_from(duration).unwrap_or(u64::MAX);
        if event.verdict == Verdict::Deny {
            self.account.meter().keep_denial(event);
        }
        if self.account.meter().is_due_for_warning() {
            let usage = self.account.meter().usage();
            let data = json!({
                "alert": "budget_exceeded",
                "bytes_up": usage.bytes_up,
                "bytes_down": usage.bytes_down,
            });
            self.recorder.alert(&event.session, data);
        }
        self.record();
    }
}

impl Exchange {
    /// Records the close. A jail that has one permitted request after the other fail before a byte of
    /// it has moved could fill the disk at no cost, so those are recorded like denials: many, then some.
    /// Their decisions are on record all the same.
    fn record(&self) {
        let close = &self.event;
        let failed = close.reason != Reason::Allowed.code();
        if !failed || self.account.has_moved() {
            return self.recorder.close(close);
        }
        if let Admission::Record { suppressed } = self.noise.admit() {
            self.recorder.suppressed(&close.session, suppressed);
            self.recorder.close(close);
        }
    }
}
