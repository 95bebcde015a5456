//! Following a job of the host to its end.

use crate::error::{Failure, JobError};
use crate::host::{Host, read};
use crate::text::clean;
use atek_api::services::{self, JobEvent};
use futures_util::StreamExt as _;
use indicatif::{ProgressBar, ProgressStyle};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;
use std::time::Duration;

/// Result of `startInstall` and `startUpdate`.
#[derive(Debug, Deserialize)]
struct Started {
    job: String,
}

/// What the job is about.
#[derive(Debug, Clone, Copy)]
pub(super) struct Task<'a> {
    /// The method of services-api that starts it.
    pub(super) method: &'static str,
    /// Completes "cannot … SUBJECT".
    pub(super) action: &'static str,
    /// A service's id, or a source.
    pub(super) subject: &'a str,
    /// Whether the subject is an id, which may be mistyped.
    pub(super) is_service: bool,
}

/// Starts a job, shows its progress and returns its result.
pub(super) async fn run(
    host: &Host,
    task: Task<'_>,
    params: impl Serialize,
) -> Result<Value, Failure> {
    let started = if task.is_service {
        host.on_service(task.method, params, task.action, task.subject)
            .await?
    } else {
        let action = format!("{} {}", task.action, task.subject);
        host.call(services::API, task.method, params, &action)
            .await?
    };
    let Started { job } = read(task.method, &started)?;
    let mut shown = Progress::new(host);
    let outcome = tokio::select! {
        outcome = follow(host, task, &job, &mut shown) => outcome,
        _ = tokio::signal::ctrl_c() => {
            Err(host.out.interrupted("interrupted; the host goes on with it, see: atek ls"))
        }
    };
    shown.clear();
    outcome
}

async fn follow(
    host: &Host,
    task: Task<'_>,
    job: &str,
    shown: &mut Progress,
) -> Result<Value, Failure> {
    let Task {
        action, subject, ..
    } = task;
    let call = |source| Failure::Service {
        action,
        id: subject.to_owned(),
        source: Box::new(source),
    };
    let job: String = url::form_urlencoded::byte_serialize(job.as_bytes()).collect();
    let path = format!("/_atek/jobs/{job}");
    let mut events = host.client.lines::<JobEvent>(&path).await.map_err(call)?;
    while let Some(event) = events.next().await {
        match event.map_err(call)? {
            JobEvent::Progress {
                phase,
                message,
                percent,
            } => shown.show(&phase, &message, percent),
            JobEvent::Done { result } => return Ok(result),
            JobEvent::Failed { error } => {
                return Err(Failure::Job {
                    action: format!("{action} {subject}"),
                    source: JobError(clean::block(&error.message)),
                });
            }
        }
    }
    Err(Failure::Job {
        action: format!("{action} {subject}"),
        source: JobError(
            "the host stopped telling about it, see: atek ls; journalctl -u atekd".to_owned(),
        ),
    })
}

/// A line that changes on a terminal; one line per phase elsewhere.
pub(super) struct Progress {
    bar: Option<ProgressBar>,
    phase: String,
    is_quiet: bool,
    out: crate::out::Out,
}

impl Progress {
    fn new(host: &Host) -> Self {
        let quiet = host.out.quiet || host.out.json;
        let bar = (!quiet && host.out.draws_on_stderr()).then(|| {
            let bar = ProgressBar::new(100);
            bar.set_style(spinner());
            bar.enable_steady_tick(Duration::from_millis(120));
            bar
        });
        Self {
            bar,
            phase: String::new(),
            is_quiet: quiet,
            out: host.out.clone(),
        }
    }

    fn show(&mut self, phase: &str, message: &str, percent: Option<u8>) {
        let (phase, message) = (clean::line(phase), clean::line(message));
        let Some(bar) = &self.bar else {
            if phase != self.phase && !self.is_quiet {
                self.out.note(&format!("{phase}: {message}"));
                self.phase = phase.into_owned();
            }
            return;
        };
        if let Some(percent) = percent {
            bar.set_style(with_bar());
            bar.set_position(u64::from(percent.min(100)));
        } else {
            bar.set_style(spinner());
        }
        bar.set_prefix(phase.into_owned());
        bar.set_message(message.into_owned());
    }

    /// One step on a terminal, nothing elsewhere.
    pub(super) fn quiet(host: &Host, phase: &str, message: &str) -> Self {
        let mut progress = Self::new(host);
        progress.is_quiet = true;
        progress.show(phase, message, None);
        progress
    }

    pub(super) fn clear(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

fn spinner() -> ProgressStyle {
    style("{spinner} {prefix:>8}  {wide_msg}")
}

fn with_bar() -> ProgressStyle {
    style("{spinner} {prefix:>8}  {bar:24} {percent:>3}%  {wide_msg}")
}

/// A template is part of the program; one that does not parse shows as the default style.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// A job's result as the host wrote it, for programs.
pub(super) fn print_result(host: &Host, result: &Value) -> Result<(), Failure> {
    let text: Box<RawValue> =
        serde_json::value::to_raw_value(result).map_err(|source| Failure::BadAnswer {
            method: "job",
            source,
        })?;
    host.out.print_json(&text)
}
