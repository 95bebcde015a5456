/**
 * What the host's APIs take and answer, made from the Rust crate `atek-api`. A test of that crate
 * compares the two; to make this file again:
 * ATEK_WRITE_BROWSER_TYPES=1 cargo test -p atek-api the_types_of_the_browser
 *
 * A field with `?` may be missing, and is never null.
 */

/** Where a person opens a service. */
export type Addresses = {
/** What stands before the box's domain, e.g. `rss` of `rss.atek.local`. */
subdomain: string,
/** The port that answers as the service's own site, on every address and name of the box. */
port: number | null,
/** The names that the box answers for on the local network, without a name server. */
mdns: Array<string>,
/** What is wrong with these addresses, in words for a person. */
problem: string | null, };

/** How a person answers a request. */
export type Answer = "once" | "hour" | "always" | "deny";

/** Options of `answer`. */
export type AnswerParams = {
/** See `Answer`. */
answer: Answer,
/** What was picked: the permission of one of the `PendingRequest::choices`. */
pick?: Permission, };

/**
 * The id of an API: a domain name of its author, `/` and a name, such as
 * `example.org/feeds` or `example.org/feeds/v2`.
 *
 * The domain is lower case, so that two ids that look alike are the same.
 */
export type ApiId = string;

/**
 * The TCP port on which a program listens: `"auto"`, or a number from 1 to 65535.
 *
 * The program listens on the loopback of its own network namespace, where no port needs a
 * privilege; the host reaches it there.
 */
export type AppPort = number | "auto";

/** Who did it. */
export type AuditCaller = "app" | "user" | "system";

/** What was done. */
export type AuditKind = "call" | "connection" | "host" | "page" | "permission" | "share" | "password";

/** What came of it. */
export type AuditOutcome = "done" | "failed" | "refused" | "given" | "denied" | "taken" | "ended";

/** Result of `audit`. */
export type AuditPage = {
/** The newest first, at most `MOST_ROWS`. */
rows: Array<AuditRow>,
/** Whether there are more. */
more: boolean, };

/** Parameters of `audit`. */
export type AuditParams = {
/** Only what this app did, and what was done with it. */
app: string | null,
/** RFC 3339: only what happened since; none: the last day. Counts are kept by the hour. */
since: string | null,
/** Only what was refused. */
refused: boolean,
/** Only rows with this text in a name of who, what or whose. */
search: string | null, };

/** One kind of act by one caller, with one outcome, and how often. */
export type AuditRow = {
/** RFC 3339: the first time in the period. */
first: string,
/** RFC 3339: the last time. */
last: string,
/** See `AuditKind`. */
kind: AuditKind,
/** See `AuditCaller`. */
caller: AuditCaller,
/** The app's title or the user's name; the key of one that is gone. */
who: string,
/** The user name of whose it is. */
owner: string,
/** The present id of the app that acted or, for a person, of the one it is about. */
app: ServiceId | null,
/** The API, the host with its port, or the permission; `*`: many. */
what: string,
/** The method of a call; `*`: many. */
method: string | null,
/** The title of the app that answered, was opened, or was decided about. */
about: string | null,
/** The permission as a sentence that completes "this app may". */
words: string | null,
/** See `AuditOutcome`. */
outcome: AuditOutcome,
/** How often. */
count: number,
/** Bytes to a host. */
sent: number,
/** Bytes from a host. */
received: number, };

/** A release that could be installed. */
export type AvailableUpdate = {
/** The tag. */
version: string,
/** RFC 3339: when the tag was first seen. */
firstSeen: string,
/** The major version is another one. */
major: boolean,
/** RFC 3339: when it will be installed by itself; none: after a yes only. */
automaticAt?: string,
/** It asks for permissions that were not granted. */
asksForMore?: boolean,
/**
 * The message of the tag, as its author wrote it: text, not markup; empty where there is none.
 * Nothing: it was not fetched yet, which `planUpdate` does.
 */
notes?: string, };

/** Parameters of `configure`. What is missing stays as it is. */
export type BackupChanges = {
/** Where backups are kept from now on. Those elsewhere stay there. */
target?: BackupTarget,
/**
 * A person agreed that backups are put beside the other files of a disk. Without it, only a
 * disk that is empty or has backups becomes a target.
 */
besideFiles?: boolean,
/**
 * What the new target, a server, asks for: the user's password there, or of an SFTP server a
 * private key of SSH. Without it, what is known stays.
 */
serverPassword?: Secret,
/** How often. */
schedule?: Schedule,
/** How many are kept. */
retention?: Retention, };

/** What a run stored. */
export type BackupDone = {
/** The run. */
run: RunId,
/** Files. */
files: number,
/** Bytes of those files. */
bytes: number,
/** Bytes that the target grew by. */
added: number,
/** Files that were read back and compared. */
proven: number,
/** Runs that were removed. */
removed: Array<RunId>,
/** What apps could not do before they were copied, for a person. */
problems: Array<string>, };

/** A place where backups may be: what is mounted where disks of people are. */
export type BackupPlace = {
/** The folder. */
path: string,
/** Whether there are backups of a box. */
hasBackup: boolean,
/** Bytes that are free. */
free: number,
/** Whether it can only be read. */
readOnly: boolean, };

/** What `places` tells. */
export type BackupPlaces = {
/** Those with backups first. */
places: Array<BackupPlace>,
/**
 * Disks that are plugged in and not mounted; those with backups first, then those that can
 * keep some.
 */
disks: Array<PluggedDisk>, };

/** How far a piece of work is. */
export type BackupProgress = {
/** Parts that are done. */
step: number,
/** All parts. */
steps: number,
/** Bytes of this part that are done. */
done: number,
/** Bytes of this part, where that is known. */
total?: number, };

/** A run as it is on the target. */
export type BackupRun = {
/** When it began. */
run: RunId,
/** Its parts. */
parts: Array<Part>,
/** Bytes that all its parts have. */
bytes: number,
/** Whether its last step was done. */
whole: boolean, };

/** What a person decided about backups. */
export type BackupSettings = {
/** None: there are no backups. */
target?: BackupTarget,
/** How often. */
schedule: Schedule,
/** How many are kept. */
retention: Retention, };

/** How backups are doing. Times are RFC 3339. */
export type BackupStatus = {
/** See `BackupSettings`. */
settings: BackupSettings,
/** What is being done: `backup`, `restore` or `check`. */
running?: string,
/** How far that is. */
progress?: BackupProgress,
/** When the last whole run began. */
lastGood?: string,
/**
 * When files were last restored from the target and compared with what was stored, all the
 * same.
 */
lastProven?: string,
/** How many files that were. */
provenFiles: number,
/** When everything on the target was last read and found whole. */
lastChecked?: string,
/** Why the last run failed; none after a whole one. */
problem?: string,
/** Whether backups are missing: two intervals have passed without one. */
missed: boolean,
/** When the next one begins by itself. */
next?: string,
/** The longest time that an app was paused in the last run, in milliseconds. */
longestPauseMs: number, };

