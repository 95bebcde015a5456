//! The methods of the host's own APIs: names, parameters, results, rights and errors, in one
//! table. `docs/api.md` is made from it, parameters are read by its names, and a method that is
//! not in it cannot be called.

use super::inspect;
use super::params::Params;
use atek_api::jsonrpc::{RpcError, code};
use atek_api::{backup, catalogue, grants, services, sessions, setup, system, users};
use atek_host_model::host_api::Call;

/// A method.
#[derive(Debug)]
#[cfg_attr(
    not(test),
    expect(dead_code, reason = "a test makes docs/api.md from the descriptions")
)]
pub(super) struct Method {
    /// Its name.
    pub(super) name: &'static str,
    /// Name and kind of each parameter, by position. `?` behind a kind: may be missing.
    pub(super) params: &'static [(&'static str, &'static str)],
    /// The kind of its result.
    pub(super) result: &'static str,
    /// Who may call it.
    pub(super) may: &'static str,
    /// What it does, and errors beyond the common ones.
    pub(super) does: &'static str,
}

/// An API and its methods.
#[derive(Debug)]
pub(super) struct Api {
    pub(super) id: &'static str,
    pub(super) methods: &'static [Method],
}

const fn method(
    name: &'static str,
    params: &'static [(&'static str, &'static str)],
    result: &'static str,
    may: &'static str,
    does: &'static str,
) -> Method {
    Method {
        name,
        params,
        result,
        may,
        does,
    }
}

const ID: (&str, &str) = ("id", "string");
const USER_KEY: (&str, &str) = ("userKey", "string");

const ADMINS: &str = "administrators";
const SEE: &str = "owner; the app itself; apps with `atek.cloud/services-api`";
const RUN: &str = "owner; apps with `atek.cloud/services-api`";
const INSTALL: &str =
    "users (unless `usersMayInstall` is off); apps with `atek.cloud/services-api/install`";

