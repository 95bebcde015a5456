//! Where the output goes: results to standard output, everything else to standard error.

use crate::error::Failure;
use crate::text::clean;
use crate::text::table::{TableStyle, Tone};
use serde_json::value::RawValue;
use std::io::{self, IsTerminal as _, Write as _};

/// How to print, settled once at the start.
#[derive(Debug, Clone)]
pub(crate) struct Out {
    /// Answers as the host gives them, for programs.
    pub(crate) json: bool,
    /// Results and errors only.
    pub(crate) quiet: bool,
    colour_stdout: bool,
    colour_stderr: bool,
    stdout_is_terminal: bool,
}

impl Out {
    /// `no_color` is the flag; the variable `NO_COLOR` is respected too.
    pub(crate) fn new(json: bool, quiet: bool, no_color: bool) -> Self {
        let plain = no_color
            || std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
            || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let stdout_is_terminal = io::stdout().is_terminal();
        Self {
            json,
            quiet,
            colour_stdout: !plain && stdout_is_terminal,
            colour_stderr: !plain && io::stderr().is_terminal(),
            stdout_is_terminal,
        }
    }

    /// How tables look on standard output.
    pub(crate) fn look(&self) -> TableStyle {
        TableStyle {
            colour: self.colour_stdout,
            wrap: self.stdout_is_terminal,
        }
    }

    /// Whether something that moves may be drawn on standard error.
    pub(crate) fn draws_on_stderr(&self) -> bool {
        io::stderr().is_terminal()
    }

    /// `text` in a tone, if standard output shows colours.
    pub(crate) fn paint(&self, tone: Tone, text: &str) -> String {
        tone.paint(text, self.colour_stdout)
    }

    /// Writes text to standard output as it is.
    pub(crate) fn print(&self, text: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        stdout
            .write_all(text.as_bytes())
            .and_then(|()| stdout.flush())
            .map_err(Failure::Output)
    }

    /// Writes an answer of the host to standard output, on one line. `null` says nothing.
    pub(crate) fn print_json(&self, answer: &RawValue) -> Result<(), Failure> {
        match answer.get() {
            "null" => Ok(()),
            text => self.print(&format!("{text}\n")),
        }
    }

    /// Tells what was done, to a person only.
    pub(crate) fn done(&self, text: &str) -> Result<(), Failure> {
        if self.json || self.quiet {
            return Ok(());
        }
        self.print(&format!("{text}\n"))
    }

    /// Tells something beside the result, on standard error.
    pub(crate) fn note(&self, text: &str) {
        if !self.quiet {
            self.to_stderr(&format!("{}\n", clean::block(text)));
        }
    }

    /// The account of a Ctrl-C, on a line after the terminal's `^C`.
    pub(crate) fn interrupted(&self, account: &'static str) -> Failure {
        if self.draws_on_stderr() {
            self.to_stderr("\n");
        }
        Failure::Interrupted(account)
    }

    /// Tells what went wrong and what to do about it, on standard error.
    pub(crate) fn failure(&self, failure: &Failure) {
        if failure.is_silent() {
            return;
        }
        let label = Tone::Bad.paint("error:", self.colour_stderr);
        self.to_stderr(&format!("{label} {}\n", failure.account()));
        if let Some(hint) = failure.hint() {
            let label = Tone::Strong.paint(" hint:", self.colour_stderr);
            self.to_stderr(&format!("{label} {}\n", clean::line(&hint)));
        }
    }

    fn to_stderr(&self, text: &str) {
        // Ignored: there is no reader when standard error is gone.
        let _ = io::stderr().lock().write_all(text.as_bytes());
    }
}