/** Where backups are kept. */
export type BackupTarget = { "kind": "folder",
/** Absolute. */
path: string, } | { "kind": "disk",
/** The id of its file system. */
id: DiskId,
/** What people know it by; the box fills it in. */
name?: string, } | { "kind": "server",
/** Where it is. */
url: ServerUrl,
/** The key by which an SFTP server is known again; a person saw it and agreed. */
hostKey?: HostKey, };

/** The field `beforeBackup`. */
export type BeforeBackup = {
/**
 * The program and its arguments, taken literally; at least one. A program with a slash is a
 * file of the package, one without is looked for in `PATH`.
 */
command: Array<string>,
/** How long it may take; then it is killed. */
seconds: number, };

/** A catalogue, as the API shows it. */
export type CatalogueInfo = {
/** Its name on this box. */
name: CatalogueName,
/** Its own name for itself. */
title: string,
/** The git repository; none of the one that came with Atek. */
url?: string,
/** The public key that its index is signed with. */
key?: string,
/** The serial of the copy in use. */
serial: number,
/** Number of recipes. */
recipes: number,
/** When the source was last reached, RFC 3339. */
checkedAt?: string,
/** Why the last refresh failed; the copy before it is in use. */
problem?: string, };

/** The name of a catalogue or of a recipe: a DNS label, as a service id. */
export type CatalogueName = string;

/** What a program is for. */
export type Category = "automation" | "communication" | "development" | "files" | "monitoring" | "notes" | "tools";

/** Something to pick for a permission that leaves it open. */
export type Choice = {
/** What is granted when it is picked. */
permission: Permission,
/** What people call it. */
title: string,
/** Whose it is: a user name, `system` for everybody's. */
owner: string, };

/** What `complete` tells; the session's cookie comes with it. */
export type Completed = {
/** Always: the person is signed in. */
isActive: boolean,
/** The administrator's name. */
username: string,
/** What could not be set (name, time zone), for a person. Everything else is done. */
problems?: Array<string>, };

/** Parameters of `configure`: what is missing stays as it is. */
export type ConfigureParams = {
/** A new id. */
id?: string,
/** A new source, for the next update. */
sourceUrl?: string,
/** A new range; the empty text unpins. */
desiredVersion?: string,
/** Merged into the environment; `null` removes a key. */
config?: Record<string, string | null>,
/** New limits, merged; `null`, as 0, is the default again. */
limits?: { [name in keyof Limits]: number | null },
/** New grants, replacing the old ones. */
grant?: Permissions,
/**
 * The access token of a private repository, in place of the one that is kept; the empty text
 * forgets it. Another source forgets it, too.
 */
sourceToken?: Secret, };

/** The parameter of `login`. */
export type Credentials = {
/** The user's name. */
username: string,
/** The user's password. */
password: Secret,
/**
 * The session ends with the browser, or after twelve hours without use: for a computer of
 * other people.
 */
temporary?: boolean, };

/** What a permission can do when the app that has it is hostile. */
export type Danger = "low" | "medium" | "high";

/** The id of a database: 64 lower-case hexadecimal digits. */
export type DbId = string;

/** Options of `delete`. */
export type DeleteParams = {
/** See `Leaving`. A refusal names the apps in its data: `services`. */
services: Leaving,
/** With `give`: the name of the user who gets them. */
to?: string, };

/**
 * The path of a device that may be given to an app: `/dev/ttyUSB0`, `/dev/video0`,
 * `/dev/gpiochip0`, `/dev/serial/by-id/NAME`.
 */
export type DevicePath = string;

/** A disk. */
export type Disk = {
/** A folder on it. */
path: string,
/** Bytes. */
totalBytes: number,
/** Bytes that services can still use. */
freeBytes: number, };

/** What is on a disk. */
export type DiskContents = {
/** Whether there are backups of a box. */
hasBackup: boolean,
/** Files and folders beside them, in its first folder; at most `DiskContents::MOST`. */
others: number,
/** Bytes that are free. */
free: number, };

/**
 * The id that a file system was given when it was made: a UUID, or the shorter number of FAT and
 * NTFS. It stays the same in each socket and on each box.
 */
export type DiskId = string;

/** Why a disk is not used. Nothing is ever written to one. */
export type DiskRefusal = "unknown" | "encrypted" | "partOfMany" | "readOnlyKind" | "otherKind" | "swap" | "inUse" | "noId" | "twin";

/** One API that a service provides. */
export type Export = { api: ApiId, path?: string, transport?: Transport, metadata?: Record<string, string>, };

/** The parameter of `factoryReset`. */
export type FactoryReset = {
/** The password of the administrator who asks; the host itself has none. */
password?: Secret,
/**
 * Whether the password of the wireless network stays, without which a box that has no cable
 * cannot be reached.
 */
keepNetwork?: boolean, };

/**
 * The name of a folder of an app's data: `photos`. It stands at the top of the data, and its
 * app's manifest lists it.
 */
export type FolderName = string;

/** A permission of an app, as `list` shows it. */
export type GrantInfo = {
/** Names it to `revoke`. */
id: string,
/** The app's present id. */
service: ServiceId,
/** What people call the app. */
title: string,
/** The owner's user name; `system` for everybody's. */
owner: string,
/** What it may, or may not. */
permission: Permission,
/** The same as a sentence that completes "this app may". */
words: string,
/** See `Danger`. */
danger: Danger,
/** See `Verdict`. */
verdict: Verdict,
/** See `Origin`. */
origin: Origin,
/** Why the app asks for it, in its own words. */
reason: string | null,
/** The user name of who decided; none where that was not written down. */
by: string | null,
/** RFC 3339; none where that was not written down. */
since: string | null,
/** RFC 3339; none: until it is taken back. */
until: string | null,
/** The name of what was picked: a provider's or a database's. */
picked: string | null,
/** How often it was used; none where that is not counted, and for apps that ask. */
used?: Used, };

/** Who granted a permission of the manifest, and when. */
export type GrantNote = {
/** Who. */
by: UserKey,
/** RFC 3339. */
at: string, };

/** Parameters of `grant`. */
export type GrantParams = {
/** The app's id. */
service: string,
/** What. */
permission: Permission,
/** Allowed or denied; none: allowed. */
verdict?: Verdict,
/** For so many seconds, up to ten years; none: until it is taken back. */
seconds?: number, };

/** The kinds of permissions that ordinary users may grant. */
export type Grantable = {
/** To reach hosts that are named, through the host. */
hosts: boolean,
/** To reach the internet without the host. */
direct: boolean,
/**
 * To reach devices of the local network, also when they are named as hosts, and to be reached
 * by them.
 */
lan: boolean,
/** To call the host's own APIs. */
hostApis: boolean,
/** To use more memory, tasks or CPU than the default. */
limits: boolean, };

