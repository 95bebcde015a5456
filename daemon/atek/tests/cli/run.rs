//! Running the program, with a deadline.

use crate::fake::FakeHost;
use std::ffi::OsStr;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// Far more than any command takes on a busy machine.
pub(crate) const DEADLINE: Duration = Duration::from_secs(90);

/// What a command did.
#[derive(Debug)]
pub(crate) struct Done {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Done {
    /// The output of a command that succeeded and said nothing on standard error.
    #[track_caller]
    pub(crate) fn ok(self) -> String {
        assert_eq!(
            (self.code, self.stderr.as_str()),
            (Some(0), ""),
            "{}",
            self.stdout
        );
        self.stdout
    }

    /// Standard error of a command that failed with this code and printed nothing.
    #[track_caller]
    pub(crate) fn failed(self, code: i32) -> String {
        assert_eq!(
            (self.code, self.stdout.as_str()),
            (Some(code), ""),
            "{}",
            self.stderr
        );
        self.stderr
    }
}

/// The program in an environment of its own.
pub(crate) fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_atek"));
    command
        .args(args)
        .env_clear()
        .env("TZ", "UTC0")
        .stdin(Stdio::null());
    command
}

/// Runs `atek` against a host.
pub(crate) fn atek(host: &FakeHost, args: &[&str]) -> Done {
    finish(command(args).env("ATEK_CONTROL_SOCKET", host.socket()))
}

/// Runs `atek` against a host, with something on standard input.
pub(crate) fn atek_with_input(host: &FakeHost, args: &[&str], input: &str) -> Done {
    let mut command = command(args);
    command
        .env("ATEK_CONTROL_SOCKET", host.socket())
        .stdin(Stdio::piped());
    let mut child = spawn(&mut command);
    // A command that does not read its input has closed it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    wait(child)
}

/// Runs `atek` on a terminal of its own, where `answers` are typed ahead.
pub(crate) fn atek_on_terminal(host: &FakeHost, args: &[&str], answers: &str) -> Done {
    let mut child = spawn(&mut on_terminal(host, "", args));
    child
        .stdin
        .take()
        .unwrap()
        .write_all(answers.as_bytes())
        .unwrap();
    wait(child)
}

/// Runs `atek` on a terminal of its own, where `answer` is typed when `prompt` has appeared.
pub(crate) fn atek_answering(host: &FakeHost, args: &[&str], prompt: &str, answer: &str) -> Done {
    let mut child = spawn(&mut on_terminal(host, "", args));
    let mut stdout = child.stdout.take().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let (prompt, answer) = (prompt.to_owned(), answer.to_owned());
    let reader = std::thread::spawn(move || {
        let (mut text, mut chunk, mut answered) = (String::new(), [0; 1024], false);
        // A terminal that is gone reads as an error.
        while let Ok(count @ 1..) = stdout.read(&mut chunk) {
            text.push_str(&String::from_utf8_lossy(&chunk[..count]));
            if !answered && text.contains(&prompt) {
                stdin.write_all(answer.as_bytes()).unwrap();
                answered = true;
            }
        }
        text
    });
    let done = wait(child);
    Done {
        stdout: reader.join().unwrap(),
        ..done
    }
}

/// Runs `atek` on a terminal with so many columns.
pub(crate) fn atek_on_narrow_terminal(host: &FakeHost, columns: usize, args: &[&str]) -> Done {
    let first = format!("stty cols {columns} && ");
    wait(spawn(&mut on_terminal(host, &first, args)))
}

/// `first` is what the terminal's shell runs before.
fn on_terminal(host: &FakeHost, first: &str, args: &[&str]) -> Command {
    let quoted: Vec<String> = std::iter::once(env!("CARGO_BIN_EXE_atek"))
        .chain(args.iter().copied())
        .map(|arg| format!("'{arg}'"))
        .collect();
    let mut command = Command::new("script");
    command
        .args([
            "--quiet",
            "--return",
            "--command",
            &format!("{first}{}", quoted.join(" ")),
            "/dev/null",
        ])
        .env("ATEK_CONTROL_SOCKET", host.socket())
        .env("TZ", "UTC0")
        .env("TERM", "xterm")
        .env_remove("NO_COLOR")
        .stdin(Stdio::piped());
    command
}

pub(crate) fn finish(command: &mut Command) -> Done {
    wait(spawn(command))
}

pub(crate) fn spawn(command: &mut Command) -> Child {
    command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits for the end, and ends what does not end by itself.
pub(crate) fn wait(child: Child) -> Done {
    let pid = nix::unistd::Pid::from_raw(i32::try_from(child.id()).unwrap());
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || sender.send(child.wait_with_output()));
    match receiver.recv_timeout(DEADLINE) {
        Ok(output) => done(output.unwrap()),
        Err(_) => {
            nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
            panic!("atek did not end within {DEADLINE:?}");
        }
    }
}

fn done(output: Output) -> Done {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Done {
        code: output.status.code(),
        stdout: text(output.stdout),
        stderr: text(output.stderr),
    }
}

/// A path as an argument.
pub(crate) fn arg(path: &impl AsRef<OsStr>) -> &str {
    path.as_ref().to_str().unwrap()
}
