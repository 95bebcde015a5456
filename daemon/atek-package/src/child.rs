//! Runs one child process with a deadline.
//!
//! The child leads a process group of its own, which ends with it. What left the group
//! is found by [`adopt_orphans`] and [`end_orphans`].

use nix::sys::signal::{Signal, kill, killpg};
use nix::sys::wait::{Id, WaitPidFlag, WaitStatus, waitid, waitpid};
use nix::unistd::Pid;
use std::io::{BufRead as _, BufReader, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, ExitStatus, Stdio};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

/// How often `on_tick` is called.
const TICK: Duration = Duration::from_millis(250);
/// How long the output of a child that has ended may take to arrive.
const DRAIN: Duration = Duration::from_secs(2);
/// Bytes of the longest line; the rest of a longer one counts as the next.
const LINE_MAX_BYTES: u64 = 64 * 1024;

/// How long a step may take.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// From start to end.
    pub(crate) deadline: Duration,
    /// Without a line of output.
    pub(crate) stall: Option<Duration>,
}

/// A line of output, without its end.
#[derive(Debug)]
pub(crate) enum Line {
    Out(Vec<u8>),
    Err(Vec<u8>),
}

/// How the child's two outputs are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outputs {
    /// Each by itself.
    Apart,
    /// Both as [`Line::Out`], in the order in which they were written.
    Together,
}

/// What a step does with its child while it runs. An error ends the child.
pub(crate) trait Watch {
    type Stop;

    /// For each line.
    fn on_line(&mut self, line: Line) -> Result<(), Self::Stop>;

    /// From time to time.
    fn on_tick(&mut self) -> Result<(), Self::Stop>;
}