/** A group, as `groups` shows it. */
export type GroupInfo = {
/** Names it to the other methods. */
key: string,
/** What people call it. */
name: string,
/** User names. */
members: Array<string>, };

/** Parameters of `putGroup`. */
export type GroupParams = {
/** The key of the group that is changed; none: a new one. */
key?: string,
/** Its name. */
name: string,
/** User names of all members. */
members: Array<string>, };

/** The field `healthcheck`: a path, or an object with a command. */
export type Healthcheck = string | {
/**
 * The program and its arguments, taken literally; at least one. A program with a slash is
 * a file of the package, one without is looked for in `PATH`.
 */
command: Array<string>, };

/** The fingerprint of an SSH server's key, as `ssh-keygen -l` prints it. */
export type HostKey = string;

/**
 * `example.org`, `*.example.org` (any subdomain, not the domain itself),
 * `192.168.1.20`, `[2001:db8::1]`; each with `:PORT`, or for ports 80 and 443.
 */
export type HostPattern = string;

/** A release that `inspect` showed to a person. A tag alone is no promise: it can be moved. */
export type Inspected = {
/** The tag. */
version: string,
/** The commit, as `FetchedPackage::commit`. */
commit: string, };

/** Result of `inspect`: a package that is not installed. */
export type Inspection = {
/** The id that it would get. */
id: ServiceId,
/** The tag that would be installed; none for a folder. */
version: string | null,
/** Its commit; none for a folder. */
commit: string | null,
/** Who signed it, where it has a signature that is right. */
signer?: Signer,
/** Its manifest, if it has one. */
manifest: Manifest | null,
/** What it asks for beyond the default. */
asks: Permissions,
/** The same in sentences; each completes "this app may". */
asksInWords: Array<string>,
/**
 * The limits that it asks for and that are above the default: they hold only if an install
 * passes them as `InstallParams::limits`.
 */
limits: Limits,
/** The same in sentences; each completes "this app may". */
limitsInWords: Array<string>,
/** The commands that run in its build after consent, such as `npm ci`. */
build: Array<string>,
/** What is unusual about it. */
warnings: Array<Warning>,
/**
 * Data that an uninstalled app of the same source left to the person who asks, newest
 * first; `InstallParams::adopt_data` takes one over.
 */
retainedData: Array<KeptData>, };

/** Parameters of `install`. */
export type InstallParams = {
/** A URL of `crate::source::Source`. */
sourceUrl: string,
/** The id; derived from the source when missing. */
id?: string,
/** A semver range; none means the newest release. */
desiredVersion?: string,
/**
 * The owner's user name, when an administrator installs for another user; `system` for all
 * users.
 */
user?: string,
/** Environment of the process. */
config?: Record<string, string>,
/** What to grant; none grants nothing beyond the default. */
grant?: Permissions,
/**
 * The limits, such as `Inspection::limits`; none leaves the default, whatever the manifest
 * asks for.
 */
limits?: Limits,
/**
 * Retained data of an app that was uninstalled, by its key: the new one takes it over, and
 * with it the key. The owner of both must be the same.
 */
adoptData?: ServiceKey,
/**
 * Start without the data that an earlier install of this source left.
 *
 * When there is such data (`Inspection::retained_data`), an install must say
 * `InstallParams::adopt_data` or this; otherwise it is refused with the code
 * `retained-data`, so that data is never left behind without a question.
 */
fresh?: boolean,
/** What `inspect` showed: exactly this is installed, or nothing. */
inspected?: Inspected,
/** The access token of a private repository. It is kept for updates, and never shown again. */
sourceToken?: SourceToken, };

/** A line of `GET /_atek/jobs/JOB`. */
export type JobEvent = { "event": "progress",
/** `resolve`, `fetch`, `checkout`, `install`, `build`, `start`. */
phase: string,
/** For a person. */
message: string,
/** 0 to 100, where it is known. */
percent?: number, } | { "event": "done",
/** What the blocking method returns. */
result: unknown, } | { "event": "failed",
/** What the blocking method answers. */
error: RpcError, };

/** What is kept of an uninstalled app, as `keptData` lists it. */
export type KeptData = {
/** Names it to `removeKept` and `install`. */
key: ServiceKey,
/** The id that the app had. */
id: ServiceId,
/** What it was called. */
title: string | null,
/** Whose data it is: a user name. */
owner: string | null,
/** Where the package came from. */
sourceUrl: string,
/** The tag that was installed last. */
version: string | null,
/** RFC 3339: when the app was uninstalled. */
keptAt: string, };

/** The help of an administrator whose password opens the recovery secret of the box. */
export type KeyHelp = {
/** Which administrator; only the command line of the box names one, others help in person. */
by?: UserKey,
/** The administrator's own password. */
password: Secret, };

/** What became of a user's keys with a new password. */
export type KeysAfter = "none" | "opened" | "locked";

/** A port of the box that devices at home reach and that leads to one app: `tcp/1883`, `udp/53`. */
export type LanPort = string;

/** What becomes of a user's apps when the user is deleted. */
export type Leaving = "refuse" | "uninstall" | "give";

/** How far another user may go with what is shared; each level includes those before it. */
export type Level = "view" | "use" | "manage";

/**
 * Bounds of a service; what is missing is the default.
 *
 * Only a hard memory limit: without swap, systemd's soft one makes a service
 * that reaches it crawl for ever instead of failing with a reason.
 */
export type Limits = {
/** Memory of all its processes, in bytes. Beyond it the service is killed (`oom-kill`). */
memoryMax?: number,
/** Processes and threads together. */
tasksMax?: number,
/** Percent of one CPU; 200 is two of them. Missing in the defaults: no quota. */
cpuQuota?: number,
/** Share of the CPU when it is contended, 1 to 10000. */
cpuWeight?: number, };

/** One line of a service's log. */
export type LogEntry = {
/** RFC 3339 with microseconds. */
time: string,
/** A name of `LogOptions::level`. */
level: string,
/** Control characters removed. */
message: string,
/** The journal's cursor. */
cursor: string, };

/** Options of `logs` and of `GET /_atek/logs`. */
export type LogOptions = {
/** RFC 3339, or a number of seconds back from now with `-`, e.g. `-3600`. */
since?: string,
/**
 * The least important level to show: `emerg`, `alert`, `crit`, `err`, `warning`, `notice`,
 * `info`, `debug`.
 */
level?: string,
/** How many of the newest lines at most; 1 to 10,000. */
lines?: number,
/** Continue after this place. */
cursor?: string, };

/** Parameters of `setMail`. */
export type MailChanges = {
/** None: the box sends no mail any more. */
settings?: MailSettings,
/** The password of the user. Without it, the one of the same user at the same server stays. */
password?: Secret, };

