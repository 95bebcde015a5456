//! `atek restore` from a backup: an app's files, one of them, an app of its own, a database, a
//! user.

use crate::ask;
use crate::cli::updates::Restore;
use crate::error::Failure;
use crate::host::{Host, read};
use crate::text::clean;
use atek_api::backup::{
    API, RestoreApp, RestoreDatabase, RestoreFile, RestoreUser, RestoredApp, RestoredDatabase,
    RestoredFile, RestoredFiles, RestoredUser,
};
use atek_api::spec::SpecError;

/// Puts the files of an app back as a backup has them.
pub(super) async fn files(
    host: &Host,
    id: &str,
    run: Option<&str>,
    yes: bool,
) -> Result<(), Failure> {
    let which = run.unwrap_or("the last backup");
    let question = format!(
        "Put the files and databases of {id} back as {which} has them? What came since is lost."
    );
    ask::confirm_or_flag(yes, &question).await?;
    let action = format!("restore the files of {id}");
    let answer = match run {
        Some(run) => host.call(API, "restore", (id, run), &action).await,
        None => host.call(API, "restore", (id,), &action).await,
    }?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let restored: RestoredFiles = read("restore", &answer)?;
    host.out.done(&format!(
        "restored the files of {id}{} from the backup {}",
        databases(restored.databases),
        restored.run
    ))
}

/// Puts one file or folder of an app back.
pub(super) async fn file(host: &Host, id: &str, path: &str, args: &Restore) -> Result<(), Failure> {
    let path = path.parse();
    let wanted = RestoreFile {
        id: id.to_owned(),
        path: path.map_err(|error: SpecError| Failure::Usage(error.to_string()))?,
        run: args.backup.clone(),
        beside: args.beside,
    };
    if !args.beside {
        let question = format!(
            "Put {} of {id} back as the backup has it? What is there now is lost.",
            wanted.path
        );
        ask::confirm_or_flag(args.yes, &question).await?;
    }
    let action = format!("restore {} of {id}", wanted.path);
    let answer = host.call(API, "restoreFile", (wanted,), &action).await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let restored: RestoredFile = read("restoreFile", &answer)?;
    host.out.done(&format!(
        "restored {} of {id} from the backup {}",
        clean::line(&restored.path),
        restored.run
    ))
}

/// Makes an app of a backup.
pub(super) async fn app(
    host: &Host,
    app: &str,
    id: &str,
    run: Option<&str>,
) -> Result<(), Failure> {
    let wanted = RestoreApp {
        app: app.to_owned(),
        id: Some(id.to_owned()),
        run: run.map(str::to_owned),
    };
    let action = format!("make {id} from a backup of {app}");
    let answer = host.call(API, "restoreApp", (wanted,), &action).await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let made: RestoredApp = read("restoreApp", &answer)?;
    host.out.done(&format!(
        "{} is the app {app} of the backup {}{}: atek status {} tells how it is",
        made.id,
        made.run,
        databases(made.databases),
        made.id
    ))
}

fn databases(count: usize) -> String {
    match count {
        0 => String::new(),
        1 => " with its database".to_owned(),
        more => format!(" with its {more} databases"),
    }
}

/// Makes a database what a backup has of it.
pub(super) async fn database(host: &Host, id: &str, args: &Restore) -> Result<(), Failure> {
    let database = id.parse();
    let wanted = RestoreDatabase {
        database: database.map_err(|_| {
            Failure::Usage(format!(
                "{id:?} is no id of a database: atek db ls shows them"
            ))
        })?,
        run: args.backup.clone(),
        copy: args.beside,
    };
    if !args.beside {
        let question =
            "Put the database back as the backup has it? What came since is lost.".to_owned();
        ask::confirm_or_flag(args.yes, &question).await?;
    }
    let action = "restore the database";
    let answer = host.call(API, "restoreDatabase", (wanted,), action).await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let restored: RestoredDatabase = read("restoreDatabase", &answer)?;
    host.out.done(&format!(
        "the database {} has {} records of the backup {}",
        restored.database, restored.records, restored.run
    ))
}

/// Brings a user back.
pub(super) async fn user(host: &Host, name: &str, run: Option<&str>) -> Result<(), Failure> {
    let wanted = RestoreUser {
        user: name.to_owned(),
        run: run.map(str::to_owned),
    };
    let action = format!("bring {name} back");
    let answer = host.call(API, "restoreUser", (wanted,), &action).await?;
    if host.out.json {
        return host.out.print_json(&answer);
    }
    let back: RestoredUser = read("restoreUser", &answer)?;
    for problem in &back.problems {
        host.out.note(&clean::line(problem));
    }
    let apps: Vec<&str> = back.apps.iter().map(|id| id.as_str()).collect();
    host.out.done(&format!(
        "{} is here as in the backup {}, with {} keys, {} databases and {} apps that were gone{}",
        clean::line(&back.username),
        back.run,
        back.keys,
        back.databases,
        apps.len(),
        match apps.is_empty() {
            true => String::new(),
            false => format!(": {}", apps.join(", ")),
        }
    ))
}
