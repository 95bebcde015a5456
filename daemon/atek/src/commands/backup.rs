//! `atek backup`.

use crate::ask;
use crate::cli::backup::{Backup, Every, List, Target};
use crate::error::Failure;
use crate::host::{Host, read};
use crate::out::Out;
use crate::text::table::{Columns, Tone, fields};
use crate::text::{clean, size, time};
use atek_api::backup::{
    API, BackupChanges, BackupDone, BackupStatus, Part, Retention, Run, StoredApps, StoredFiles,
    schedule::Schedule,
};
use atek_seed::RecoveryWords;
use jiff::Timestamp;
use serde::Deserialize;

pub(super) async fn run(host: &Host, command: Backup) -> Result<(), Failure> {
    match command {
        Backup::Status => status(host).await,
        Backup::Disks => super::backup_disks::list(host).await,
        Backup::Guests(args) => super::backup_guests::run(host, args).await,
        Backup::Now => now(host).await,
        Backup::Password { .. } => password(host).await,
        Backup::List(args) => match &args.id {
            Some(id) => files(host, id, &args).await,
            None => match &args.from {
                Some(run) => apps(host, run).await,
                None => list(host).await,
            },
        },
        Backup::Target(args) => target(host, args).await,
        Backup::Verify { quick } => verify(host, !quick).await,
    }
}

async fn status(host: &Host) -> Result<(), Failure> {
    let action = "look at the backups";
    let answer = host.call(API, "status", [(); 0], action).await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    show(host, &read("status", &answer)?)
}

