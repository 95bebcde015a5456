//! What the system's files say. Pure.

use atek_api::system::{Memory, Swap};

/// The system's name for a person, from os-release(5).
pub(super) fn os_name(text: &str) -> Option<String> {
    let value = |key: &str| {
        text.lines()
            .filter_map(|line| line.trim().split_once('='))
            .find(|(name, _)| *name == key)
            .map(|(_, value)| unquoted(value))
            .filter(|value| !value.is_empty())
    };
    value("PRETTY_NAME").or_else(|| value("NAME"))
}

/// A value as a shell would read it: quotes go, a backslash makes the next character plain.
fn unquoted(value: &str) -> String {
    let mut plain = String::new();
    let mut quote = None;
    let mut rest = value.trim().chars();
    while let Some(c) = rest.next() {
        match (c, quote) {
            ('\'' | '"', None) => quote = Some(c),
            (_, Some(open)) if c == open => quote = None,
            ('\\', Some('"') | None) => plain.extend(rest.next()),
            _ => plain.push(c),
        }
    }
    plain
}

/// Memory and swap, from `/proc/meminfo`.
pub(super) fn memory(text: &str) -> Option<(Memory, Swap)> {
    let bytes = |name: &str| {
        let line = text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
        kib.checked_mul(1024)
    };
    Some((
        Memory {
            total_bytes: bytes("MemTotal")?,
            available_bytes: bytes("MemAvailable")?,
        },
        // A kernel without swap has no such lines.
        Swap {
            total_bytes: bytes("SwapTotal").unwrap_or_default(),
            free_bytes: bytes("SwapFree").unwrap_or_default(),
        },
    ))
}

/// The averages, from `/proc/loadavg`.
pub(super) fn load(text: &str) -> Option<[f64; 3]> {
    let mut numbers = text.split_ascii_whitespace().map(str::parse);
    let mut next = || numbers.next()?.ok().filter(|load: &f64| load.is_finite());
    Some([next()?, next()?, next()?])
}

/// Whole seconds, from `/proc/uptime`.
pub(super) fn uptime(text: &str) -> Option<u64> {
    text.split(['.', ' ']).next()?.trim().parse().ok()
}

/// What the processors did since the kernel started, in ticks of all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuTimes {
    busy: u64,
    all: u64,
    /// How many there are.
    pub cpus: u32,
}

impl CpuTimes {
    /// How busy they were since `before`: 0 to 100; `None` if no time has passed.
    #[must_use]
    pub fn percent_since(self, before: Self) -> Option<f64> {
        let all = self.all.checked_sub(before.all).filter(|all| *all > 0)?;
        // The kernel lets the waiting time shrink now and then.
        let busy = self.busy.saturating_sub(before.busy).min(all);
        Some(busy as f64 * 100.0 / all as f64)
    }
}

/// From `/proc/stat`.
pub(super) fn cpu_times(text: &str) -> Option<CpuTimes> {
    // user nice system idle iowait irq softirq steal; guests are counted in user and nice.
    let line = text.lines().find_map(|line| line.strip_prefix("cpu "))?;
    let ticks: Vec<u64> = line
        .split_ascii_whitespace()
        .take(8)
        .map(|ticks| ticks.parse().ok())
        .collect::<Option<_>>()?;
    let all: u64 = ticks.iter().sum();
    let waiting: u64 = ticks.get(3)? + ticks.get(4).copied().unwrap_or_default();
    let numbered = |line: &&str| {
        line.strip_prefix("cpu")
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    let cpus = text.lines().filter(numbered).count();
    Some(CpuTimes {
        busy: all - waiting,
        all,
        cpus: u32::try_from(cpus).ok().filter(|cpus| *cpus > 0)?,
    })
}

/// A machine's name, from the parts that it consists of.
pub(super) fn model<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> Option<String> {
    // What firmware says where its maker had nothing to say.
    const EMPTY: &[&str] = &[
        "To Be Filled By O.E.M.",
        "System manufacturer",
        "System Product Name",
        "Default string",
        "None",
    ];
    let mut words: Vec<String> = Vec::new();
    for part in parts {
        let part = String::from_utf8_lossy(part);
        let part: String = part.chars().filter(|c| !c.is_control()).take(100).collect();
        let part = part.trim();
        let is_known = |word: &String| part.starts_with(word.as_str());
        if part.is_empty() || EMPTY.contains(&part) {
            continue;
        }
        // Some makers begin the product's name with their own.
        words.retain(|word| !is_known(word));
        words.push(part.to_owned());
    }
    Some(words.join(" ")).filter(|model| !model.is_empty())
}

/// Degrees Celsius, from a thermal zone's `temp`.
pub(super) fn millidegrees(text: &str) -> Option<f64> {
    let milli: i32 = text.trim().parse().ok()?;
    Some(f64::from(milli) / 1000.0)
}

/// The processor's temperature among the zones `(type, degrees)`; the hottest believable one
/// where no zone says that it is the processor's.
pub(super) fn processor_temperature(zones: impl IntoIterator<Item = (String, f64)>) -> Option<f64> {
    const PROCESSOR: &[&str] = &["cpu", "soc", "pkg", "core"];
    // Sensors that do not work say 0, or something absurd.
    let believable = zones
        .into_iter()
        .filter(|(_, celsius)| (-60.0..=150.0).contains(celsius) && *celsius != 0.0);
    let rated = believable.map(|(kind, celsius)| {
        let kind = kind.to_ascii_lowercase();
        let is_processor = PROCESSOR.iter().any(|word| kind.contains(word));
        (is_processor, celsius)
    });
    rated
        .max_by(|a, b| a.0.cmp(&b.0).then(a.1.total_cmp(&b.1)))
        .map(|(_, celsius)| celsius)
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
