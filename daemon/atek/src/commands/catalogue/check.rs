//! `atek catalogue check`: each recipe is installed, used, restarted and uninstalled on this box.

use super::visit::Visitor;
use crate::cli::catalogue::Check;
use crate::commands::{job, logs};
use crate::error::Failure;
use crate::host::{Host, read};
use crate::text::clean;
use atek_api::catalogue::{self, Name, Recipe, Tested};
use atek_api::ids::ServiceId;
use atek_api::permission::{Network, Permissions};
use atek_api::services::{self, InstallParams, ServiceInfo, ServiceStatus, State};
use atek_catalogue::folder::{self, read_files};
use atek_catalogue::recipe::{self, Checked, RECIPE};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a started program may take to give the right answer.
const READY: Duration = Duration::from_secs(60);
/// The pause between two requests.
const PAUSE: Duration = Duration::from_millis(300);
/// How long a program is watched for hosts that it tries to reach.
const WATCHED: Duration = Duration::from_secs(5);
/// Lines of its log that are read.
const LOG_LINES: u32 = 500;

/// What a check measured.
struct Passed {
    memory_mib: Option<u64>,
    install: Duration,
}

pub(crate) async fn check(host: &Host, visitor: &Visitor, args: &Check) -> Result<(), Failure> {
    let recipes = folder::recipes(&args.folder)?;
    let chosen: Vec<_> = recipes
        .into_iter()
        .filter(|(name, _)| args.recipes.is_empty() || args.recipes.contains(name))
        .collect();
    let unknown = |name: &&Name| !chosen.iter().any(|(known, _)| known == *name);
    if let Some(name) = args.recipes.iter().find(unknown) {
        return Err(Failure::Usage(format!("there is no recipe {name}")));
    }
    let mut failed = 0;
    for (name, path) in &chosen {
        let outcome = match one(host, visitor, name, path).await {
            Ok(passed) if args.record => record(path, &passed).map(|()| passed),
            outcome => outcome,
        };
        match outcome {
            Ok(passed) => {
                let memory = passed.memory_mib.map(|mib| format!(", {mib} MiB"));
                host.out.print(&format!(
                    "ok      {name}: installed in {:.1} s{}\n",
                    passed.install.as_secs_f64(),
                    memory.unwrap_or_default()
                ))?;
            }
            Err(problem) => {
                failed += 1;
                host.out
                    .print(&format!("FAILED  {name}: {}\n", clean::line(&problem)))?;
            }
        }
    }
    if failed == 0 {
        return Ok(());
    }
    let all = chosen.len();
    Err(Failure::Check { failed, all })
}

/// Checks one recipe, and removes what it left whatever happens.
async fn one(host: &Host, visitor: &Visitor, name: &Name, path: &Path) -> Result<Passed, String> {
    let files = read_files(path).map_err(|error| said(&error))?;
    let checked = recipe::read(&files).map_err(|problems| problems.join("; "))?;
    let id: ServiceId = format!("check-{name}")
        .parse()
        .map_err(|_| "its name is too long".to_owned())?;
    let path = std::path::absolute(path).map_err(|error| error.to_string())?;
    let outcome = used(host, visitor, &id, path, &checked).await;
    let removed = remove(host, &id).await;
    let passed = outcome?;
    removed.map(|()| passed)
}

async fn used(
    host: &Host,
    visitor: &Visitor,
    id: &ServiceId,
    path: PathBuf,
    checked: &Checked,
) -> Result<Passed, String> {
    let began = Instant::now();
    let info = install(host, id, &path, &checked.permissions).await?;
    let install = began.elapsed();
    if info.state != State::Running {
        return Err(not_running(host, id, &info).await);
    }
    answers(visitor, id, &checked.recipe).await?;
    let memory_mib = memory(host, id).await;
    // What a program does by itself it does soon after its start.
    tokio::time::sleep(WATCHED).await;
    let call = host.call(services::API, "restart", (id,), "restart it");
    call.await.map_err(|error| said(&error))?;
    answers(visitor, id, &checked.recipe)
        .await
        .map_err(|problem| format!("after a restart: {problem}"))?;
    reaches_nothing_else(host, id, checked).await?;
    Ok(Passed {
        memory_mib,
        install,
    })
}

async fn install(
    host: &Host,
    id: &ServiceId,
    path: &Path,
    grant: &Permissions,
) -> Result<ServiceInfo, String> {
    let mut source = url::Url::from_file_path(path)
        .map_err(|()| "its path is not absolute".to_owned())?
        .to_string();
    source.insert_str(0, "recipe+");
    let params = InstallParams {
        source_url: source.clone(),
        id: Some(id.to_string()),
        desired_version: None,
        user: None,
        config: None,
        grant: Some(grant.clone()),
        limits: None,
        inspected: None,
        source_token: None,
        port: None,
        adopt_data: None,
        fresh: true,
    };
    let task = job::Task {
        method: "startInstall",
        action: "install",
        subject: &source,
        is_service: false,
    };
    let result: Value = job::run(host, task, (params,))
        .await
        .map_err(|error| said(&error))?;
    serde_json::from_value(result).map_err(|error| error.to_string())
}

async fn not_running(host: &Host, id: &ServiceId, info: &ServiceInfo) -> String {
    let reason = info.reason.as_deref().unwrap_or("it does not run");
    let lines = logs::newest(host, id.as_str(), 5).await.unwrap_or_default();
    let lines: Vec<_> = lines.iter().map(|line| line.message.as_str()).collect();
    format!("{reason}; its log ends with: {}", lines.join(" / "))
}

