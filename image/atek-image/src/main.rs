//! `atek-image`: builds, assembles, checks and boots the SD card.

#![forbid(unsafe_code)]

use anyhow::{Context as _, bail};
use atek_image::assemble::{Board, Inputs, assemble};
use atek_image::debian::{self, Speed, toolbox};
use atek_image::emulator::{self, Options};
use atek_image::licenses::{self, Sources};
use atek_image::pack::{self, Files};
use atek_image::sbom::{self, Component, Crates};
use atek_image::steps::Steps;
use atek_image::store::{Store, Stored};
use atek_image::{check, command, notes, paths};
use clap::{Args, Parser, Subcommand};
use std::fs;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

/// Builds, assembles, checks and boots Atek's SD card
#[derive(Debug, Parser)]
#[command(name = "atek-image", version)]
struct Cli {
    /// The checkout whose files are used; else the one that this program lies in
    #[arg(long, global = true, env = "ATEK_CHECKOUT", value_name = "FOLDER")]
    checkout: Option<PathBuf>,
    #[command(subcommand)]
    command: Verb,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Builds a card from Debian packages and this checkout
    Build {
        #[command(flatten)]
        card: CardArgs,
        /// Compile faster, for tests: programs are a little slower and larger
        #[arg(long)]
        quick: bool,
    },
    /// Makes a card of a root, a kernel and boot files of any origin
    Assemble {
        #[command(flatten)]
        card: CardArgs,
        /// The root: a squashfs or erofs image
        #[arg(long)]
        root: PathBuf,
        /// What goes on the boot partition: vmlinuz, perhaps initramfs.img, device trees, firmware
        #[arg(long)]
        boot: PathBuf,
    },
    /// Writes the bill of materials beside a Buildroot card, from what `make legal-info` wrote
    Bill {
        #[command(flatten)]
        card: CardArgs,
        /// Buildroot's folder legal-info
        #[arg(long)]
        legal_info: PathBuf,
    },
    /// Prints the notes of a release: files with their hashes, versions, what changed
    Notes {
        #[command(flatten)]
        card: CardArgs,
    },
    /// Checks a card, and what was packed of it
    Check {
        #[command(flatten)]
        card: CardArgs,
    },
    /// Checks that the folder of a root has everything that Atek needs of it
    CheckRoot {
        /// The folder
        #[arg(long)]
        root: PathBuf,
    },
    /// Boots the virt card in QEMU; Ctrl-A X ends it
    Run {
        /// The card; else the one in out/
        #[arg(long)]
        card: Option<PathBuf>,
        /// Let the box's writes stay on the card
        #[arg(long)]
        keep: bool,
        /// The port of this machine that is the box's port 80
        #[arg(long, default_value_t = 8080)]
        port: u16,
        /// Memory in MiB
        #[arg(long, default_value_t = 1024)]
        memory: u32,
        /// A socket for QEMU's own commands
        #[arg(long)]
        monitor: Option<PathBuf>,
        /// The port of this machine that is the box's port 22
        #[arg(long)]
        ssh_port: Option<u16>,
        /// Words for the kernel's command line
        #[arg(long, default_value = "")]
        append: String,
        /// Start the slot on trial
        #[arg(long)]
        tryboot: bool,
        /// Another card, in a reader at USB
        #[arg(long)]
        reader: Option<PathBuf>,
        /// A second disk: a file that may be written with --keep
        #[arg(long)]
        disk: Option<PathBuf>,
        /// The second disk is an NVMe one
        #[arg(long, requires = "disk")]
        nvme: bool,
        /// A sector of the second disk that cannot be read
        #[arg(long, requires = "disk")]
        bad_sector: Option<u64>,
        /// A keyboard at USB
        #[arg(long)]
        keyboard: bool,
    },
}

#[derive(Debug, Args)]
struct CardArgs {
    /// What the card is for: rpi or virt
    #[arg(long, default_value = "rpi")]
    board: Board,
    /// Where results go; else out/
    #[arg(long)]
    out: Option<PathBuf>,
    /// Leave the card as it is, for tests: no .xz, .bmap and manifest
    #[arg(long)]
    no_pack: bool,
}