/// All APIs, in the order of the document.
pub(super) const APIS: [Api; 9] = [
    Api {
        id: services::API,
        methods: &[
            method(
                "list",
                &[],
                "{services: ServiceInfo[]}",
                "everyone who is known",
                "Lists the services that the caller may see. `settings.config` is left out where the caller may not read it (apps: `atek.cloud/services-api/configure`).",
            ),
            method("get", &[ID], "ServiceInfo", SEE, "Returns one service."),
            method(
                "status",
                &[ID],
                "ServiceStatus",
                SEE,
                "Returns its unit's state, main process, memory and last exit.",
            ),
            method(
                "metrics",
                &[ID, ("options", "MetricsOptions?")],
                "Series",
                SEE,
                "Returns memory and CPU time of the last hour.",
            ),
            method(
                "logs",
                &[ID, ("options", "LogOptions?")],
                "LogPage",
                "owner; the app itself; apps with `atek.cloud/services-api/logs`",
                "Returns lines of its log, oldest first.",
            ),
            method(
                "inspect",
                &[("params", "InstallParams")],
                "Inspection",
                INSTALL,
                "Fetches a package and shows what it is and asks for. Nothing of it runs. A folder of the machine: administrators, or everyone with `allowFileInstall: \"any\"`.",
            ),
            method(
                "install",
                &[("params", "InstallParams")],
                "ServiceInfo",
                INSTALL,
                "Installs a service and starts it. `user` (another owner): administrators. `grant`: persons only, within `usersMayGrant`. `limits` above the default: as for `configure`. Errors have `data.reason`: `id-taken`, `moved` (not what `inspect` showed), or the code of a failed package job.",
            ),
            method(
                "startInstall",
                &[("params", "InstallParams")],
                "{job: string}",
                INSTALL,
                "The same as a job, whose events are at `GET /_atek/jobs/JOB`.",
            ),
            method(
                "uninstall",
                &[ID, ("options", "UninstallParams?")],
                "null",
                "owner; apps with `atek.cloud/services-api/install`",
                "Removes a service, with its data unless `keepData`. Core services: `not-found`.",
            ),
            method(
                "configure",
                &[ID, ("settings", "ConfigureParams")],
                "null",
                "owner; apps with `atek.cloud/services-api/configure`",
                "Changes id, source, range, environment, limits or grants. Another source drops all grants and needs the right to install. Limits above the default: administrators, or users with `usersMayGrant.limits`. `grant`: persons only.",
            ),
            method(
                "start",
                &[ID],
                "null",
                RUN,
                "Starts a service and waits until it listens or has failed.",
            ),
            method(
                "stop",
                &[ID],
                "null",
                RUN,
                "Stops a service; it stays stopped over a restart of the box.",
            ),
            method(
                "setAwake",
                &[("awake", "boolean")],
                "null",
                "core services, for themselves",
                "Keeps the calling service running although it may sleep, also over a restart of the box; or no longer.",
            ),
            method(
                "ownSeed",
                &[],
                "{seed: string | null}",
                "the hypercore service, for itself",
                "What the key service derives for it from the recovery words, of which it makes its keys: 64 hexadecimal digits, or null while the box has no words, and for what the configuration puts in its place.",
            ),
            method("restart", &[ID], "null", RUN, "Stops and starts it."),
            method(
                "checkForPackageUpdates",
                &[ID],
                "UpdateCheck",
                SEE,
                "Asks the source for a newer release.",
            ),
            method(
                "availableVersions",
                &[ID],
                "{versions: string[]}",
                SEE,
                "Lists the releases of the source, newest first.",
            ),
            method(
                "updatePackage",
                &[ID, ("options", "UpdateParams?")],
                "UpdateDone",
                RUN,
                "Installs the newest release that the range admits and that was not refused, or the tag `to`, and watches it. If it does not work, the old one and its data are put back and the release is refused (`data.reason` `rolled-back`, `data.log`). A tag that was moved is refused (`moved`), and so is a release that is not signed with the key of the installed one (`not-signed`, `other-signer` with `data.signer`, which `signer` accepts). A release that asks for more is refused, with `data.asks` or `data.limits`, until that is granted.",
            ),
            method(
                "startUpdate",
                &[ID, ("options", "UpdateParams?")],
                "{job: string}",
                RUN,
                "The same as a job.",
            ),
            method(
                "updates",
                &[("look", "boolean?")],
                "{updates: UpdateStatus[], settings: UpdateSettings}",
                RUN,
                "Lists the updates of all services from git, and of what the configuration puts in the place of core services, that the caller may update: what is new, what was decided, what was refused, history and snapshots; and what the caller decided for all. `look`: the sources are asked first; otherwise it is as of the last look.",
            ),
            method(
                "updatesChanged",
                &[("since", "number?")],
                "{revision: number}",
                "everyone who is known",
                "Returns when something about the updates of any service is not as it was at the revision `since`: a release was found, an update went into another stage or ended, a decision was made. At the latest after 25 seconds, and without `since` at once. So a page follows updates without asking again and again.",
            ),
            method(
                "updateStatus",
                &[ID, ("look", "boolean?")],
                "UpdateStatus",
                RUN,
                "The same of one service; one that is not from git has snapshots only.",
            ),
            method(
                "planUpdate",
                &[ID, ("options", "UpdateParams?")],
                "UpdatePlan",
                RUN,
                "Fetches what an update would install and tells what it is. Nothing of it runs.",
            ),
            method(
                "setUpdates",
                &[("id", "string"), ("changes", "UpdateChanges")],
                "UpdateSettings",
                RUN,
                "Decides about the updates of a service or, with an empty id, of all of the caller's that have no decision of their own.",
            ),
            method(
                "startRollback",
                &[ID, ("keepData", "boolean?")],
                "{job: string}",
                RUN,
                "Goes back to the version before the last update, with its files of that time unless `keepData`, as a job that returns `UpdateDone`. The present version is refused from then on.",
            ),
            method(
                "createSnapshot",
                &[ID],
                "SnapshotInfo",
                RUN,
                "Copies the files of a service, at most five times. It is stopped during the copy, and calls wait. Databases are not part of it.",
            ),
            method(
                "restoreSnapshot",
                &[ID, ("name", "string")],
                "null",
                RUN,
                "Puts the files of a service back as a snapshot has them. The snapshot stays.",
            ),
            method(
                "removeSnapshot",
                &[ID, ("name", "string")],
                "null",
                RUN,
                "Removes a snapshot.",
            ),
            method(
                "keptData",
                &[],
                "{kept: KeptData[]}",
                "everyone who is known",
                "Lists data that was kept of uninstalled apps, of whom the caller may see services.",
            ),
            method(
                "removeKept",
                &[("key", "string")],
                "null",
                "owner; apps with `atek.cloud/services-api/install`",
                "Removes such data for good.",
            ),
        ],
    },
    Api {
        id: backup::API,
        methods: &[
            method(
                "status",
                &[],
                "BackupStatus",
                ADMINS,
                "Tells what was decided about backups, when the last one was made and proven, and what is wrong.",
            ),
            method(
                "password",
                &[],
                "{password: string, ofWords: boolean}",
                ADMINS,
                "Tells what the backups are encrypted with, and whether it follows from the recovery words. A box without words makes it at the first call.",
            ),
            method(
                "configure",
                &[("changes", "BackupChanges")],
                "BackupStatus",
                ADMINS,
                "Sets target, schedule or retention. A new target is opened first, and begun if there is no backup on it. Errors have `data.reason`: `no-target` (the disk is not there), `has-files` (a disk with other files, and no `besideFiles`), `login` (the server does not accept the name and the password), `host-key` (the server shows the key `data.hostKey`, to which no person has agreed), `password`, `no-room`, `busy`, `damaged`, `failed`.",
            ),
            method(
                "backUp",
                &[],
                "BackupDone",
                ADMINS,
                "Makes a backup and returns when it is whole. Each app is paused while its files are copied. Errors as for `configure`.",
            ),
            method(
                "startBackUp",
                &[],
                "null",
                ADMINS,
                "Begins a backup and returns at once; `status` tells how far it is.",
            ),
            method(
                "places",
                &[],
                "BackupPlaces",
                ADMINS,
                "Lists what is mounted where disks of people are (`/mnt`, `/media`, `/run/media`, `/srv`), and disks that are plugged in and not mounted, with the reason where one cannot keep backups. Those with backups come first. To look changes no bit of a disk.",
            ),
            method(
                "list",
                &[],
                "{runs: Run[]}",
                ADMINS,
                "Lists the backups on the target, newest first.",
            ),
            method(
                "check",
                &[("read", "boolean?")],
                "{problems: string[]}",
                ADMINS,
                "Checks the target and returns what is wrong with it; with `read` all that is stored is read.",
            ),
            method(
                "apps",
                &[("run", "string?")],
                "StoredApps",
                ADMINS,
                "Lists the apps of a backup, the last one without `run`. Runs beside a backup, as `list` and `files` do.",
            ),
            method(
                "files",
                &[ID, ("path", "string"), ("run", "string?")],
                "StoredFiles",
                ADMINS,
                "Lists a folder of an app's files in a backup, the last one that has the app without `run`. An app that is not installed any more is named by its key or id there.",
            ),
            method(
                "restore",
                &[ID, ("run", "string?")],
                "RestoredFiles",
                ADMINS,
                "Puts the files and databases of an app back as a backup has them, the last one without `run`. The app is stopped for as long as that takes, and calls wait. The version of the app stays, and so do databases that it got since.",
            ),
            method(
                "restoreFile",
                &[("restore", "RestoreFile")],
                "RestoredFile",
                ADMINS,
                "Puts one file or folder of an app back in one step, or with `beside` next to the present one, with the name of the backup behind its own. The app is stopped for as long as that takes, and calls wait.",
            ),
            method(
                "restoreApp",
                &[("restore", "RestoreApp")],
                "RestoredApp",
                ADMINS,
                "Makes an app of a backup, with its version, settings and files of that time: one that is not installed any more, under its old key; or, with an `id`, a copy of one that is. Its databases that are gone come back; a copy gets new ones, which it finds by the names that it gave them. A copy has no ports of the home. `data.reason`: `id-taken`, `not-in-backup`.",
            ),
            method(
                "people",
                &[("run", "string?")],
                "StoredPeople",
                ADMINS,
                "Lists the users and databases of a backup, the last one without `run`, and which of them are gone.",
            ),
            method(
                "restoreDatabase",
                &[("restore", "RestoreDatabase")],
                "RestoredDatabase",
                ADMINS,
                "Makes a database what a backup has of it, in one step, or makes it again where it is gone; with `copy` a new one of the same owner. Its app is stopped for as long as that takes, and calls wait.",
            ),
            method(
                "restoreUser",
                &[("restore", "RestoreUser")],
                "RestoredUser",
                ADMINS,
                "Brings a user back with the password of that time, and those of their keys, databases and apps that are not here any more. What is here stays as it is.",
            ),
            method(
                "guests",
                &[],
                "{guests: BackupGuest[]}",
                ADMINS,
                "Lists other homes that may keep their backups here, and how much they keep.",
            ),
            method(
                "inviteGuest",
                &[("guest", "InviteGuest")],
                "InvitedGuest",
                ADMINS,
                "Lets another home keep up to `quota` bytes of backups here, or gives one that may another password. Its target is the address of this home with `path` behind it, by the REST protocol of restic; the password is shown once. `data.reason`: `too-many`.",
            ),
            method(
                "removeGuest",
                &[("name", "string")],
                "null",
                ADMINS,
                "Lets a home keep no more backups here and removes those that it kept. `data.reason`: `not-found`.",
            ),
        ],
    },
    Api {
        id: users::API,
        methods: &[
            method("list", &[], "{users: User[]}", ADMINS, "Lists all users."),
            method(
                "get",
                &[USER_KEY],
                "User",
                "administrators; the user; the user's apps",
                "Returns one user. `Not found: atek.cloud,user,KEY`.",
            ),
            method(
                "create",
                &[("user", "{username, displayName?, password, role?}")],
                "User",
                ADMINS,
                "Makes a user. A username has 3 to 64 letters, digits, `.`, `-` or `_`; a display name has any script. A password has `passwordMinLength` characters (8 unless configured), is not a common one and not the name.",
            ),
            method(
                "update",
                &[
                    USER_KEY,
                    ("user", "{username?, displayName?, password?, role?}"),
                ],
                "User",
                ADMINS,
                "Changes a user. Another password ends the user's sessions. The only administrator keeps the role.",
            ),
            method(
                "setPassword",
                &[USER_KEY, ("password", "PasswordChange")],
                "PasswordSet",
                "administrators; the user",
                "Changes a password. Users need the old one for their own; wrong ones slow down that session. One that an administrator sets locks the user's keys, unless `help` has the password of an administrator who holds the recovery secret of the box.",
            ),
            method(
                "openKeys",
                &[USER_KEY, ("with", "OpenKeys")],
                "null",
                "the user",
                "Opens keys that stayed locked with a new password: with the old one or the recovery words.",
            ),
            method(
                "delete",
                &[USER_KEY, ("options", "DeleteParams?")],
                "null",
                ADMINS,
                "Deletes a user. One who has apps is refused (`data.services`) unless `services` says `uninstall` or `give` (`to`: another username). The last administrator cannot be deleted, not even by the host: a box without one could be claimed by anyone who reads its code. A forgotten password is replaced by `resetPassword`.",
            ),
            method(
                "getSettings",
                &[USER_KEY],
                "UserSettings",
                "administrators; the user; the user's apps with `atek.cloud/users-api`",
                "Returns `mainServiceId`: the present id of the app at the main page.",
            ),
            method(
                "updateSettings",
                &[USER_KEY, ("settings", "UserSettings")],
                "UserSettings",
                "administrators; the user; the user's apps with `atek.cloud/users-api/main-page`",
                "Chooses the app at the main page: one of the user's own, or the box's. It follows a rename and ends with the app. An empty id chooses the built-in home.",
            ),
        ],
    },
    Api {
        id: sessions::API,
        methods: &[
            method(
                "whoami",
                &[],
                "UserSession",
                "everyone",
                "Says who is signed in; for an app, its owner's name.",
            ),
            method(
                "login",
                &[("credentials", "Credentials")],
                "UserSession",
                "everyone",
                "Signs in and sets the session's cookie; with `temporary` it ends with the browser, or after 12 hours without use. Attempts count before they are made and take turns; after too many the error has the code -32005 and `data.retryAfterSecs`.",
            ),
            method(
                "logout",
                &[],
                "null",
                "everyone who is known",
                "Ends the session, and those at apps' sites that depend on it.",
            ),
            method(
                "listSessions",
                &[],
                "{sessions: SessionInfo[]}",
                "users in person",
                "Lists the caller's sessions.",
            ),
            method(
                "revokeSession",
                &[("handle", "string")],
                "null",
                "users in person",
                "Ends one of the caller's sessions.",
            ),
            method(
                "revokeOtherSessions",
                &[],
                "null",
                "users in person",
                "Ends all of the caller's sessions but the one that asks.",
            ),
        ],
    },
    Api {
        id: setup::API,
        methods: &[
            method(
                "status",
                &[],
                "Status",
                "everyone",
                "Says whether the box waits for its owner, and then its name, time zone, the rule for passwords and what was wrong with the settings on the card.",
            ),
            method(
                "checkClaim",
                &[("code", "string")],
                "true",
                "everyone but apps",
                "Compares the claim code. Wrong ones are slowed down as wrong passwords are.",
            ),
            method(
                "complete",
                &[("setup", "SetupParams")],
                "Completed",
                "everyone but apps, with the claim code",
                "Makes the first administrator and signs them in. A wrong field is named in `data.field`.",
            ),
            method(
                "claim",
                &[],
                "Claim",
                "the host",
                "Returns the claim code and where to open the box.",
            ),
            method(
                "resetStatus",
                &[],
                "ResetStatus",
                "everyone",
                "Says whether the card asks for a new password (`atek-reset.txt`) and the screen shows the code for it; for an hour.",
            ),
            method(
                "resetPassword",
                &[("reset", "ResetPassword")],
                "UserSession",
                "everyone but apps, with that code",
                "Sets a user's password, ends the user's sessions and signs in. Data stays.",
            ),
            method(
                "recoverPassword",
                &[("recovery", "RecoverPassword")],
                "UserSession",
                "everyone but apps, with the recovery words",
                "Sets a user's password with the box's recovery words, ends the user's sessions and signs in. Data and keys stay.",
            ),
            method(
                "backupPlaces",
                &[("code", "string")],
                "BackupPlaces",
                "everyone but apps, with the claim code, until there is an administrator",
                "Lists disks on which the backups of the old box may be, as `places` of `backups-api`.",
            ),
            method(
                "restoreBox",
                &[("restore", "RestoreBox")],
                "RestoreBegun",
                "everyone but apps, with the claim code, until there is an administrator",
                "Makes a new box the one of a backup: users, apps, data, settings. Answers when the backup is open; the rest goes on (`restoreStatus`) until the host starts again. Wrong words have `data.field`, others `data.reason` as `backups-api`.",
            ),
            method(
                "restoreStatus",
                &[],
                "RestoreStatus",
                "everyone",
                "Tells how far the restore of the whole box is.",
            ),
        ],
    },
    Api {
        id: system::API,
        methods: &[
            method(
                "info",
                &[],
                "SystemInfo",
                "users; apps with `atek.cloud/system-api`",
                "Returns what the box is and where it is reached.",
            ),
            method(
                "resources",
                &[],
                "Resources",
                ADMINS,
                "Returns what is left of disk and memory, load and temperature.",
            ),
            method(
                "history",
                &[("options", "MetricsOptions?")],
                "Series",
                ADMINS,
                "Returns memory and CPU time of the last hour.",
            ),
            method(
                "security",
                &[],
                "Security",
                ADMINS,
                "Scores how units are confined.",
            ),
            method(
                "setName",
                &[("name", "string")],
                "null",
                ADMINS,
                "Changes the box's host name.",
            ),
            method(
                "setNames",
                &[("names", "string[]")],
                "null",
                ADMINS,
                "Replaces the names at which the box answers beside its own, such as `nas.example.org`; at most 8. Apps are at `ID.NAME`.",
            ),
            method(
                "setTimezone",
                &[("timezone", "string")],
                "null",
                ADMINS,
                "Changes its time zone.",
            ),
            method("reboot", &[], "null", ADMINS, "Restarts the machine."),
            method("powerOff", &[], "null", ADMINS, "Turns the machine off."),
            method(
                "factoryReset",
                &[("options", "FactoryReset?")],
                "null",
                "administrators in person with their password; the host itself",
                "Restarts the machine as a new box: users, apps, databases, keys, settings, backups' settings and networks' passwords (not with `keepNetwork`) are gone, backups elsewhere stay. Carried on at each start until it is done.",
            ),
            method(
                "moveTargets",
                &[],
                "MoveTargets",
                ADMINS,
                "Tells where the data of the box are, and the disks to which they could move.",
            ),
            method(
                "moveData",
                &[("options", "MoveData")],
                "null",
                "administrators in person with their password; the host itself",
                "Restarts the machine, which moves its data: to a `disk` (everything on it is lost at once), back to the `card`, or `nowhere`: then the data from before a move go from the card. Until the copy was compared the box is the one before; carried on at each start until it is done or given up.",
            ),
            method(
                "mail",
                &[],
                "MailStatus",
                ADMINS,
                "Tells by which server the box writes to its administrators, and how that goes. Never the password.",
            ),
            method(
                "setMail",
                &[("changes", "MailChanges")],
                "MailStatus",
                ADMINS,
                "Sets that server, or without `settings` none. From then on one mail is sent for each event: a backup is missed or fails, a disk or card fails. What cannot be sent is tried again. The password is kept for the same user at the same server only. `data.reason`: `mail-settings`, or `mail-password` where one is needed.",
            ),
            method(
                "testMail",
                &[("changes", "MailChanges?")],
                "null",
                ADMINS,
                "Sends a mail that says that mail works, as the changes or the settings say; nothing is stored. `data.reason` of a refusal: as of `setMail`, `mail-not-set`, `mail-unreachable`, `mail-encryption`, `mail-certificate`, `mail-login`, or `mail-refused` by the server.",
            ),
            method(
                "authorities",
                &[],
                "Authority[]",
                ADMINS,
                "Lists the certificate authorities that were added.",
            ),
            method(
                "addAuthority",
                &[("pem", "string")],
                "Authority[]",
                ADMINS,
                "Adds the certificates of authorities (PEM): packages are fetched from servers with certificates of theirs. At most 16.",
            ),
            method(
                "removeAuthority",
                &[("fingerprint", "string")],
                "null",
                ADMINS,
                "Removes one.",
            ),
            method(
                "permissionRules",
                &[],
                "PermissionRules",
                ADMINS,
                "Returns what users may decide: `usersMayInstall`, `usersMayGrant: {hosts, direct, lan, hostApis, limits}`.",
            ),
            method(
                "setPermissionRules",
                &[("rules", "PermissionRules")],
                "PermissionRules",
                ADMINS,
                "Replaces that; what is missing is the default. Grants that were given stay.",
            ),
        ],
    },
    Api {
        id: catalogue::API,
        methods: &[
            method(
                "list",
                &[],
                "{catalogues: CatalogueInfo[]}",
                "everyone who is known",
                "Lists the catalogues, in the order of their rank.",
            ),
            method(
                "search",
                &[("params", "SearchParams?")],
                "{recipes: RecipeInfo[]}",
                "everyone who is known",
                "Finds recipes that have all the words, best first, in the copies that the box has. Install one with its `sourceUrl`.",
            ),
            method(
                "add",
                &[("params", "AddParams")],
                "CatalogueInfo",
                ADMINS,
                "Fetches a catalogue, checks its signature and every file, and keeps it up to date from then on. Nothing is added if a check fails.",
            ),
            method(
                "refresh",
                &[("name", "string")],
                "CatalogueInfo",
                ADMINS,
                "Fetches a catalogue again. If that fails, the copy that the box has stays in use, and the error says why.",
            ),
            method(
                "remove",
                &[("name", "string")],
                "null",
                ADMINS,
                "Removes a catalogue that was added. Apps that were installed from it stay.",
            ),
        ],
    },
    Api {
        id: grants::API,
        methods: &[
            method(
                "list",
                &[],
                "{grants: GrantInfo[]}",
                "owner; the app itself",
                "Lists what apps were granted or denied: who may what, since when, by whose word, until when; and to people, how often it was used.",
            ),
            method(
                "grant",
                &[("params", "GrantParams")],
                "{id: string}",
                "owner, within `usersMayGrant`",
                "Allows or denies one permission, also one that the app does not ask for. In force at once; the app is restarted only where the kind of its network changes. `seconds`: a time limit. A denied host is blocked, whatever else was granted. A new decision about a permission replaces the old one.",
            ),
            method(
                "revoke",
                &[ID],
                "null",
                "owner",
                "Takes back what has this id in `list`; lifts a denial (within `usersMayGrant`). Connections that are no longer allowed end within a second.",
            ),
            method(
                "request",
                &[("params", "RequestParams")],
                "RequestResult",
                "apps",
                "Asks the owner for a permission. `wait`: waits up to 60 s for the answer. An app has three requests that wait, makes ten an hour, and does not ask for a week for what was denied; then the error is -32005 or the state `denied`. `provider:API`, `database:read`, `folder:read` and `device:any` leave open what is meant: the person picks, and what was picked is granted.",
            ),
            method(
                "pending",
                &[],
                "{requests: PendingRequest[]}",
                "owner",
                "Lists requests that wait for an answer; with `unasked`, what was stored as granted and never asked for.",
            ),
            method(
                "answer",
                &[ID, ("answer", "AnswerParams")],
                "{id: string}",
                "owner, within `usersMayGrant`",
                "Answers a request: `once` (five minutes), `hour`, `always` or `deny`. `pick`: one of its choices.",
            ),
            method(
                "audit",
                &[("params", "AuditParams?")],
                "AuditPage",
                "users in person: what is theirs; administrators: everything",
                "Lists who called which API and method, which hosts apps reached through the host's proxy and how many bytes, what was refused, and which permissions and shares were given and taken; the newest first. An app with the internet of its own reaches hosts that the box does not see. Counts are by the hour and at most an hour of them is lost with the power; decisions are on the disk when they are answered.",
            ),
            method(
                "shares",
                &[],
                "{shares: ShareInfo[]}",
                "users in person",
                "Lists what the caller shares and what is shared with them.",
            ),
            method(
                "share",
                &[("params", "ShareParams")],
                "{id: string}",
                "owner",
                "Shares an app or a database with a user or a group: `view` (open without changing), `use`, `manage`. Another level replaces the first.",
            ),
            method(
                "unshare",
                &[ID],
                "null",
                "owner; the user it is shared with",
                "Ends a share. Open connections end within a second.",
            ),
            method(
                "people",
                &[],
                "{users: {username, displayName}[], groups: string[]}",
                "users in person",
                "Lists with whom something can be shared.",
            ),
            method(
                "groups",
                &[],
                "{groups: GroupInfo[]}",
                "users in person",
                "Lists the groups and their members.",
            ),
            method(
                "putGroup",
                &[("group", "GroupParams")],
                "{key: string}",
                ADMINS,
                "Makes a group, or replaces the one with this key.",
            ),
            method(
                "removeGroup",
                &[("key", "string")],
                "null",
                ADMINS,
                "Removes a group, and what was shared with it.",
            ),
        ],
    },
    Api {
        id: inspect::API,
        methods: &[
            method(
                "isReady",
                &[],
                "true",
                ADMINS,
                "Answers once the host's APIs are there.",
            ),
            method(
                "getConfig",
                &[],
                "object",
                ADMINS,
                "Returns `config.json` with the values in force, without tokens.",
            ),
        ],
    },
];

/// A method of an API; none if the API has no such method.
pub(super) fn find(api: &str, name: &str) -> Option<&'static Method> {
    let api = APIS.iter().find(|known| known.id == api)?;
    api.methods.iter().find(|method| method.name == name)
}

/// A call's parameters, by the names that the table gives them.
pub(super) fn params(api: &str, call: &Call<'_>) -> Result<Params, RpcError> {
    let method = find(api, call.method)
        .ok_or_else(|| RpcError::new(code::METHOD_NOT_FOUND, "API not found"))?;
    let names: Vec<&str> = method.params.iter().map(|(name, _)| *name).collect();
    Params::read(call.params, &names)
}

#[cfg(test)]
mod tests;