/** How a connection to the server is encrypted. */
export type MailSecurity = "tls" | "starttls" | "none";

/** By which server mail is sent, and to whom. */
export type MailSettings = {
/** Its name or address. */
server: string,
/** None: the usual one. */
port?: number,
/** See `MailSecurity`. */
security: MailSecurity,
/** Who signs in there; none where it knows no users. */
user?: string,
/** The address of the sender. */
from: string,
/** The addresses of those who are told. */
to: Array<string>, };

/** How mail is doing. Times are RFC 3339. */
export type MailStatus = {
/** None: the box sends no mail. */
settings?: MailSettings,
/** Whether a password is known. */
hasPassword: boolean,
/** Notices that are not sent yet. */
waiting: number,
/** Why the last one was not; none after one that was. */
problem?: string,
/** When the last mail was taken by the server. */
lastSent?: string, };

/**
 * A package's manifest.
 *
 * Serializes to what `Manifest::parse` reads. Default: an app without a file.
 */
export type Manifest = {
/** For people; `title` in the file is the same. At most 80 characters. */
name?: string,
/** At most 1,000 characters. */
description?: string,
/** At most 200 characters. */
author?: string,
/** At most 200 characters. */
license?: string,
/** Whether the app is shown in a frame of the main service; as given in the file. */
frame?: boolean,
/** A picture in the package: png, jpeg, webp or svg of at most 256 KiB, not a link. */
icon?: RelativePath,
/** The APIs that the app provides. No two with the same API, transport and metadata. */
exports?: Array<Export>,
/** Folders of its data that a person may give to other apps. None twice. */
folders?: Array<FolderName>,
/** The TCP port on which the app listens; none: it listens on its socket file. */
port?: AppPort,
/** The folder in which the app is started. */
workdir?: Workdir,
/** What tells that the app is ready and stays well; none: the app is ready when it listens. */
healthcheck?: Healthcheck,
/** What the app does before its state is copied for a backup. */
beforeBackup?: BeforeBackup,
/** What the app asks for beyond the default. */
permissions?: Permissions,
/** The limits that the app needs, where they differ from the default. */
limits?: Limits,
/** The host may stop the app while it is unused, and starts it at the next call. */
sleep?: boolean, };

/** Memory of the box. */
export type Memory = {
/** Bytes. */
totalBytes: number,
/** Bytes that can be had without swapping. */
availableBytes: number, };

/** Which samples are wanted. */
export type MetricsOptions = {
/** Only samples after this time; none: all of the last hour. */
since?: number, };

/** The parameter of `moveData`. */
export type MoveData = {
/** What is wanted. */
to: MoveTo,
/** With `disk`: the `id` of a `MoveDisk`. Everything that is on the disk is lost. */
disk?: string,
/** The password of the administrator who asks; the host itself has none. */
password?: Secret, };

/** A disk to which the data could move. */
export type MoveDisk = {
/** Its device now: `sda`. */
device: string,
/** What a person knows it by. Anyone may have written it. */
name: string,
/** Bytes. */
size: number,
/** What is known to be on it: `vfat "HOLIDAY"`. Nothing known does not mean nothing. */
holds: Array<string>,
/** By what it is chosen: it changes with what is on the disk. */
id: string,
/** Why it cannot be chosen, for a person. */
refused?: string, };

/** How a request ended. */
export type MoveOutcome = {
/** Whether it was carried out. */
done: boolean,
/** For a person. */
text: string, };

/** Where the data are and could be, as `moveTargets` tells. */
export type MoveTargets = {
/** The disk to which the data were moved; none: they are on the card. */
disk?: string,
/** Whether the data from before a move are still on the card. */
oldData: boolean,
/** Bytes that the data take. */
used: number,
/** What is plugged in. */
disks: Array<MoveDisk>,
/** How the last move ended. */
last?: MoveOutcome, };

/** Where data are to go. */
export type MoveTo = "disk" | "card" | "nowhere";

/** What an app may reach on the network. */
export type Network = "direct" | { "direct": { lan: boolean, } } | { "hosts": Array<HostPattern> };

/** The second parameter of `openKeys`: one of `old` and `words`. */
export type OpenKeys = {
/** The user's password, which opens the keys from then on. */
password: Secret,
/** The password that opens them so far. */
old?: Secret,
/** The recovery words of the box. */
words?: Secret, };

/** Where a permission comes from. */
export type Origin = "manifest" | "decision";

/** The installed package of a service. */
export type PackageInfo = {
/** Where it came from. */
sourceType: SourceType,
/** The git tag that is installed, literally. */
installedVersion?: string,
/** The manifest's name. */
title?: string,
/** Who signed the installed release. Updates must be signed with the same key. */
signer?: Signer,
/** What was unusual about the package when it was installed. */
warnings?: Array<Warning>, };

/** A part of a run: what is copied at one moment. */
export type Part = string;

/** The second parameter of `setPassword`. */
export type PasswordChange = {
/** The present one: a user's own change needs it. */
old?: Secret,
/** The new one. */
new: Secret,
/** Opens the user's keys for the new password. */
help?: KeyHelp, };

/** The result of `setPassword`. */
export type PasswordSet = {
/** See `KeysAfter`. */
keys: KeysAfter, };

/** A request that waits, as `pending` shows it. */
export type PendingRequest = {
/** Names it to `answer`. */
id: string,
/** The app's present id. */
service: ServiceId,
/** What people call the app. */
title: string,
/** What it asks for. */
permission: Permission,
/** The same as a sentence that completes "this app may". */
words: string,
/** See `Danger`. */
danger: Danger,
/** Why, in the app's words. */
reason: string,
/** RFC 3339. */
at: string,
/** What the person can pick, where the permission leaves that open. */
choices: Array<Choice>,
/** Whether the person who asks may grant it, or needs an administrator. */
mayGrant: boolean,
/** The app does not ask: it was stored as granted, and never asked for. */
unasked?: boolean, };

/**
 * One thing that an app may do.
 *
 * Its text is its id: `host:api.example.org`, `direct`, `lan`, `api:atek.cloud/users-api`,
 * `provider:example.org/notes=KEY`, `database:ID:read`, `folder:KEY/NAME:read`,
 * `device:/dev/ttyUSB0`, `listen:tcp/1883`, `mdns`, `provides:atek.cloud/notes-api`, `root`.
 */
export type Permission = string;

/** What users who are no administrators may decide for their own apps. */
export type PermissionRules = {
/** Whether they may install apps. */
usersMayInstall: boolean,
/** Which permissions they may grant to their apps. */
usersMayGrant: Grantable, };

