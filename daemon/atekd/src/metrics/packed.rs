//! Samples as they are kept: eight bytes each. Pure.

use atek_api::metrics::{ServiceSample, SystemSample};

/// What a service used. The largest value of a field stands for "not known".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Service {
    kib: u32,
    /// Tenths of a percent of one processor.
    cpu: u16,
    tasks: u16,
}

impl Service {
    pub(super) fn pack(memory: Option<u64>, cpu_percent: Option<f64>, tasks: Option<u32>) -> Self {
        Self {
            kib: memory.map_or(u32::MAX, kib),
            cpu: cpu_percent.map_or(u16::MAX, tenths),
            tasks: tasks.map_or(u16::MAX, |tasks| {
                u16::try_from(tasks)
                    .unwrap_or(u16::MAX - 1)
                    .min(u16::MAX - 1)
            }),
        }
    }

    pub(super) fn unpack(self, time: i64) -> ServiceSample {
        ServiceSample {
            time,
            memory_bytes: (self.kib != u32::MAX).then(|| bytes(self.kib)),
            cpu_percent: (self.cpu != u16::MAX).then(|| percent(self.cpu)),
            tasks: (self.tasks != u16::MAX).then(|| self.tasks.into()),
        }
    }
}

/// What the box used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct System {
    used_kib: u32,
    /// Tenths of a percent of all processors; the largest value for "not known".
    cpu: u16,
    /// Tenths of a degree Celsius; the smallest value for "no sensor".
    temperature: i16,
}

impl System {
    pub(super) fn pack(used: u64, cpu_percent: Option<f64>, celsius: Option<f64>) -> Self {
        Self {
            used_kib: kib(used),
            cpu: cpu_percent.map_or(u16::MAX, tenths),
            // A cast from a float keeps to the bounds.
            temperature: celsius.map_or(i16::MIN, |c| ((c * 10.0).round() as i16).max(-i16::MAX)),
        }
    }

    pub(super) fn unpack(self, time: i64) -> SystemSample {
        SystemSample {
            time,
            memory_used_bytes: bytes(self.used_kib),
            cpu_percent: (self.cpu != u16::MAX).then(|| percent(self.cpu)),
            temperature_c: (self.temperature != i16::MIN)
                .then(|| f64::from(self.temperature) / 10.0),
        }
    }
}

/// Rounded up: what is used never looks like nothing.
fn kib(bytes: u64) -> u32 {
    u32::try_from(bytes.div_ceil(1024))
        .unwrap_or(u32::MAX - 1)
        .min(u32::MAX - 1)
}

fn bytes(kib: u32) -> u64 {
    u64::from(kib) * 1024
}

fn tenths(percent: f64) -> u16 {
    // A cast from a float keeps to the bounds, and makes nothing of what is no number.
    ((percent * 10.0).round() as u16).min(u16::MAX - 1)
}

fn percent(tenths: u16) -> f64 {
    f64::from(tenths) / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out_again_as_exactly_as_a_chart_needs() {
        for (memory, cpu, tasks, shown) in [
            (None, None, None, (None, None, None)),
            (Some(0), Some(0.0), Some(0), (Some(0), Some(0.0), Some(0))),
            (
                Some(1),
                Some(12.34),
                Some(7),
                (Some(1024), Some(12.3), Some(7)),
            ),
            (
                Some(64 << 30),
                Some(399.96),
                Some(100_000),
                (Some(64 << 30), Some(400.0), Some(65_534)),
            ),
            (
                Some(u64::MAX),
                Some(1e12),
                Some(65_535),
                (Some(4_294_967_294 * 1024), Some(6553.4), Some(65_534)),
            ),
            (Some(4096), Some(-3.0), None, (Some(4096), Some(0.0), None)),
        ] {
            let sample = Service::pack(memory, cpu, tasks).unpack(5);
            assert_eq!(sample.time, 5);
            assert_eq!(
                (sample.memory_bytes, sample.cpu_percent, sample.tasks),
                shown
            );
        }
    }

    #[test]
    fn a_box_without_a_sensor_has_no_temperature_and_one_in_the_cold_has() {
        for (celsius, shown) in [
            (None, None),
            (Some(-12.34), Some(-12.3)),
            (Some(0.0), Some(0.0)),
            (Some(61.25), Some(61.3)),
            (Some(-1e9), Some(-3276.7)),
        ] {
            let sample = System::pack(2048, None, celsius).unpack(5);
            assert_eq!(sample.temperature_c, shown);
            assert_eq!((sample.memory_used_bytes, sample.cpu_percent), (2048, None));
        }
    }

    #[test]
    fn an_hour_of_fifty_services_is_small() {
        assert_eq!(size_of::<Service>(), 8);
        assert_eq!(size_of::<System>(), 8);
    }
}
