//! The task that owns the samples.
//!
//! It awaits nothing but its inputs: reading files and asking systemd happen in a task of
//! their own, one at a time, so that a reader is answered whatever systemd is doing.

use super::cgroup::{self, Reading};
use super::packed::{Service, System};
use super::pressure::{Pressure, Watch};
use super::ring::{Clock, Moment, Ring, interval_sec};
use super::{Ask, INTERVAL};
use crate::directory::{Directory, DirectoryView};
use crate::error_chain::DisplayChain;
use crate::system::{self, CpuTimes};
use crate::systemd::Systemd;
use atek_api::ids::ServiceKey;
use atek_api::metrics::Series;
use atek_api::services::State;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior};

pub(super) async fn run(
    directory: DirectoryView,
    systemd: Systemd,
    mut inbox: mpsc::Receiver<Ask>,
) {
    let began = Instant::now();
    let mut sampler = Sampler::new(jiff::Timestamp::now().as_millisecond());
    let mut ticks = tokio::time::interval(INTERVAL);
    // After a pause, one sample says as much as many.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut gathering: Option<JoinHandle<SampleBatch>> = None;
    loop {
        tokio::select! {
            _ = ticks.tick(), if gathering.is_none() => {
                let subjects = sampler.subjects(&directory.now());
                gathering = Some(tokio::spawn(gather(subjects, systemd.clone())));
            }
            gathered = async { gathering.as_mut()?.await.ok() }, if gathering.is_some() => {
                gathering = None;
                if let Some(gathered) = gathered {
                    let since = gathered.at.duration_since(began);
                    let millis = jiff::Timestamp::now().as_millisecond();
                    tell(&sampler.take(gathered, since, millis), &directory.now());
                }
            }
            ask = inbox.recv() => match ask {
                Some(ask) => sampler.answer(ask),
                None => return,
            },
        }
    }
}

/// Names in the journal who presses on the box.
fn tell(pressed: &[(ServiceKey, Pressure)], directory: &Directory) {
    for (key, pressure) in pressed {
        if let Some(entry) = directory.by_key(key.as_str()) {
            let id = entry.id();
            tracing::warn!(service = %id, "the app {id} {pressure}");
        }
    }
}

/// A service whose unit may run.
#[derive(Debug)]
struct Subject {
    key: ServiceKey,
    unit: String,
    /// Its control group, where it is known.
    group: Option<PathBuf>,
}

/// What was read at one moment.
#[derive(Debug)]
struct SampleBatch {
    at: Instant,
    services: Vec<(ServiceKey, Option<(PathBuf, Reading)>)>,
    machine: Option<system::Load>,
}

async fn gather(mut subjects: Vec<Subject>, systemd: Systemd) -> SampleBatch {
    for subject in &mut subjects {
        if subject.group.is_none() {
            match systemd.control_group(&subject.unit).await {
                Ok(name) => subject.group = name.as_deref().map(cgroup::folder),
                Err(error) => {
                    // The others would wait as long.
                    tracing::debug!(error = %DisplayChain(&error), "cannot find a control group");
                    break;
                }
            }
        }
    }
    let at = Instant::now();
    let read = tokio::task::spawn_blocking(move || {
        let read = subjects.into_iter().map(|subject| {
            let found = subject.group.and_then(|group| {
                let reading = cgroup::read(&group)?;
                Some((group, reading))
            });
            (subject.key, found)
        });
        (read.collect(), system::load())
    });
    let (services, machine) = read.await.unwrap_or_default();
    SampleBatch {
        at,
        services,
        machine,
    }
}

/// All samples. Pure.
#[derive(Debug)]
struct Sampler {
    clock: Clock,
    services: BTreeMap<ServiceKey, Track>,
    machine: Ring<System>,
    last: Option<CpuTimes>,
}

/// One service.
#[derive(Debug, Default)]
struct Track {
    samples: Ring<Service>,
    group: Option<PathBuf>,
    last: Option<(Instant, u64)>,
    watch: Watch,
}

impl Sampler {
    fn new(unix_millis: i64) -> Self {
        Self {
            clock: Clock::new(Moment::after(Duration::ZERO), unix_millis),
            services: BTreeMap::new(),
            machine: Ring::default(),
            last: None,
        }
    }

    fn subjects(&self, directory: &Directory) -> Vec<Subject> {
        let may_run = |state| matches!(state, State::Running | State::Starting | State::Restarting);
        let running = directory.entries().filter(|entry| may_run(entry.state));
        running
            .map(|entry| Subject {
                key: entry.key.clone(),
                unit: entry.unit(),
                group: self
                    .services
                    .get(&entry.key)
                    .and_then(|track| track.group.clone()),
            })
            .collect()
    }