/** A set of permissions: what a manifest asks for, or what an installer granted. */
export type Permissions = {
/** What the app may reach on the network; none: nothing. */
network?: Network,
/** The host APIs whose changing methods the app may call, with its owner's rights. */
hostApis?: Array<ApiId>,
/** Devices of the box that the app may read and write. */
devices?: Array<DevicePath>,
/** Ports of the home's network that lead to the app. */
listen?: Array<LanPort>,
/** Whether the app hears and speaks multicast DNS in the home, at its ports there. */
mdns?: boolean,
/**
 * APIs of Atek's own name that the app may answer, as no part of Atek does. No manifest asks
 * for them: an administrator chooses the provider.
 */
provides?: Array<ApiId>,
/**
 * Whether the program of a container image is shown that it is root, and told that it may
 * change owners and users. It may not: nothing but the answers is different.
 */
root?: boolean, };

/** A disk that is plugged in, or a part of one. The disk that the system runs from is not listed. */
export type PluggedDisk = {
/** Its device now: `sda1`. */
device: string,
/** What a person knows it by: its label, or who made it. Anyone may have written it. */
name: string,
/** Bytes. */
size: number,
/** What is on it, as the system calls that: `ext4`, `crypto_LUKS`. */
holds?: string,
/** By what it is chosen; none where it cannot be used. */
id?: DiskId,
/** Why it cannot be used. */
refused?: DiskRefusal,
/** What was found on it, where it was looked at. */
found?: DiskContents,
/** Why it could not be looked at, for a person. */
problem?: string, };

/** A file of the owner's settings that is wrong. */
export type Problem = {
/** Its name. */
file: string,
/** What is wrong with it, for a person. */
problem: string, };

/** A recipe, as the API shows it. */
export type RecipeInfo = {
/** What to install: `catalogue:CATALOGUE/RECIPE`. */
sourceUrl: string,
/** Its catalogue. */
catalogue: CatalogueName,
/** Its name. */
name: CatalogueName,
/** See `Recipe::title`. */
title: string,
/** See `Recipe::summary`. */
summary: { [key in string]: string },
/** See `Recipe::categories`. */
categories: Array<Category>,
/** See `Recipe::version`. */
version: string,
/** See `Recipe::homepage`. */
homepage?: string,
/** See `Recipe::license`. */
license?: string,
/** What the app asks for. */
permissions: Permissions,
/** A path of the host. */
icon?: string,
/** Paths of the host. */
screenshots?: Array<string>,
/** See `Recipe::tested`. */
tested?: Tested, };

/** The parameter of `recoverPassword`. */
export type RecoverPassword = {
/** The 24 recovery words, as the person typed them. */
words: Secret,
/** Whose password; may be left out where the box has one administrator. */
username?: string,
/** The new password. */
password: Secret, };

/** A release that is not installed again by itself. */
export type RefusedRelease = {
/** The tag. */
tag: string,
/** Why, for a person. */
reason: string,
/** RFC 3339: since when. */
at: string, };

/** A path inside a package: relative, and staying there. */
export type RelativePath = string;

/** The parameter of `resetPassword`. */
export type ResetPassword = {
/** The code that the box shows, as the person typed it. */
code: string,
/**
 * Whose password; may be left out where the card names the user, or the box has one
 * administrator.
 */
username?: string,
/** The new password. */
password: Secret, };

/** Whether a new password can be set with a code, as `resetStatus` tells. */
export type ResetStatus = {
/** Whether the card asks for it (`atek-reset.txt`) and the box shows the code. */
pending: boolean,
/** The least number of characters of the new password. */
passwordMinLength?: number, };

/** What the box has left, as `resources` tells. */
export type Resources = {
/** The disk that holds apps and data. */
disk: Disk,
/** Memory. */
memory: Memory,
/** Swap; all 0 where there is none. */
swap: Swap,
/** Runnable tasks on average over 1, 5 and 15 minutes. */
load: [number, number, number],
/** Processors. */
cpus: number,
/** Of the processor, in degrees Celsius, where there is a sensor. */
temperatureC: number | null,
/** What is wrong with disks and cards. */
storage: Array<StorageProblem>, };

/** The parameter of `restoreApp`. */
export type RestoreApp = {
/** The app's key, or its id at the time of the backup. */
app: string,
/** The id that it gets; by default the one that it had. */
id?: string,
/** The backup; by default the last one that has the app. */
run?: string, };

/** What `restoreBox` tells: everything could be opened, and is being fetched. */
export type RestoreBegun = {
/** The backup. */
run: RunId,
/** How many apps it has. */
apps: number, };

/** The parameter of `restoreBox`. */
export type RestoreBox = {
/** The claim code, as the person typed it; empty on the command line of the box. */
code: string,
/** Where the backups are. */
target: BackupTarget,
/** The recovery words as the person typed them, or the password of the backups. */
words: Secret,
/** Of a server: the user's password there, or a private key of SSH. */
serverPassword?: Secret,
/** The backup; by default the last whole one. */
run?: RunId, };

/** The parameter of `restoreDatabase`. */
export type RestoreDatabase = {
/** Its id. */
database: DbId,
/** The backup; by default the last one that has it. */
run?: string,
/** Whether it becomes a new database beside the present one. */
copy?: boolean, };

/** The parameter of `restoreFile`. */
export type RestoreFile = {
/** The app. */
id: string,
/** The file or folder among its files. */
path: string,
/** The backup; by default the last one that has the app. */
run?: string,
/** Whether it is put beside the present one, instead of in its place. */
beside?: boolean, };

/** How far the restore of the whole box is, as `restoreStatus` tells. */
export type RestoreStatus = {
/** Whether it goes on. */
running: boolean,
/** Parts that were fetched. */
done: number,
/** All of them. */
total: number,
/** Why it ended without a restore; the box is as new. */
problem?: string, };

/** The parameter of `restoreUser`. */
export type RestoreUser = {
/** The user's name, or key. */
user: string,
/** The backup; by default the last one that has the user. */
run?: string, };

/** What `restoreApp` tells. */
export type RestoredApp = {
/** The backup. */
run: RunId,
/** The id of the app. */
id: ServiceId,
/** How many databases were made for it. */
databases: number, };

/** What `restoreDatabase` tells. */
export type RestoredDatabase = {
/** The backup. */
run: RunId,
/** Its id, of a copy a new one. */
database: DbId,
/** Records that it has. */
records: number, };

/** What `restoreFile` tells. */
export type RestoredFile = {
/** The backup. */
run: RunId,
/** Where it is among the app's files. */
path: string, };

/** What `restore` tells. */
export type RestoredFiles = {
/** The backup. */
run: RunId,
/** How many databases of the app are what they were too. */
databases: number, };

/** What `restoreUser` tells. */
export type RestoredUser = {
/** The backup. */
run: RunId,
/** The user's name. */
username: string,
/** Apps that are here again. */
apps: Array<ServiceId>,
/** How many databases are here again. */
databases: number,
/** How many keys are here again. */
keys: number,
/** What is not, for a person. */
problems: Array<string>, };

