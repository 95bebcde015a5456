//! Questions to the person at the terminal.

use crate::cli::users::PasswordFrom;
use crate::error::Failure;
use crate::text::clean;
use atek_api::package::{InvalidToken, SourceToken};
use atek_api::secret::Secret;
use std::fs;
use std::io::{self, BufRead as _, IsTerminal as _, Read as _, Write as _};
use std::path::Path;

/// Bytes of the longest file with an access token.
const TOKEN_FILE_MAX: u64 = 4096;
/// How often a new password may be mistyped.
const ATTEMPTS: usize = 3;

/// Whether there is a person to ask.
pub(crate) fn somebody_is_there() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks a question whose answer is no unless it is yes.
///
/// On a thread of its own, so that Ctrl-C is handled during the question.
pub(crate) async fn confirm(question: &str) -> Result<bool, Failure> {
    let prompt = format!("{question} [y/N] ");
    let answer = tokio::task::spawn_blocking(move || line(&prompt))
        .await
        .map_err(|error| Failure::Prompt(error.into()))??;
    Ok(matches!(answer.to_lowercase().as_str(), "y" | "yes"))
}

/// Asks before something that cannot be undone; without a terminal the flag `--yes` must say so.
pub(crate) async fn confirm_or_flag(yes: bool, question: &str) -> Result<(), Failure> {
    if yes {
        return Ok(());
    }
    if !somebody_is_there() {
        return Err(Failure::Usage(format!(
            "{question} There is no terminal to ask on: add --yes"
        )));
    }
    if confirm(question).await? {
        Ok(())
    } else {
        Err(Failure::Interrupted("nothing was changed"))
    }
}

/// Asks for one line of text.
pub(crate) fn line(prompt: &str) -> Result<String, Failure> {
    // Not locked while it waits: Ctrl-C prints a message during that time.
    let mut stderr = io::stderr();
    stderr
        .write_all(clean::line(prompt).as_bytes())
        .and_then(|()| stderr.flush())
        .map_err(Failure::Prompt)?;
    let mut answer = String::new();
    let read = io::stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(Failure::Prompt)?;
    if read == 0 {
        let _ = stderr.write_all(b"\n");
        return Err(Failure::Interrupted("nothing was changed"));
    }
    Ok(answer.trim().to_owned())
}

/// A new password, from standard input or asked for twice.
pub(crate) fn new_password(from: &PasswordFrom) -> Result<Secret, Failure> {
    if from.password_stdin {
        return first_line_of_stdin();
    }
    if !somebody_is_there() {
        return Err(Failure::Usage(
            "there is no terminal to ask for the password on: add --password-stdin".to_owned(),
        ));
    }
    for _ in 0..ATTEMPTS {
        let first = rpassword::prompt_password("New password: ").map_err(Failure::Prompt)?;
        if first.is_empty() {
            eprint("the password must not be empty");
            continue;
        }
        let second = rpassword::prompt_password("The same again: ").map_err(Failure::Prompt)?;
        if first == second {
            return Ok(Secret::new(first));
        }
        eprint("the two are not the same");
    }
    Err(Failure::Interrupted("nothing was changed"))
}

/// A secret that exists, from the next line of standard input where there is no terminal.
pub(crate) fn password(prompt: &str) -> Result<Secret, Failure> {
    if !somebody_is_there() {
        return first_line_of_stdin();
    }
    rpassword::prompt_password(prompt)
        .map(Secret::new)
        .map_err(Failure::Prompt)
}

/// The access token in a file, or of standard input (`-`).
pub(crate) fn source_token(file: &Path) -> Result<SourceToken, Failure> {
    let text = if file == Path::new("-") {
        password("Access token: ")?
    } else {
        let read = fs::File::open(file).and_then(|opened| {
            let mut text = String::new();
            opened.take(TOKEN_FILE_MAX).read_to_string(&mut text)?;
            Ok(text)
        });
        Secret::new(read.map_err(|source| Failure::File {
            action: "read the access token in",
            path: file.to_owned(),
            source,
        })?)
    };
    let token = text.expose().parse();
    token.map_err(|error: InvalidToken| Failure::Usage(error.to_string()))
}

fn eprint(text: &str) {
    // If standard error is gone, the prompts are not seen either.
    let _ = writeln!(io::stderr().lock(), "{text}");
}

fn first_line_of_stdin() -> Result<Secret, Failure> {
    let mut text = String::new();
    io::stdin()
        .lock()
        .read_line(&mut text)
        .map_err(Failure::Prompt)?;
    let password = text.trim_end_matches(['\r', '\n']);
    if password.is_empty() {
        return Err(Failure::Usage("standard input has no password".to_owned()));
    }
    Ok(Secret::new(password))
}