/// Waits until the program gives the answer that the recipe names.
async fn answers(visitor: &Visitor, id: &ServiceId, recipe: &Recipe) -> Result<(), String> {
    let wanted = &recipe.check;
    let deadline = Instant::now() + READY;
    loop {
        let problem = match visitor.get(id, &wanted.path).await {
            Ok(answer) if answer.status != wanted.status => {
                format!("{} answers with status {}", wanted.path, answer.status)
            }
            Ok(answer) if answer.text.contains(&wanted.contains) => return Ok(()),
            Ok(_) => format!("{} does not contain {:?}", wanted.path, wanted.contains),
            Err(error) => format!("{}: {error}", wanted.path),
        };
        if Instant::now() > deadline {
            return Err(problem);
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn memory(host: &Host, id: &ServiceId) -> Option<u64> {
    let call = host.call(services::API, "status", (id,), "ask for its status");
    let answer = call.await.ok()?;
    let status: ServiceStatus = read("status", &answer).ok()?;
    if let Some(bytes) = status.memory_bytes {
        return Some(bytes >> 20);
    }
    // A kernel without a memory controller still knows what the processes hold.
    let unit = format!("atek-app-{id}.service");
    largest_process(&unit)
}

/// What the largest process of a unit holds, in MiB: a program is the child of its forwarder.
fn largest_process(unit: &str) -> Option<u64> {
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let held = processes.filter_map(|entry| {
        let group = std::fs::read_to_string(entry.path().join("cgroup")).ok()?;
        if !group.contains(unit) {
            return None;
        }
        let text = std::fs::read_to_string(entry.path().join("status")).ok()?;
        let line = text.lines().find(|line| line.starts_with("VmRSS:"))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    held.max().map(|kib| kib >> 10)
}

/// Compares the hosts that the program could not reach with what the recipe says of it.
async fn reaches_nothing_else(
    host: &Host,
    id: &ServiceId,
    checked: &Checked,
) -> Result<(), String> {
    let lines = logs::newest(host, id.as_str(), LOG_LINES).await;
    let lines = lines.map_err(|error| said(&error))?;
    let tried = unreached(lines.iter().map(|line| line.message.as_str()));
    let unneeded = &checked.recipe.check.unneeded;
    let is_known = |name: &String| unneeded.contains(name) || has(&checked.permissions, name);
    let unknown: Vec<String> = tried.into_iter().filter(|name| !is_known(name)).collect();
    if unknown.is_empty() {
        return Ok(());
    }
    Err(format!(
        "it tries to reach {}: ask for the permission in atek.json, or name it in check.unneeded of recipe.json",
        unknown.join(", ")
    ))
}

fn has(permissions: &Permissions, name: &str) -> bool {
    match &permissions.network {
        Some(Network::Hosts(hosts)) => hosts.iter().any(|pattern| pattern.to_string() == name),
        Some(Network::Direct { .. }) => true,
        None => false,
    }
}

/// The names in a log that could not be resolved or connected to.
fn unreached<'l>(lines: impl Iterator<Item = &'l str>) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for line in lines {
        for mark in ["ENOTFOUND", "EAI_AGAIN", "EAI_FAIL", "ENONAME"] {
            for (at, _) in line.match_indices(mark) {
                let rest = line[at + mark.len()..].trim_start_matches([' ', '\'', '"', ':']);
                let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
                let name: String = rest.chars().take_while(|c| is_part(*c)).collect();
                let name = name.trim_end_matches('.');
                if name.contains('.') {
                    names.insert(name.to_owned());
                }
            }
        }
    }
    names
}

async fn remove(host: &Host, id: &ServiceId) -> Result<(), String> {
    let services = host.services().await.map_err(|error| said(&error))?;
    if !services.iter().any(|service| service.settings.id == *id) {
        return Ok(());
    }
    let call = host.call(services::API, "uninstall", (id,), "uninstall it");
    call.await.map(drop).map_err(|error| said(&error))
}

/// Writes what was found into recipe.json.
fn record(path: &Path, passed: &Passed) -> Result<(), String> {
    let path = path.join(RECIPE);
    let text = std::fs::read(&path).map_err(|error| error.to_string())?;
    let mut recipe: catalogue::Recipe =
        serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    recipe.tested = Some(Tested {
        atek: env!("CARGO_PKG_VERSION").to_owned(),
        date: jiff::Timestamp::now().strftime("%Y-%m-%d").to_string(),
        memory_mib: passed.memory_mib,
        install_seconds: Some(passed.install.as_secs().max(1)),
    });
    let mut text = serde_json::to_string_pretty(&recipe).map_err(|error| error.to_string())?;
    text.push('\n');
    std::fs::write(&path, text).map_err(|error| error.to_string())
}

/// An error and its causes.
fn said(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!(": {error}"));
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_that_could_not_be_reached_are_found_in_a_log() {
        let lines = [
            "Error: getaddrinfo EAI_AGAIN packages.example.org",
            "reason: getaddrinfo ENOTFOUND api.github.com.",
            "code: 'ENOTFOUND', hostname: 'x'",
            "getaddrinfo ENOTFOUND localhost",
            "all is well",
        ];
        let found: Vec<_> = unreached(lines.into_iter()).into_iter().collect();
        assert_eq!(found, ["api.github.com", "packages.example.org"]);
    }
}