impl CardArgs {
    fn files(&self) -> anyhow::Result<Files> {
        let folder = self.out.clone().unwrap_or_else(paths::output);
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Files::of(
            &folder
                .canonicalize()
                .context("cannot follow the folder for results")?,
            self.board,
        ))
    }
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    if let Some(Err(problem)) = cli.checkout.as_deref().map(paths::use_checkout) {
        eprintln!("error: {problem}");
        return ExitCode::FAILURE;
    }
    match carry_out(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn carry_out(cli: Cli) -> anyhow::Result<()> {
    match cli.command {
        Verb::Build { card, quick } => {
            build(&card, if quick { Speed::Quick } else { Speed::Release })
        }
        Verb::Assemble { card, root, boot } => {
            finish(&card, &Steps::default(), &root, &boot, epoch()?)
        }
        Verb::Bill { card, legal_info } => {
            let components = sbom::legal_info(&legal_info)?;
            write_bill(
                &card.files()?,
                components,
                sbom::crates(paths::repository())?,
            )
        }
        Verb::Notes { card } => {
            let changelog = paths::repository().join("CHANGELOG.md");
            let changelog = fs::read_to_string(&changelog)
                .with_context(|| format!("cannot read {}", changelog.display()))?;
            print!("{}", notes::of(&card.files()?, &changelog)?);
            Ok(())
        }
        Verb::Check { card } => check::check(&card.files()?, card.board),
        Verb::CheckRoot { root } => check::check_root(&root),
        Verb::Run {
            card,
            keep,
            port,
            memory,
            monitor,
            ssh_port,
            append,
            tryboot,
            reader,
            disk,
            nvme,
            bad_sector,
            keyboard,
        } => {
            let built = || Files::of(&paths::output(), Board::Virt).card;
            run(&Options {
                card: existing(card.unwrap_or_else(built))?,
                reader: reader.map(existing).transpose()?,
                disk: disk.map(existing).transpose()?,
                nvme,
                bad_sector,
                keyboard,
                tryboot,
                keep,
                port,
                memory_mib: memory,
                monitor,
                ssh_port,
                append,
            })
        }
    }
}

fn existing(card: PathBuf) -> anyhow::Result<PathBuf> {
    card.canonicalize().with_context(|| {
        format!(
            "there is no card {}: run ./image/build --board virt",
            card.display()
        )
    })
}

fn build(card: &CardArgs, speed: Speed) -> anyhow::Result<()> {
    // What is made has the modes of a root, whatever this user's habit is.
    nix::sys::stat::umask(nix::sys::stat::Mode::from_bits_truncate(0o022));
    let steps = Steps::default();
    let store = Store::open(paths::cache())?;
    let epoch = epoch()?;
    let files = card.files()?;
    // With this machine's cargo: the toolbox has its own folders.
    let crates = sbom::crates(paths::repository())?;
    let tools = toolbox::get(&store, &steps)?;
    let unpacked = debian::unpack(&store, &steps)?;
    toolbox::enter(&tools, &[files.card.parent().unwrap_or(Path::new("/"))])?;
    let made = debian::root(&store, &steps, &unpacked, speed, epoch)?;
    let boot = made.path.join(format!("boot-{}", card.board));
    let root = made.path.join("root.squashfs");
    steps.step("bill of materials, licences", || {
        let sources = license_sources(&unpacked, &crates);
        licenses::collect(&sources, &files.licenses, epoch)?;
        write_bill(&files, unpacked.components()?, crates)
    })?;
    finish(card, &steps, &root, &boot, epoch)
}

/// Where the licence texts of what the card is made of lie.
fn license_sources(unpacked: &debian::Made, crates: &Crates) -> Sources {
    let named = |(name, version, folder): &(String, String, PathBuf)| {
        (format!("crates/{name}-{version}"), folder.clone())
    };
    let checkout = paths::repository();
    let own = [
        ("web", "daemon/web/node_modules"),
        (
            "hypercore",
            "daemon/hypercore/dist/linux-arm64/node_modules",
        ),
    ];
    let own = own.map(|(name, folder)| (name, checkout.join(folder)));
    let trees = unpacked.license_folders().into_iter().chain(own);
    Sources {
        packages: crates.sources.iter().map(named).collect(),
        trees: trees
            .map(|(name, folder)| (name.to_owned(), folder))
            .collect(),
    }
}

/// From a root to what is published.
fn finish(
    card: &CardArgs,
    steps: &Steps,
    root: &Path,
    boot: &Path,
    epoch: u64,
) -> anyhow::Result<()> {
    let files = card.files()?;
    // Those of an earlier card would not belong to this one.
    for stale in [&files.packed, &files.sum, &files.bmap, &files.manifest] {
        let _ = fs::remove_file(stale);
    }
    let inputs = Inputs {
        board: card.board,
        root,
        boot,
        epoch,
    };
    steps.step("the card", || assemble(&inputs, &files.card))?;
    if !card.no_pack {
        steps.step("the card: compressed, hashed, mapped", || {
            pack::pack(&files, epoch)
        })?;
    }
    steps.step("check", || check::check(&files, card.board))?;
    println!(
        "{}",
        if card.no_pack {
            &files.card
        } else {
            &files.packed
        }
        .display()
    );
    Ok(())
}

/// Writes the bill of materials beside the card: what the route knows of its packages, and what
/// Atek itself is made of.
fn write_bill(files: &Files, mut components: Vec<Component>, crates: Crates) -> anyhow::Result<()> {
    components.extend(crates.components);
    components.extend(sbom::npm_of_checkout(paths::repository())?);
    let bill = sbom::document(env!("CARGO_PKG_VERSION"), components);
    let text = serde_json::to_string_pretty(&bill).context("cannot write the bill of materials")?;
    fs::write(&files.bill, text + "\n")
        .with_context(|| format!("cannot write {}", files.bill.display()))
}

/// The time that everything on the card has: `$SOURCE_DATE_EPOCH`, else that of the commit.
fn epoch() -> anyhow::Result<u64> {
    let text = match std::env::var("SOURCE_DATE_EPOCH") {
        Ok(text) => text,
        Err(_) => command::run(
            Command::new("git")
                .args(["log", "-1", "--format=%ct"])
                .current_dir(paths::repository()),
        )
        .context("no commit to take the time from: set SOURCE_DATE_EPOCH")?,
    };
    text.trim()
        .parse()
        .with_context(|| format!("{text:?} is no time in seconds"))
}

/// Becomes the emulator: as root that of the toolbox, which is the same on every machine; else the
/// one that this machine has, as no part of it needs root.
fn run(options: &Options) -> anyhow::Result<()> {
    // Held until QEMU is there: the toolbox is not removed before.
    let tools = if nix::unistd::geteuid().is_root() {
        Some(enter_toolbox(options)?)
    } else {
        None
    };
    let mut boot = emulator::command(options)?;
    let error = boot.command.exec();
    drop(tools);
    if error.kind() == std::io::ErrorKind::NotFound {
        bail!(
            "this machine has no {}: install it (on Debian the package qemu-system-arm), \
             or run this as root, which uses an emulator of its own",
            emulator::PROGRAM
        );
    }
    Err(error).context("cannot start the emulator")
}

fn enter_toolbox(options: &Options) -> anyhow::Result<Stored> {
    let steps = Steps::default();
    let store = Store::open(paths::cache())?;
    let tools = toolbox::get(&store, &steps)?;
    let folder = |path: &PathBuf| path.parent().map(Path::to_owned);
    let files = [
        Some(&options.card),
        options.monitor.as_ref(),
        options.reader.as_ref(),
        options.disk.as_ref(),
    ];
    let also: Vec<PathBuf> = files.into_iter().flatten().filter_map(folder).collect();
    toolbox::enter(
        &tools,
        &also.iter().map(PathBuf::as_path).collect::<Vec<_>>(),
    )?;
    Ok(tools)
}