    /// Takes what was read `since` the sampler began; returns who presses on the box.
    fn take(
        &mut self,
        gathered: SampleBatch,
        since: Duration,
        unix_millis: i64,
    ) -> Vec<(ServiceKey, Pressure)> {
        let now = Moment::after(since);
        let mut pressed = Vec::new();
        self.clock.adjust(now, unix_millis);
        let mut found = BTreeMap::new();
        for (key, reading) in gathered.services {
            if let Some(reading) = reading {
                found.insert(key, reading);
            }
        }
        // What runs no more keeps its past for an hour, and nothing else.
        self.services.retain(|key, track| {
            if !found.contains_key(key) {
                track.group = None;
                track.last = None;
                track.watch = Watch::default();
                track.samples.forget(now);
            }
            found.contains_key(key) || !track.samples.is_empty()
        });
        for (key, (group, reading)) in found {
            let track = self.services.entry(key.clone()).or_default();
            let cpu = reading
                .cpu_usec
                .and_then(|usec| cpu_percent(track.last, (gathered.at, usec)));
            track.group = Some(group);
            track.last = reading.cpu_usec.map(|usec| (gathered.at, usec));
            let sample = Service::pack(reading.memory, cpu, reading.tasks);
            track.samples.push(now, sample);
            let told = track.watch.take(since, cpu, &reading);
            pressed.extend(told.into_iter().map(|pressure| (key.clone(), pressure)));
        }
        if let Some(machine) = gathered.machine {
            let cpu = self.last.and_then(|last| machine.cpu.percent_since(last));
            self.last = Some(machine.cpu);
            self.machine.push(
                now,
                System::pack(machine.memory_used, cpu, machine.temperature),
            );
        }
        pressed
    }

    fn answer(&self, ask: Ask) {
        match ask {
            Ask::Service { key, since, answer } => {
                let track = self.services.get(&key);
                let samples = track
                    .into_iter()
                    .flat_map(|track| track.samples.after(since, self.clock))
                    .map(|(time, sample)| sample.unpack(time))
                    .collect();
                let _ = answer.send(series(samples));
            }
            Ask::System { since, answer } => {
                let samples = self.machine.after(since, self.clock);
                let samples = samples.map(|(time, sample)| sample.unpack(time)).collect();
                let _ = answer.send(series(samples));
            }
        }
    }
}

fn series<S>(samples: Vec<S>) -> Series<S> {
    Series {
        interval_sec: interval_sec(),
        samples,
    }
}

/// In percent of one processor. A counter that went back belongs to a new start.
fn cpu_percent(last: Option<(Instant, u64)>, now: (Instant, u64)) -> Option<f64> {
    let (then, before) = last?;
    let passed = now.0.duration_since(then).as_micros();
    let used = now.1.checked_sub(before)?;
    (passed > 0).then(|| used as f64 * 100.0 / passed as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reading(cpu_usec: u64) -> Option<(PathBuf, Reading)> {
        let reading = Reading {
            memory: Some(1 << 20),
            cpu_usec: Some(cpu_usec),
            tasks: Some(3),
            ..Reading::default()
        };
        Some((PathBuf::from("/group"), reading))
    }

    struct Run {
        sampler: Sampler,
        began: Instant,
    }

    impl Run {
        fn new() -> Self {
            Self {
                sampler: Sampler::new(0),
                began: Instant::now(),
            }
        }

        fn at(&mut self, secs: u64, services: Vec<(&str, Option<(PathBuf, Reading)>)>) {
            let elapsed = Duration::from_secs(secs);
            let gathered = SampleBatch {
                at: self.began + elapsed,
                services: services
                    .into_iter()
                    .map(|(key, found)| (key.parse().unwrap(), found))
                    .collect(),
                machine: None,
            };
            let millis = i64::try_from(secs * 1000).unwrap();
            self.sampler.take(gathered, elapsed, millis);
        }

        fn cpu(&self, key: &str) -> Vec<Option<f64>> {
            let (answer, mut answered) = tokio::sync::oneshot::channel();
            let key = key.parse().unwrap();
            self.sampler.answer(Ask::Service {
                key,
                since: None,
                answer,
            });
            let samples = answered.try_recv().unwrap().samples;
            samples.iter().map(|sample| sample.cpu_percent).collect()
        }
    }

    #[test]
    fn cpu_is_what_was_used_since_the_sample_before_and_unknown_after_a_restart() {
        let mut run = Run::new();
        run.at(0, vec![("a", reading(100))]);
        run.at(10, vec![("a", reading(5_000_100))]);
        run.at(20, vec![("a", reading(25_000_100))]);
        run.at(30, vec![("a", reading(7))]);
        run.at(40, vec![("a", None)]);
        run.at(50, vec![("a", reading(1_000_007))]);
        assert_eq!(
            run.cpu("a"),
            [None, Some(50.0), Some(200.0), None, None],
            "a pause is not a sample, and what came before it no base"
        );
    }

    #[test]
    fn a_service_that_is_gone_is_remembered_for_an_hour() {
        let mut run = Run::new();
        run.at(0, vec![("a", reading(1)), ("b", reading(1))]);
        run.at(3000, vec![("b", reading(1))]);
        assert_eq!(run.cpu("a").len(), 1);
        run.at(3600, vec![("b", reading(1))]);
        assert_eq!(run.cpu("a").len(), 0);
        assert!(!run.sampler.services.contains_key("a"));
        assert_eq!(run.cpu("nobody").len(), 0);
    }
}
