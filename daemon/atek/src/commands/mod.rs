//! What each command does.

mod audit;
mod authorities;
mod backup;
mod backup_disks;
mod backup_guests;
mod backup_server;
mod catalogue;
mod cfg;
mod check_system;
mod claim;
mod contacts;
mod db;
mod devices;
mod get;
mod grants;
mod homes;
mod import;
mod install;
mod job;
mod kept;
mod keys;
mod lifecycle;
mod list;
mod logs;
mod mail;
mod moving;
mod offline;
mod permissions;
mod reset;
mod restore_box;
mod restore_parts;
mod search;
mod share;
mod status;
mod system;
mod top;
mod uninstall;
mod update;
mod updates;
mod users;

use crate::cli::backup::Backup;
use crate::cli::catalogue::Catalogue;
use crate::cli::{Cli, Command};
use crate::error::Failure;
use crate::host::Host;
use crate::out::Out;

/// Does what the command line says.
pub(crate) async fn run(cli: Cli, out: Out) -> Result<(), Failure> {
    let Some(command) = cli.command else {
        return offline::no_command();
    };
    match command {
        Command::Completions { shell } => offline::completions(shell, &out),
        Command::CheckSystem { root } => check_system::run(&root, &out),
        Command::Backup(Backup::Password { from_words: true }) => backup::password_from_words(&out),
        Command::Connect(args) => devices::connect(&args),
        Command::Import(args) => import::run(&args, &out),
        Command::Run(flags) => offline::run_host(&cli.global, &flags),
        Command::Catalogue(Catalogue::Index { folder }) => catalogue::index(&folder, &out),
        Command::Catalogue(Catalogue::Check(args)) => {
            let visitor = catalogue::Visitor::new(&cli.global)?;
            let host = Host::new(&cli.global, out)?;
            until_ctrl_c(&host, catalogue::check(&host, &visitor, &args)).await
        }
        command => online(command, &Host::new(&cli.global, out)?).await,
    }
}

async fn online(command: Command, host: &Host) -> Result<(), Failure> {
    match command {
        Command::Search(args) => search::run(host, &args).await,
        Command::Catalogue(command) => catalogue::run(host, command).await,
        Command::Install(args) => until_ctrl_c(host, install::run(host, args)).await,
        Command::Uninstall(args) => uninstall::run(host, &args).await,
        Command::Update(args) => until_ctrl_c(host, update::run(host, args)).await,
        Command::Outdated(args) => updates::outdated(host, &args).await,
        Command::Rollback(args) => until_ctrl_c(host, updates::rollback(host, &args)).await,
        Command::Pin(args) => updates::pin(host, &args).await,
        Command::Hold(args) => updates::hold(host, &args).await,
        Command::Snapshot(args) => updates::snapshot(host, &args).await,
        Command::Restore(args) => until_ctrl_c(host, updates::restore(host, &args)).await,
        Command::Backup(command) => until_ctrl_c(host, backup::run(host, command)).await,
        Command::Ls => list::run(host).await,
        Command::Status(args) => status::run(host, &args).await,
        Command::Get(args) => get::run(host, &args.id).await,
        Command::Cfg(args) => cfg::run(host, args).await,
        Command::Start(args) => lifecycle::run(host, lifecycle::Verb::Start, &args.ids).await,
        Command::Stop(args) => lifecycle::run(host, lifecycle::Verb::Stop, &args.ids).await,
        Command::Restart(args) => lifecycle::run(host, lifecycle::Verb::Restart, &args.ids).await,
        Command::Logs(args) => logs::run(host, &args).await,
        Command::Top => top::run(host).await,
        Command::Kept(args) => kept::run(host, &args).await,
        Command::System(args) => system::run(host, &args).await,
        Command::Mail(args) => mail::run(host, args.action).await,
        Command::Authorities(args) => authorities::run(host, &args).await,
        Command::Keys(args) => keys::run(host, args).await,
        Command::Users => users::list(host).await,
        Command::Mkuser(args) => users::create(host, args).await,
        Command::Moduser(args) => users::change(host, args).await,
        Command::Passwd(args) => users::passwd(host, &args).await,
        Command::Deluser(args) => users::delete(host, &args).await,
        Command::Permissions(args) => permissions::run(host, args).await,
        Command::Audit(args) => audit::run(host, args).await,
        Command::Share(args) => share::run(host, args).await,
        Command::Follow(args) => homes::follow(host, args).await,
        Command::Unfollow(args) => homes::unfollow(host, &args).await,
        Command::Contacts(args) => contacts::run(host, args).await,
        Command::Devices(args) => devices::run(host, args).await,
        Command::Groups(args) => share::groups(host, args).await,
        Command::Claim => claim::run(host).await,
        Command::Db(command) => db::run(host, command).await,
        // Handled before a host was looked for.
        Command::Completions { .. }
        | Command::Connect(_)
        | Command::Run(_)
        | Command::Import(_)
        | Command::CheckSystem { .. } => Ok(()),
    }
}

/// Ends a command at Ctrl-C. Once a job has listened for it, nothing else would.
async fn until_ctrl_c(
    host: &Host,
    command: impl Future<Output = Result<(), Failure>>,
) -> Result<(), Failure> {
    tokio::select! {
        // First the command, whose own words say more.
        biased;
        result = command => result,
        _ = tokio::signal::ctrl_c() => Err(host.out.interrupted("interrupted")),
    }
}
