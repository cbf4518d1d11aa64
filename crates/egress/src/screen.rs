//! What one exchange passes through, both ways, and how the heads say so.
//!
//! Not for: the taps themselves (`secrets`, `usage`).

use std::sync::Arc;

use llm::PriceTable;
use tokio::sync::SemaphorePermit;
use vault::{BodyFilter, FrameFilter, Scrub};

use crate::answer::Answer;
use crate::authorize::Permit;
use crate::content::Taps;
use crate::fields::Framing;
use crate::plan::Plan;
use crate::reason::Cause;
use crate::relay::{Filter, Filters};
use crate::room::Rooms;
use crate::secrets::{Found, Guard, Honoured, Redaction, TrailerRedaction, redact};
use crate::usage::Usage;

/// What looks at an exchange and changes it.
pub(crate) struct Screen {
    usage: Option<Usage>,
    scrub: Option<Arc<Scrub>>,
    /// For what is sent once the exchange is a WebSocket.
    frames: Option<BodyFilter>,
    found: Found,
    rooms: Arc<Rooms>,
}

/// What a screen is made with, besides the request.
pub(crate) struct Surroundings<'a> {
    pub(crate) prices: &'a Arc<PriceTable>,
    /// The session has secrets: frames of a WebSocket are looked at.
    pub(crate) has_secrets: bool,
    /// Where to tell of what was found.
    pub(crate) found: &'a Found,
    /// Memory of the session for content.
    pub(crate) rooms: &'a Arc<Rooms>,
}

/// Fields that would be wrong about content that was decoded or redacted.
const ABOUT_CONTENT: [&str; 6] = [
    "content-encoding",
    "content-md5",
    "digest",
    "content-digest",
    "repr-digest",
    "accept-ranges",
];

impl Screen {
    /// Makes a permitted request ready to be sent. The taps are those of its content.
    pub(crate) fn prepare(
        plan: &mut Plan,
        permit: &mut Permit,
        honoured: Honoured,
        surroundings: &Surroundings<'_>,
    ) -> (Self, Taps) {
        let mut screen = Self {
            usage: permit.terms.llm.map(Usage::new),
            scrub: honoured.scrub,
            frames: None,
            found: Arc::clone(surroundings.found),
            rooms: Arc::clone(surroundings.rooms),
        };
        let mut up = Taps::default();
        up.cap(permit.terms.max_body);
        if let Some(usage) = &screen.usage {
            up.push(usage.question());
            permit
                .exchange
                .charge(usage.clone(), Arc::clone(surroundings.prices));
            if screen.scrub.is_none() {
                // The answer is to be read on its way.
                plan.fields.remove("accept-encoding");
                plan.fields.push("Accept-Encoding", "identity");
            }
        }
        if plan.websocket && surroundings.has_secrets {
            // What an extension does to frames, compression above all, hides what is in them.
            plan.fields.remove("sec-websocket-extensions");
            screen.frames = Some(honoured.body);
        } else if plan.framing != Framing::Length(0) {
            let guard = Guard::new(honoured.body, &screen.found);
            if honoured.reframes {
                plan.reframed = true;
                up.push_reframing(guard);
            } else {
                up.push(guard);
            }
        }
        permit.exchange.account().attribute(&honoured.used);
        (screen, up)
    }

    /// Takes values out of a head on its way to the client.
    pub(crate) fn clean(&self, answer: &mut Answer) {
        let Some(scrub) = &self.scrub else { return };
        redact(scrub, &mut answer.fields);
        let phrase = scrub.redact(answer.phrase.as_bytes());
        answer.phrase = String::from_utf8_lossy(&phrase).into_owned();
    }

    /// Memory to look into a final answer's content with, kept until all of it has passed. `None` if nobody
    /// looks.
    ///
    /// # Errors
    /// [`Cause::SessionClosed`].
    pub(crate) async fn room(
        &self,
        answer: &Answer,
        framing: Framing,
    ) -> Result<Option<SemaphorePermit<'_>>, Cause> {
        if self.scrub.is_none() && self.usage.is_none() {
            return Ok(None);
        }
        self.rooms.down(&answer.fields, framing).await.map(Some)
    }

    /// Makes the head of a final answer ready for the client. The taps are those of its content.
    ///
    /// # Errors
    /// [`Cause::AnswerUnreadable`].
    pub(crate) fn answer(
        &self,
        answer: &mut Answer,
        (framing, head_only): (Framing, bool),
    ) -> Result<Taps, Cause> {
        let mut down = Taps::default();
        if let Some(scrub) = &self.scrub {
            let redaction = Redaction::new(scrub, answer)?;
            if framing == Framing::Length(0) {
                // Trailers come behind no content, too.
                down.push(TrailerRedaction::new(scrub));
            } else {
                down.push_reframing(redaction);
            }
            self.clean(answer);
            for name in ABOUT_CONTENT {
                answer.fields.remove(name);
            }
            if head_only {
                answer.fields.remove("content-length");
            }
        }
        let reading = self.usage.as_ref();
        if let Some(reader) = reading.and_then(|usage| usage.answer(answer)) {
            down.push(reader);
        }
        Ok(down)
    }

    /// What the frames of a WebSocket pass through.
    pub(crate) fn filters(&mut self) -> Filters {
        let up = self.frames.take().map(FrameFilter::up);
        let down = self.scrub.clone().map(FrameFilter::down);
        Filters {
            up: up.map(|frames| Filter::new(frames, &self.found)),
            down: down.map(|frames| Filter::new(frames, &self.found)),
        }
    }
}