fn show(host: &Host, status: &BackupStatus) -> Result<(), Failure> {
    let Some(target) = &status.settings.target else {
        return host
            .out
            .done("there are no backups: set a target with atek backup target DISK");
    };
    let when = |time: &Option<String>| match time {
        Some(time) => time::with_age(time, host.now(), &host.zone),
        None => "never".to_owned(),
    };
    let proven = match &status.last_proven {
        Some(_) => format!(
            "{} ({} files)",
            when(&status.last_proven),
            status.proven_files
        ),
        None => "never".to_owned(),
    };
    let Retention {
        hourly,
        daily,
        weekly,
    } = status.settings.retention;
    let schedule = match status.settings.schedule {
        Schedule::Never => "only when asked",
        Schedule::Hourly => "every hour",
        Schedule::Daily => "every day",
        Schedule::Weekly => "every week",
    };
    let mut rows = vec![
        ("Last proven restore", proven),
        ("Last backup", when(&status.last_good)),
        ("All of it read", when(&status.last_checked)),
        ("Target", clean::line(&target.to_string()).into_owned()),
        ("Made", schedule.to_owned()),
        (
            "Kept",
            format!("{hourly} hours, {daily} days, {weekly} weeks"),
        ),
    ];
    if let Some(next) = &status.next {
        rows.push(("Next", time::date(next, &host.zone)));
    }
    if let Some(running) = &status.running {
        let mut text = clean::line(running).into_owned();
        if let Some(at) = &status.progress {
            text = format!(
                "{text}, {} of {} parts, {}",
                at.step,
                at.steps,
                size::bytes(at.done)
            );
        }
        rows.push(("Under way", text));
    }
    if let Some(problem) = &status.problem {
        rows.push(("Problem", clean::line(problem).into_owned()));
    }
    if status.missed {
        rows.push(("Missed", "there was no backup for two intervals".to_owned()));
    }
    host.out.print(&fields(&rows))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Password {
    password: String,
    #[serde(default)]
    of_words: bool,
}

/// Prints the password that follows from recovery words. Needs no host.
pub(super) fn password_from_words(out: &Out) -> Result<(), Failure> {
    let typed = ask::password("Recovery words: ")?;
    let words = RecoveryWords::parse(typed.expose());
    let words = words.map_err(|error| Failure::Usage(error.to_string()))?;
    let seed = words.seed();
    let password = seed.backup_password();
    out.print(&format!("{}\n", *password))
}

async fn password(host: &Host) -> Result<(), Failure> {
    let action = "show the password of the backups";
    let answer = host.call(API, "password", [(); 0], action).await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let Password { password, of_words } = read("password", &answer)?;
    host.out.print(&format!("{}\n", clean::line(&password)))?;
    host.out.note(match of_words {
        true => "it follows from the recovery words, with which backups are opened on any machine",
        false => "write it down: without it, nothing can be restored on another machine",
    });
    Ok(())
}

async fn now(host: &Host) -> Result<(), Failure> {
    let answer = host.call(API, "backUp", [(); 0], "make a backup").await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let done: BackupDone = read("backUp", &answer)?;
    for problem in &done.problems {
        host.out.note(&clean::line(problem));
    }
    host.out.done(&format!(
        "made the backup {}: {} files ({}), {} new on the target, {} read back and compared",
        done.run,
        done.files,
        size::bytes(done.bytes),
        size::bytes(done.added),
        done.proven
    ))
}

#[derive(Deserialize)]
struct Runs {
    runs: Vec<Run>,
}

async fn list(host: &Host) -> Result<(), Failure> {
    let answer = host.call(API, "list", [(); 0], "list the backups").await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let runs = read::<Runs>("list", &answer)?.runs;
    if runs.is_empty() {
        return host
            .out
            .done("there is no backup yet: atek backup now makes one");
    }
    let mut table = Columns::new(host.out.look(), &["BACKUP", "APPS", "SIZE", "WHOLE"]);
    for run in &runs {
        let is_app = |part: &&Part| match part {
            Part::State(key) => !key.as_str().starts_with("core."),
            _ => false,
        };
        let apps = run.parts.iter().filter(is_app).count();
        let (whole, tone) = match run.whole {
            true => ("yes", Tone::Good),
            false => ("no", Tone::Dim),
        };
        let (name, apps) = (run.run.to_string(), apps.to_string());
        table.row([
            (name.as_str(), Tone::Strong),
            (&apps, Tone::Plain),
            (&size::bytes(run.bytes), Tone::Plain),
            (whole, tone),
        ]);
    }
    host.out.print(&table.render())
}

async fn apps(host: &Host, run: &str) -> Result<(), Failure> {
    let action = "list the apps of a backup";
    let answer = host.call(API, "apps", (run,), action).await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let found: StoredApps = read("apps", &answer)?;
    let mut table = Columns::new(host.out.look(), &["APP", "VERSION", "OWNER", "NOW"]);
    for app in &found.apps {
        let text = |text: &Option<String>| {
            let text = text.as_deref().unwrap_or("-");
            clean::line(text).into_owned()
        };
        let now = match (&app.installed, &app.missing) {
            (Some(id), _) if *id == app.id => "installed".to_owned(),
            (Some(id), _) => format!("installed as {id}"),
            (None, Some(missing)) => clean::line(missing).into_owned(),
            (None, None) => format!("gone; atek restore {0} --copy {0} brings it back", app.id),
        };
        table.row([
            (app.id.as_str(), Tone::Strong),
            (&text(&app.version), Tone::Plain),
            (&text(&app.owner), Tone::Plain),
            (&now, Tone::Dim),
        ]);
    }
    host.out.print(&table.render())
}

async fn files(host: &Host, id: &str, args: &List) -> Result<(), Failure> {
    let action = format!("list the files of {id} in a backup");
    let answer = match &args.from {
        Some(run) => {
            host.call(API, "files", (id, &args.path, run), &action)
                .await
        }
        None => host.call(API, "files", (id, &args.path), &action).await,
    }?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let mut table = Columns::new(host.out.look(), &["NAME", "SIZE", "CHANGED"]);
    let found: StoredFiles = read("files", &answer)?;
    for entry in &found.files {
        let name = clean::line(&entry.name);
        let (name, bytes) = match entry.folder {
            true => (format!("{name}/"), String::new()),
            false => (name.into_owned(), size::bytes(entry.size)),
        };
        let changed = entry
            .modified
            .and_then(|at| Timestamp::from_second(at).ok());
        let changed = changed.map(|at| time::date(&at.to_string(), &host.zone));
        table.row([
            (name.as_str(), Tone::Plain),
            (&bytes, Tone::Plain),
            (&changed.unwrap_or_default(), Tone::Dim),
        ]);
    }
    if found.more {
        host.out.note("there are more files than are listed");
    }
    host.out.print(&table.render())
}

async fn target(host: &Host, args: Target) -> Result<(), Failure> {
    let retention = match args.keep.as_deref() {
        Some([hourly, daily, weekly]) => Some(Retention {
            hourly: *hourly,
            daily: *daily,
            weekly: *weekly,
        }),
        Some(_) => {
            return Err(Failure::Usage(
                "--keep takes three numbers: hours, days and weeks".to_owned(),
            ));
        }
        None => None,
    };
    let to = match &args.to {
        Some(named) => Some(super::backup_disks::target(host, named, &args.server).await?),
        None => None,
    };
    let server_password = match &to {
        Some(to) => super::backup_server::password(to, &args.server)?,
        None => None,
    };
    let mut changes = BackupChanges {
        target: to,
        server_password,
        beside_files: args.yes,
        schedule: args.every.map(|every| match every {
            Every::Never => Schedule::Never,
            Every::Hourly => Schedule::Hourly,
            Every::Daily => Schedule::Daily,
            Every::Weekly => Schedule::Weekly,
        }),
        retention,
    };
    let action = "set up backups";
    let mut answer = host.call(API, "configure", (&changes,), action).await;
    if let Err(refused) = &answer {
        let agreed = match &changes.target {
            Some(target) => super::backup_server::agreed(target, refused).await?,
            None => None,
        };
        let has_files = refused.reason() == Some("has-files") && ask::somebody_is_there();
        if has_files {
            agree(refused).await?;
            changes.beside_files = true;
        }
        if has_files || agreed.is_some() {
            changes.target = agreed.or(changes.target);
            answer = host.call(API, "configure", (&changes,), action).await;
        }
    }
    let answer = answer?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    show(host, &read("configure", &answer)?)
}

/// Has the person type a yes to backups beside other files.
async fn agree(why: &Failure) -> Result<(), Failure> {
    let prompt = format!("{}\nType yes to keep backups there: ", why.account());
    let typed = tokio::task::spawn_blocking(move || ask::line(&prompt))
        .await
        .map_err(|error| Failure::Prompt(error.into()))??;
    match typed.as_str() {
        "yes" => Ok(()),
        _ => Err(Failure::Interrupted("nothing was changed")),
    }
}

#[derive(Deserialize)]
struct Checked {
    problems: Vec<String>,
}

async fn verify(host: &Host, all: bool) -> Result<(), Failure> {
    let action = "check the backups";
    let answer = host.call(API, "check", (all,), action).await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let problems = read::<Checked>("check", &answer)?.problems;
    if problems.is_empty() {
        return host.out.done(match all {
            true => "everything on the target was read and is whole",
            false => "the lists on the target fit together",
        });
    }
    let lines: Vec<String> = problems
        .iter()
        .map(|problem| clean::line(problem).into_owned())
        .collect();
    host.out.print(&format!("{}\n", lines.join("\n")))?;
    host.out
        .note("the backups are damaged: set another target, and make a new backup there");
    Ok(())
}