/** How many runs are kept; a run that one of the rules wants stays. */
export type Retention = {
/** Hours of which the last run is kept. */
hourly: number,
/** Days of which the last run is kept. */
daily: number,
/** Weeks of which the last run is kept. */
weekly: number, };

/** What a user may do beyond their own things. */
export type Role = "" | "admin";

/** Why a call has no result. */
export type RpcError = {
/** See `code`. */
code: number,
/** For a person. */
message: string,
/** For a program. */
data?: unknown, };

/**
 * When a run began, in UTC: `20261128T213000Z`. Sorts in the order in which runs were made.
 *
 * A clock that goes back would mix runs up. From then on names have the number of such a step
 * behind them, as in `20261128T213000Z-1`, and a higher number is later whatever the time says.
 */
export type RunId = string;

/** How often a backup is made. */
export type Schedule = "never" | "hourly" | "daily" | "weekly";

/**
 * A bearer token, password or session id.
 *
 * `Debug` prints a placeholder and there is no `Display`; the text leaves only
 * through `Secret::expose`, which a reviewer can search for.
 */
export type Secret = string;

/** How well units are confined, as `security` tells. */
export type Security = {
/** Atek's own units first, then the services, in the order of installation. */
units: Array<UnitSecurity>, };

/**
 * Samples at a steady pace, oldest first: `metrics` of the services API (with
 * `ServiceSample`) and `history` of the system API (with `SystemSample`).
 *
 * There are gaps where nothing could be measured: a stopped service, a restart of atekd.
 */
export type Series<S> = {
/** Seconds between two samples. */
intervalSec: number,
/** Oldest first. */
samples: Array<S>, };

/**
 * The folder of a server: `sftp://anna@nas.local/backups`, `https://nas.local:8000/anna`,
 * `s3+https://KEY@s3.example.org/BUCKET/FOLDER`; or another home, `home://NAME@HOME`, which is
 * reached by a link that is kept with the password.
 *
 * The path of an SFTP server begins at its first folder; one that begins with `/~/` begins at the
 * user's. A REST server speaks the protocol of restic's `rest-server`.
 */
export type ServerUrl = string;

/**
 * The user-chosen, mutable name of a service: its subdomain, and part of its unit's name.
 *
 * A DNS label, or `core.` and a label for the services that belong to Atek itself.
 */
export type ServiceId = string;

/** A service, as `list` and `get` show one. */
export type ServiceInfo = {
/** See `Status`. */
status: Status,
/** See `State`. */
state: State,
/** Why, in words for a person, where there is something to say. */
reason: string | null,
/** The service's key. */
key: ServiceKey,
/** The owner's user name. */
owner: string | null,
/** See `Addresses`. */
addresses: Addresses,
/** What the configuration puts in the place of this core service, whether or not that runs. */
configuredSource?: string,
/** The record. */
settings: ServiceSettings, };

/**
 * The opaque, immutable identity of an installed service.
 *
 * Part of unit properties and paths, hence the narrow alphabet.
 */
export type ServiceKey = string;

/** What a service used at one moment. */
export type ServiceSample = {
/** When. */
time: number,
/** Memory of the whole unit, in bytes, with the cache of the files that it reads. */
memoryBytes: number | null,
/** Since the sample before, in percent of one processor; more than 100 with several. */
cpuPercent: number | null,
/** Processes and threads. */
tasks: number | null, };

/**
 * A service's record in the server database (`atek.cloud/service/KEY`).
 *
 * The first six fields are the original's.
 */
export type ServiceSettings = {
/** Subdomain and unit name. */
id: ServiceId,
/** `system` for what belongs to everybody. */
owningUserKey: UserKey,
/** As given at install. */
sourceUrl: string,
/** A semver range; none means the newest release. */
desiredVersion?: string,
/** What is installed. */
package: PackageInfo,
/** The package's manifest, as read at install or update. */
manifest?: Manifest,
/** Environment of the process; keys are upper-cased. None for core services. */
config?: Record<string, string>,
/** What the installer granted, of what the manifest asks for. */
granted?: Permissions,
/**
 * Who granted each permission of `ServiceSettings::granted`, by its id; without those that
 * were granted before this was written down.
 */
grantNotes?: { [key in string]: GrantNote },
/**
 * What was stored as granted and never asked for, by the id of the permission: not in force
 * until a person agrees to it.
 */
unasked?: Array<Permission>,
/** Differences from the default limits. */
limits?: Limits,
/** What a person decided about its updates. */
updates?: UpdateSettings,
/** Stopped by a person, and to stay so over a reboot. */
stopped?: boolean,
/**
 * The port of the box at which the app can be opened without a name; none for core
 * services, and while every port of the configured range is taken.
 */
port?: number, };

/** A service under the magnifying glass, as `status` shows one. */
export type ServiceStatus = {
/** Its id. */
id: ServiceId,
/** Its key. */
key: ServiceKey,
/** The name of its systemd unit. */
unit: string,
/** See `State`. */
state: State,
/** Why, in words for a person. */
reason: string | null,
/** RFC 3339: when the unit entered its state. */
since: string | null,
/** Main process. */
pid: number | null,
/** Memory of the whole unit, in bytes, where the kernel accounts it. */
memoryBytes: number | null,
/** CPU time of the whole unit since its start, in microseconds. */
cpuUsec: number | null,
/** Automatic restarts since the last start by hand. */
restarts: number,
/** How the process ended last, e.g. `exit code 1`, `signal SIGKILL`, `oom-kill`. */
lastExit: string | null,
/** The limits in force. */
limits: Limits,
/** The installed tag. */
version: string | null, };

/** One of a user's own sessions, as `listSessions` tells. */
export type SessionInfo = {
/** Names the session to `revokeSession`; not the secret in the cookie. */
handle: string,
/** RFC 3339. */
createdAt: string,
/** RFC 3339; exact to some minutes. */
lastSeenAt: string,
/** The device in a few words: `Firefox on Android`. */
device: string,
/** What the browser said it is, shortened. */
userAgent?: string,
/** The address that signed in. */
address?: string,
/** Whether this is the session that asks. */
isCurrent: boolean, };

/** The parameter of `complete`. */
export type SetupParams = {
/** The claim code, as the person typed it. */
code: string,
/** The box's name. */
name: string,
/** The first administrator's name. */
username: string,
/** The first administrator's password. */
password: Secret,
/** An IANA name. */
timezone: string, };

/** Whether the box waits for its owner, as `status` tells. */
export type SetupStatus = {
/** Whether there is no administrator yet. Nothing else is told once there is one. */
needed: boolean,
/** The box's host name. */
name?: string,
/** The box's time zone, an IANA name. */
timezone?: string,
/** Settings on the card that could not be followed. */
problems?: Array<Problem>,
/** The least number of characters of a password. */
passwordMinLength?: number, };