/// Why a child did not end by itself.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ChildError<S> {
    #[error("cannot start {program}")]
    Start {
        program: String,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot watch the process")]
    Watch(#[source] std::io::Error),
    #[error("not finished within {0} s")]
    Deadline(u64),
    #[error("no sign of life for {0} s")]
    Stalled(u64),
    /// By the watcher.
    #[error("stopped")]
    Stopped(S),
}

enum News {
    Line(Line),
    /// One of the two outputs has ended.
    Eof,
    /// The child has ended, and is not reaped yet.
    Ended,
}

/// Runs `command` to its end, with `input` on its standard input.
pub(crate) fn run<W: Watch>(
    command: &mut Command,
    input: &[u8],
    outputs: Outputs,
    bounds: Bounds,
    watch: &mut W,
) -> Result<ExitStatus, ChildError<W::Stop>> {
    let (sender, news) = sync_channel(256);
    let started = Instant::now();
    let merged = merge_outputs(command, outputs).map_err(ChildError::Watch)?;
    let mut child = command
        .stdin(if input.is_empty() {
            Stdio::null()
        } else {
            Stdio::piped()
        })
        .process_group(0)
        .spawn()
        .map_err(|source| ChildError::Start {
            program: command.get_program().to_string_lossy().into_owned(),
            source,
        })?;
    // Our copies of the pipe's writing end, which would keep it open.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let pid = Pid::from_raw(child.id().cast_signed());
    let group = Group { pid };
    if let Some(mut stdin) = child.stdin.take() {
        // A request fits in the pipe; a child that does not read it fails by itself.
        let _ = stdin.write_all(input);
    }
    let mut state = State {
        open_outputs: if merged.is_some() { 1 } else { 2 },
        ended: None,
        heard: started,
        ticked: started,
    };
    if let Some(both) = merged {
        read_lines(both, sender.clone(), Line::Out);
    }
    if let Some(out) = child.stdout.take() {
        read_lines(out, sender.clone(), Line::Out);
    }
    if let Some(err) = child.stderr.take() {
        read_lines(err, sender.clone(), Line::Err);
    }
    // The child stays a zombie until `wait` below, so that its number is not given
    // to another process while the group may still have to be killed.
    thread::spawn(move || {
        let _ = waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
        let _ = sender.send(News::Ended);
    });

    let verdict = loop {
        if let Some(error) = state.overdue(started, bounds) {
            break Err(error);
        }
        match news.recv_timeout(state.patience()) {
            Ok(News::Line(line)) => {
                state.heard = Instant::now();
                if let Err(stop) = watch.on_line(line) {
                    break Err(ChildError::Stopped(stop));
                }
            }
            Ok(News::Eof) => state.open_outputs -= 1,
            Ok(News::Ended) => {
                // What it left behind holds its outputs open.
                group.kill();
                state.ended = Some(Instant::now());
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        if state.tick_is_due()
            && let Err(stop) = watch.on_tick()
        {
            break Err(ChildError::Stopped(stop));
        }
        if state.is_finished() {
            break Ok(());
        }
    };
    group.kill();
    let status = child.wait().map_err(ChildError::Watch)?;
    verdict.map(|()| status)
}

/// Sets up where the command writes; for [`Outputs::Together`], returns where to read it.
fn merge_outputs(
    command: &mut Command,
    outputs: Outputs,
) -> std::io::Result<Option<std::io::PipeReader>> {
    match outputs {
        Outputs::Apart => {
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            Ok(None)
        }
        Outputs::Together => {
            let (reader, writer) = std::io::pipe()?;
            command.stdout(writer.try_clone()?).stderr(writer);
            Ok(Some(reader))
        }
    }
}

struct State {
    open_outputs: u32,
    ended: Option<Instant>,
    heard: Instant,
    ticked: Instant,
}

impl State {
    fn overdue<S>(&self, started: Instant, bounds: Bounds) -> Option<ChildError<S>> {
        if self.ended.is_some() {
            return None;
        }
        if started.elapsed() > bounds.deadline {
            return Some(ChildError::Deadline(bounds.deadline.as_secs()));
        }
        bounds
            .stall
            .filter(|stall| self.heard.elapsed() > *stall)
            .map(|stall| ChildError::Stalled(stall.as_secs()))
    }

    fn patience(&self) -> Duration {
        TICK.saturating_sub(self.ticked.elapsed())
            .max(Duration::from_millis(1))
    }

    fn tick_is_due(&mut self) -> bool {
        let due = self.ticked.elapsed() >= TICK;
        if due {
            self.ticked = Instant::now();
        }
        due
    }

    fn is_finished(&self) -> bool {
        self.ended
            .is_some_and(|at| self.open_outputs == 0 || at.elapsed() > DRAIN)
    }
}

/// The process group that a child leads.
struct Group {
    pid: Pid,
}

impl Group {
    fn kill(&self) {
        // An error means that no process is left in it.
        let _ = killpg(self.pid, Signal::SIGKILL);
    }
}

fn read_lines(
    stream: impl Read + Send + 'static,
    sender: SyncSender<News>,
    wrap: fn(Vec<u8>) -> Line,
) {
    thread::spawn(move || {
        let mut reader = BufReader::new(stream);
        loop {
            let mut line = Vec::new();
            match (&mut reader)
                .take(LINE_MAX_BYTES)
                .read_until(b'\n', &mut line)
            {
                Ok(0) | Err(_) => break,
                Ok(_) => {}
            }
            while line.last().is_some_and(|b| matches!(b, b'\n' | b'\r')) {
                line.pop();
            }
            if sender.send(News::Line(wrap(line))).is_err() {
                return;
            }
        }
        let _ = sender.send(News::Eof);
    });
}

/// Makes this process the parent of every descendant whose own parent has ended.
pub(crate) fn adopt_orphans() -> std::io::Result<()> {
    nix::sys::prctl::set_child_subreaper(true).map_err(Into::into)
}

/// Kills and reaps adopted processes, and theirs, until none is left.
///
/// For when no child of our own runs: what called itself a daemon during a step must not
/// go on writing into the package.
pub(crate) fn end_orphans() {
    // Bounded: a fork bomb is for the unit's task limit, and its end for the unit's.
    for _ in 0..1_000 {
        for pid in children() {
            let _ = kill(pid, Signal::SIGKILL);
        }
        match waitpid(None, None) {
            Ok(WaitStatus::Exited(..) | WaitStatus::Signaled(..)) => {}
            _ => return,
        }
    }
}

fn children() -> Vec<Pid> {
    let me = std::process::id();
    let lists = std::fs::read_dir(format!("/proc/{me}/task"))
        .into_iter()
        .flatten()
        .flatten();
    lists
        .filter_map(|task| std::fs::read_to_string(task.path().join("children")).ok())
        .flat_map(|list| {
            list.split_whitespace()
                .filter_map(|pid| pid.parse().ok())
                .map(Pid::from_raw)
                .collect::<Vec<_>>()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Default)]
    struct Collect {
        out: Vec<String>,
        stop_at: Option<&'static str>,
    }

    impl Watch for Collect {
        type Stop = &'static str;

        fn on_line(&mut self, line: Line) -> Result<(), Self::Stop> {
            let (Line::Out(bytes) | Line::Err(bytes)) = line;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            let stop = self.stop_at == Some(text.as_str());
            self.out.push(text);
            if stop { Err("enough") } else { Ok(()) }
        }

        fn on_tick(&mut self) -> Result<(), Self::Stop> {
            Ok(())
        }
    }

    fn shell(
        script: &str,
        bounds: Bounds,
        watch: &mut Collect,
    ) -> Result<ExitStatus, ChildError<&'static str>> {
        run(
            Command::new("/bin/sh").args(["-c", script]),
            b"",
            Outputs::Apart,
            bounds,
            watch,
        )
    }

    const MINUTE: Bounds = Bounds {
        deadline: Duration::from_secs(60),
        stall: None,
    };

    #[test]
    fn both_outputs_and_the_exit_status_arrive() {
        let mut watch = Collect::default();
        let status = shell("echo a; echo b >&2; printf c; exit 3", MINUTE, &mut watch).unwrap();
        watch.out.sort();
        assert_eq!(watch.out, ["a", "b", "c"]);
        assert_eq!(status.code(), Some(3));
    }

    #[test]
    fn merged_outputs_keep_their_order() {
        let mut watch = Collect::default();
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "for i in 1 2 3; do echo o$i; echo e$i >&2; done"]);
        run(&mut command, b"", Outputs::Together, MINUTE, &mut watch).unwrap();
        assert_eq!(watch.out, ["o1", "e1", "o2", "e2", "o3", "e3"]);
    }

    #[test]
    fn a_child_that_takes_too_long_is_ended_with_all_that_it_started() {
        let started = Instant::now();
        let bounds = Bounds {
            deadline: Duration::from_millis(300),
            stall: None,
        };
        let script = "trap '' TERM INT; sleep 100 & sleep 100";
        let error = shell(script, bounds, &mut Collect::default()).unwrap_err();
        assert!(matches!(error, ChildError::Deadline(0)), "{error}");
        assert!(started.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn silence_is_told_from_slowness() {
        let bounds = Bounds {
            deadline: Duration::from_secs(150),
            stall: Some(Duration::from_secs(4)),
        };
        // All lines together take longer than a silence may; each of them far less.
        let script = "for i in $(seq 25); do echo $i; sleep 0.2; done; sleep 100";
        let mut watch = Collect::default();
        let error = shell(script, bounds, &mut watch).unwrap_err();
        assert!(matches!(error, ChildError::Stalled(4)), "{error}");
        assert_eq!(watch.out.len(), 25);
    }

    #[test]
    fn a_background_process_does_not_hold_the_step_open() {
        let started = Instant::now();
        shell("sleep 100 & echo done", MINUTE, &mut Collect::default()).unwrap();
        assert!(started.elapsed() < Duration::from_secs(60));
    }

    #[test]
    fn the_watcher_can_end_the_child() {
        let mut watch = Collect {
            stop_at: Some("2"),
            ..Collect::default()
        };
        let error = shell("echo 1; echo 2; sleep 100", MINUTE, &mut watch).unwrap_err();
        assert!(matches!(error, ChildError::Stopped("enough")), "{error}");
    }
}
