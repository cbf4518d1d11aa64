//! `GET /metrics` in Prometheus' text format (version 0.0.4), on sockets of the host that no jail reaches.
//!
//! Label values are fixed words, or ids and names of a closed form, and the number of series is bounded:
//! neither hosts nor paths nor anything else that a jail may choose is a label, nor is any secret.
//!
//! Not for: what happened to whom (`operator`), nor for the sums' exactness after a crash (`audit`).

mod page;
mod tally;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use control::Office;
use http::header::CONTENT_TYPE;
use tasks::Stop;

use self::page::Page;
use self::tally::Tally;
use crate::respond;
use crate::server::{Server, serve_tcp};

/// Most scrapers at once.
pub const CONNECTIONS_MAX: usize = 16;
/// Sessions with series of their own: those that moved most. A scraper keeps every series that it ever saw,
/// so there are not as many as jails.
pub const SESSIONS_MAX: usize = 100;

/// Media type of the format.
const MEDIA_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Counts what the log records, for as long as the office lives.
#[derive(Debug, Clone)]
pub struct Metrics {
    office: Arc<Office>,
    tally: Arc<Tally>,
}

impl Metrics {
    /// Begins to count.
    ///
    /// # Errors
    /// When the log is closed.
    pub fn new(office: Arc<Office>) -> Result<Self, audit::LogError> {
        let tally = Arc::new(Tally::default());
        let counting = Arc::clone(&tally);
        let hook = move |entry: &Arc<audit::Entry>| {
            counting.add(entry);
            audit::Interest::More
        };
        office.recorder().log().on_append(Box::new(hook))?;
        Ok(Self { office, tally })
    }

    /// Serves the page on a Unix socket until `stop`.
    ///
    /// # Errors
    /// When the listener can't be watched.
    pub async fn run(self, listener: OwnedFd, stop: Stop) -> io::Result<()> {
        let listener = Server::listen(listener)?;
        let router = self.router();
        let server = Server {
            name: "metrics",
            connections_max: CONNECTIONS_MAX,
            admission: Arc::new(move |_peer| router.clone()),
        };
        server.run(listener, stop).await;
        Ok(())
    }

    /// Serves the page on a TCP socket of the host until `stop`.
    ///
    /// # Errors
    /// When the listener can't be watched.
    pub async fn run_tcp(self, listener: OwnedFd, stop: Stop) -> io::Result<()> {
        serve_tcp(listener, self.router(), CONNECTIONS_MAX, stop).await
    }

    fn router(self) -> Router {
        Router::new()
            .route("/metrics", get(page))
            .fallback(respond::no_route)
            .method_not_allowed_fallback(respond::no_method)
            .with_state(Arc::new(self))
    }
}

async fn page(State(metrics): State<Arc<Metrics>>) -> Response {
    let mut page = Page::default();
    office(&metrics.office, &mut page);
    metrics.tally.write(&mut page);
    sessions(&metrics.office, &mut page);
    ([(CONTENT_TYPE, MEDIA_TYPE)], page.text()).into_response()
}

fn office(office: &Office, page: &mut Page) {
    let version = [("version", env!("CARGO_PKG_VERSION"))];
    page.family("sheriff_build_info", "gauge", "Version of the office.");
    page.sample("sheriff_build_info", &version, 1);
    page.family("sheriff_jails", "gauge", "Living jails.");
    page.sample("sheriff_jails", &[], office.registry().len() as u64);
    let generation = office.policies().generation();
    page.family(
        "sheriff_policy_generation",
        "gauge",
        "Generation of the profiles.",
    );
    page.sample("sheriff_policy_generation", &[], generation);
    let restarts = office.restarts();
    page.family(
        "sheriff_office_restarts_total",
        "counter",
        "Offices before this one.",
    );
    page.sample("sheriff_office_restarts_total", &[], restarts.into());
}

fn sessions(office: &Office, page: &mut Page) {
    let mut all: Vec<_> = office
        .registry()
        .list()
        .iter()
        .map(|session| (session.id().clone(), session.usage()))
        .collect();
    all.sort_by_key(|(_, usage)| {
        std::cmp::Reverse(usage.bytes_up.saturating_add(usage.bytes_down))
    });
    let left_out = all.len().saturating_sub(SESSIONS_MAX);
    all.truncate(SESSIONS_MAX);
    let name = "sheriff_session_egress_bytes";
    page.family(
        name,
        "gauge",
        "Bytes of a living session, those under way included.",
    );
    for (id, usage) in &all {
        let label = |direction| [("session", id.as_str()), ("direction", direction)];
        page.sample(name, &label("up"), usage.bytes_up);
        page.sample(name, &label("down"), usage.bytes_down);
    }
    let name = "sheriff_session_egress_requests";
    page.family(name, "gauge", "Judged requests of a living session.");
    for (id, usage) in &all {
        let label = |verdict| [("session", id.as_str()), ("verdict", verdict)];
        page.sample(name, &label("allow"), usage.allowed);
        page.sample(name, &label("deny"), usage.denied);
    }
    let name = "sheriff_sessions_without_series";
    page.family(
        name,
        "gauge",
        "Living sessions beyond those with series of their own.",
    );
    page.sample(name, &[], left_out as u64);
}