/** A share, as `shares` shows it. */
export type ShareInfo = {
/** Names it to `unshare`. */
id: string,
/** The present id of the app; none of a database. */
service: ServiceId | null,
/** The database; none of an app. */
database: DbId | null,
/** What people call it. */
title: string,
/** Whose it is: a user name. */
owner: string,
/** The user name of the recipient; none of a group. */
user: string | null,
/** The name of the group; none of a user. */
group: string | null,
/** See `Level`. */
level: Level,
/** The user name of who shared it. */
by: string,
/** RFC 3339. */
since: string,
/** RFC 3339; none: until it is taken back. */
until: string | null, };

/** Parameters of `share`. */
export type ShareParams = {
/** The id of an app; exclusive with `database`. */
service?: string,
/** The id of a database. */
database?: DbId,
/** A user name; exclusive with `group`. */
user?: string,
/** The name of a group. */
group?: string,
/** See `Level`. */
level: Level,
/** As `GrantParams::seconds`. */
seconds?: number, };

/** What a signature covers. */
export type Signed = "tag" | "commit";

/**
 * The key with which a release was signed, as a fetch found it: the signature is right, and who
 * holds the key is not known. It is pinned at install, and later releases must have the same.
 */
export type Signer = {
/** The kind of key. */
kind: SignerKind,
/**
 * Its fingerprint: `SHA256:` and base64, as `ssh-keygen -l` shows it, or the hexadecimal
 * digits of an OpenPGP key.
 */
fingerprint: string,
/** What was signed. */
signed: Signed, };

/** The kinds of keys that releases are signed with. */
export type SignerKind = "ssh" | "openpgp";

/** A copy of a service's data. */
export type SnapshotInfo = {
/** Names it to `restoreSnapshot`. */
name: SnapshotName,
/** RFC 3339: when it was made. */
at: string,
/** The tag that was installed then. */
version?: string,
/** Bytes of the data. */
bytes: number,
/** Made before an update, and removed with the next one. */
automatic?: boolean, };

/** The name of a snapshot of a service's state: its folder. */
export type SnapshotName = string;

/**
 * What proves to a git server that a private repository may be read: an access token, or a name
 * and a token (`NAME:TOKEN`).
 */
export type SourceToken = string;

/** What kind of place a package comes from. */
export type SourceType = "file" | "git";

/** Where a service is in its life, as people see it. */
export type State = "stopped" | "starting" | "running" | "restarting" | "failed" | "sleeping" | "unavailable";

/** Whether a service answers, as the original tells it. */
export type Status = "active" | "inactive";

/** A disk or card that fails, or is about to. */
export type StorageProblem = {
/** What is wrong. */
kind: StorageTrouble,
/** The device, or the folder. */
disk: string,
/** What it means and what to do, for a person. */
text: string, };

/** Ways in which storage fails. */
export type StorageTrouble = "readOnly" | "noWrites" | "errors" | "worn" | "gone";

/** An app in a backup, as `apps` lists it. */
export type StoredApp = {
/** Its key. */
key: ServiceKey,
/** Its id at that time. */
id: ServiceId,
/** Its title. */
title?: string,
/** Its owner's name, if that user is here. */
owner?: string,
/** Its version at that time. */
version?: string,
/** Its id now; none: it is not installed any more. */
installed?: ServiceId,
/** Why it cannot be brought back or copied from this backup, for a person. */
missing?: string, };

/** The apps of a backup, as `apps` tells them. */
export type StoredApps = {
/** The backup. */
run: RunId,
/** Its apps. */
apps: Array<StoredApp>, };

/** A database in a backup. */
export type StoredDatabase = {
/** Its id. */
id: DbId,
/** What it was called. */
title?: string,
/** The key of its owner. */
owner?: UserKey,
/** The key of the app that it belongs to. */
service?: ServiceKey, };

/** A file or folder in a backup. */
export type StoredFile = {
/** Its name; what is not UTF-8 is replaced. */
name: string,
/** Whether it is a folder. */
folder: boolean,
/** Bytes of a file. */
size: number,
/** When it was changed, in seconds since 1970. */
modified?: number, };

/** The entries of a folder in a backup, as `files` tells them. */
export type StoredFiles = {
/** The backup. */
run: RunId,
/** At most `MAX_FILES`. */
files: Array<StoredFile>,
/** Whether there are more. */
more: boolean, };

/** The databases and users of a backup, as `people` tells them. */
export type StoredPeople = {
/** The backup. */
run: RunId,
/** Its users. */
users: Array<StoredUser>,
/** Its databases. */
databases: Array<StoredDatabase>,
/** Keys of users and ids of databases that are not here any more. */
gone: Array<string>, };

/** A user in a backup. */
export type StoredUser = {
/** The user's key. */
key: UserKey,
/** The user's name. */
username: string, };

/** Swap space of the box. */
export type Swap = {
/** Bytes. */
totalBytes: number,
/** Bytes. */
freeBytes: number, };

/** What the box is, as `info` tells every user. */
export type SystemInfo = {
/** Its host name. */
name: string,
/** Atek's version. */
version: string,
/** The operating system, for a person: `Debian GNU/Linux 13 (trixie)`. */
os: string,
/** The kernel's release: `6.12.48`. */
kernel: string,
/** The processor's architecture: `aarch64`, `x86_64`. */
arch: string,
/** The machine, for a person: `Raspberry Pi 4 Model B Rev 1.5`. */
model?: string,
/** IANA name: `Europe/Berlin`. */
timezone: string,
/** RFC 3339: now. */
time: string,
/** Seconds since the kernel started. */
uptimeSec: number,
/** The main domain of the configuration. */
domain: string,
/** Names beside it that administrators added, each a main domain. */
names: Array<string>,
/** Where it can be reached, without loopback and link-local ones; IPv4 first. */
addresses: Array<string>,
/** URLs of the main page, the one to try first before the others. */
urls: Array<string>,
/** The least number of characters of a password. */
passwordMinLength?: number, };

/** What the whole box used at one moment. */
export type SystemSample = {
/** When. */
time: number,
/** Memory that is not available to anybody new, in bytes. */
memoryUsedBytes: number,
/** Since the sample before, in percent of all processors: 0 to 100. None in the first sample. */
cpuPercent: number | null,
/** Of the processor, in degrees Celsius, where there is a sensor. */
temperatureC: number | null, };

/** What a check found. */
export type Tested = {
/** The version of Atek. */
atek: string,
/** The day, `YYYY-MM-DD`. */
date: string,
/** The program's memory when it had answered. */
memoryMib?: number,
/** How long the install took. */
installSeconds?: number, };

/** How an API is called through the gateway. */
export type Transport = "rpc" | "proxy";

/** Options of `uninstall`. */
export type UninstallParams = {
/** The app's files and databases stay, for an app that adopts them or until `removeKept`. */
keepData: boolean, };

/** How well one unit is confined. */
export type UnitSecurity = {
/** The unit's name. */
unit: string,
/** The service that it runs; none for the host's own units. */
id: ServiceId | null,
/** For a person. */
title: string,
/** systemd's figure: 0 is locked in, 10 could do everything. */
exposure: number,
/** The same for a person, with what it can do beyond the usual. */
words: string, };

/**
 * Parameters of `setUpdates`: what is missing stays as it is, and null takes a decision away.
 *
 * The fields are those of `UpdateSettings`, in which what is missing was not decided.
 */
export type UpdateChanges = {
/** See `UpdateSettings::mode`. */
mode?: null | UpdateMode,
/** See `UpdateSettings::delay_hours`. */
delayHours?: null | number,
/** See `UpdateSettings::hold_until`. */
holdUntil?: null | string, };

/** Result of `checkForPackageUpdates`. */
export type UpdateCheck = {
/** Whether `latest_version` is newer than what is installed. */
hasUpdate: boolean,
/** The installed tag, `latest` if unknown. */
installedVersion: string,
/** The best tag that the pinned range admits. */
latestVersion: string, };

/** One update that was tried. */
export type UpdateEntry = {
/** RFC 3339. */
at: string,
/** The tag before. */
from: string,
/** The tag that was tried. */
to: string,
/** See `UpdateOutcome`. */
outcome: UpdateOutcome,
/** Why, for a person, where there is something to say. */
reason?: string,
/** The lines of the service's log that tell more, oldest first. */
log?: Array<string>,
/**
 * Milliseconds in which the service did not answer; of an update that was taken back, from
 * the discovery of the failure on. None where it was not measured.
 */
downMs?: number, };

/** What happens when there is a new release. */
export type UpdateMode = "ask" | "automatic" | "never";

/** How an update ended. */
export type UpdateOutcome = "updated" | "rolledBack" | "failed" | "interrupted" | "wentBack";

/** Options of `startUpdate` and `updatePackage`. */
export type UpdateParams = {
/**
 * What the new version may do, in place of what was granted before; none leaves that.
 * A refusal for growth names in its data what to grant: `asks`.
 */
grant?: Permissions,
/**
 * Limits for the new version, merged into those that a person set before. A refusal for
 * higher limits names them in its data: `limits`. An object without members leaves the
 * limits as they are.
 */
limits?: Limits,
/**
 * The fingerprint of another key that the new version may be signed with; it takes the place
 * of the pinned one. A refusal names it in its data: `signer`.
 */
signer?: string,
/**
 * Exactly this tag, also an older one or one that was refused before; none: the newest that
 * the range admits and that was not refused.
 */
to?: string, };

/** What an update would do, as `planUpdate` tells it. Nothing is stopped or built. */
export type UpdatePlan = {
/** The installed tag. */
from: string,
/** The tag that would be installed. */
to: string,
/** Its commit. */
commit: string,
/** The message of the tag. */
notes?: string,
/** Who signed it, where it has a signature that is right. */
signer?: Signer,
/** The commands that its build runs. */
build: Array<string>,
/** What it asks for and was not granted; each completes "this app may". */
asksForMore: Array<string>,
/** The same, to be granted. */
asks: Permissions, };

/** What a person decided about the updates of one service, or of all that they own. */
export type UpdateSettings = {
/** None: what the owner decided for all services, otherwise `UpdateMode::Ask`. */
mode?: UpdateMode,
/**
 * Hours after a tag was first seen in which it is not installed by itself; a bad release is
 * often replaced within a day. None: 24.
 */
delayHours?: number,
/** RFC 3339: until then nothing is installed by itself. */
holdUntil?: string, };

/** A part of an update, in their order. */
export type UpdateStage = "installing" | "saving" | "trying" | "rollingBack";

/** The updates of one service, as `updates` lists them. */
export type UpdateStatus = {
/** The service's id. */
id: string,
/** What it is called. */
title: string | null,
/** The installed tag. */
installedVersion: string | null,
/** The tag that `startRollback` would go back to. */
previousVersion: string | null,
/** The releases that are taken, a semver range; none: all. */
desiredVersion: string | null,
/** The update that is being tried, after it was fetched and built. */
underWay: UpdateUnderWay | null,
/** What was decided for this service. */
settings: UpdateSettings,
/** What holds for it. */
mode: UpdateMode,
/** The release that could be installed, as of the last look. */
available: AvailableUpdate | null,
/** RFC 3339: when releases were last looked for. */
checkedAt: string | null,
/** Why the last look failed, for a person. */
problem: string | null,
/** See `RefusedRelease`. */
refused: Array<RefusedRelease>,
/** The last updates, newest first. */
history: Array<UpdateEntry>,
/** See `SnapshotInfo`; newest first. */
snapshots: Array<SnapshotInfo>,
/**
 * Why the core service that comes with Atek runs in the place of the configured one, for a
 * person; none where it does not.
 */
standsIn: string | null, };

/** An update that is being tried. */
export type UpdateUnderWay = {
/** The tag. */
to: string,
/** How far it is. */
stage: UpdateStage, };

/** How often a permission was used. */
export type Used = {
/** How often, as far back as the log goes. */
count: number,
/** RFC 3339: the last time; none: never. */
last: string | null, };

/** A user, as the API shows one. */
export type User = {
/** Opaque, immutable. */
key: UserKey,
/** At least 3 characters, unique; what the user signs in with. */
username: string,
/** What people call the user, in any script; none means the username. */
displayName?: string,
/** Left out for an ordinary user. */
role?: Role, };

/** The opaque, immutable identity of a user; `system` is the host itself. */
export type UserKey = string;

/** Who is signed in, as `whoami` and `login` tell. */
export type UserSession = {
/** Whether the caller is known. */
isActive: boolean,
/** The caller's user name; for a service, its owner's. */
username?: string,
/** What people call the user, where a user in person asks and it is set. */
displayName?: string,
/** The user's key, where a user in person asks. */
userKey?: UserKey,
/** What the user may do, where a user in person asks. */
role?: Role, };

/** Settings of a user. */
export type UserSettings = {
/**
 * The id of the app at the user's main page; in a change, an empty text chooses the
 * built-in home. The host keeps the app's key: the setting follows a rename, and ends when
 * the app is uninstalled or given to another user.
 */
mainServiceId?: string, };

/** What a person decided. */
export type Verdict = "allow" | "deny";

/** A warning as it goes to the person who installs. */
export type Warning = {
/** For programs. */
code: WarningCode,
/** For people: what is unusual and what may follow from it. One line. */
message: string, };

/** The kinds of warning. */
export type WarningCode = "no-lockfile" | "submodules" | "lfs-pointers" | "engines" | "unknown-key" | "icon" | "signature" | "left-out" | "dependencies-missing" | "manifest-changed";

/** The folder that a program is started in: `"package"` or `"state"`. */
export type Workdir = "package" | "state";
