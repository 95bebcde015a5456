//! The policy of [`super::Throttle`]. Pure: the clock is a parameter.

use super::backoff::{Backoff, Terms};
use atek_api::ids::ServiceKey;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

/// Failures of one guesser.
const GUESSER: Terms = Terms {
    free: 5,
    longest_ms: 60_000,
};
/// Guessers and secrets that are remembered, each.
const CAPACITY: usize = 10_000;
/// Attempts that wait at the same time: of one guesser, for one secret, and in all. The last two
/// are of guessers that take turns; the others have no line to fill.
const WAITING_OF_GUESSER: usize = 16;
const WAITING_FOR_SECRET: usize = 16;
const WAITING: usize = 256;
/// A guesser that has to wait longer than this is told so instead of being held.
const HELD_MS: i64 = 4_000;
/// No attempt is held longer than this.
const LONGEST_HELD_MS: i64 = 30_000;
/// How soon an attempt that waits for another one is looked at again.
const AGAIN_MS: i64 = 50;
/// Longer names of secrets are cut: there is no such user anyway.
const MAX_NAME: usize = 64;

/// Where attempts come from, as far as they count together.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum AttemptOrigin {
    /// An IPv4 address.
    Ipv4(Ipv4Addr),
    /// An IPv6 network of 64 bits: one machine can use all addresses of it.
    Ipv6Network(u64),
    /// A browser in which the user has signed in before, by what names it. Its failures are not
    /// the secret's, and those of others do not slow it down, not even at the same address.
    KnownDevice(String),
    /// A connection without an address.
    Local,
    /// An app. Its failures are its own, not its owner's.
    App(ServiceKey),
    /// A session that is asked for the password again, by the handle of the session.
    Session(String),
}

impl AttemptOrigin {
    /// The guesser at an address.
    #[must_use]
    pub fn at(address: Option<IpAddr>) -> Self {
        match address.map(|address| address.to_canonical()) {
            None => Self::Local,
            Some(IpAddr::V4(v4)) => Self::Ipv4(v4),
            Some(IpAddr::V6(v6)) => {
                // The upper half; the shift leaves 64 bits.
                Self::Ipv6Network((v6.to_bits() >> 64) as u64)
            }
        }
    }

    /// Whether attempts take turns with those of others for the same secret.
    fn takes_turns(&self) -> bool {
        match self {
            Self::Ipv4(_) | Self::Ipv6Network(_) | Self::Local => true,
            Self::KnownDevice(_) | Self::App(_) | Self::Session(_) => false,
        }
    }
}

/// Names an attempt that arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticket(u64);

/// What becomes of an attempt now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// It may be made. It counts as a failure until it succeeds.
    Now,
    /// It is to be asked about again in so many milliseconds.
    Later(i64),
    /// It is not made; the next one may succeed in so many milliseconds.
    Refused(i64),
}

#[derive(Debug)]
struct Waiting {
    ticket: Ticket,
    secret: String,
    guesser: AttemptOrigin,
    since_ms: i64,
}

/// Attempts that wait, run, and have failed.
#[derive(Debug)]
pub struct Policy {
    guessers: Backoff<AttemptOrigin>,
    secrets: Backoff<String>,
    waiting: Vec<Waiting>,
    /// Attempts that are being made, by guesser.
    running: HashMap<AttemptOrigin, u32>,
    next: u64,
}

impl Policy {
    /// A policy in which `secret` says how failures of all guessers together slow down the
    /// attempts at one secret.
    #[must_use]
    pub fn new(secret: Terms) -> Self {
        Self {
            guessers: Backoff::new(GUESSER, CAPACITY),
            secrets: Backoff::new(secret, CAPACITY),
            waiting: Vec::new(),
            running: HashMap::new(),
            next: 0,
        }
    }

    /// Takes an attempt in. Where too many wait, the one with the most failures behind it has
    /// to go: the new one, or one that waits and is refused at its next [`turn`](Self::turn).
    ///
    /// # Errors
    ///
    /// Milliseconds to wait before another attempt.
    pub fn arrive(
        &mut self,
        secret: &str,
        guesser: AttemptOrigin,
        now_ms: i64,
    ) -> Result<Ticket, i64> {
        let secret: String = secret.chars().take(MAX_NAME).collect();
        let refused = |policy: &Self| policy.guessers.wait_ms(&guesser, now_ms).max(1000);
        let own = self.waiting.iter().filter(|w| w.guesser == guesser).count();
        if own >= WAITING_OF_GUESSER {
            return Err(refused(self));
        }
        let in_line = || self.waiting.iter().filter(|w| w.guesser.takes_turns());
        let full = in_line().count() >= WAITING;
        let crowded =
            full || in_line().filter(|w| w.secret == secret).count() >= WAITING_FOR_SECRET;
        if crowded && guesser.takes_turns() {
            let worst = in_line()
                .filter(|w| full || w.secret == secret)
                .max_by_key(|w| self.rank(w))
                .map(|w| (w.ticket, self.guessers.count(&w.guesser)));
            match worst {
                Some((ticket, failures)) if failures > self.guessers.count(&guesser) => {
                    self.waiting.retain(|w| w.ticket != ticket);
                }
                _ => return Err(refused(self)),
            }
        }
        let ticket = Ticket(self.next);
        self.next += 1;
        self.waiting.push(Waiting {
            ticket,
            secret,
            guesser,
            since_ms: now_ms,
        });
        Ok(ticket)
    }

    /// Says what becomes of an attempt that has [arrived](Self::arrive).
    pub fn turn(&mut self, ticket: Ticket, now_ms: i64) -> Turn {
        let Some(place) = self.waiting.iter().position(|w| w.ticket == ticket) else {
            return Turn::Refused(1000);
        };
        let waiting = &self.waiting[place];
        let own = self.guessers.wait_ms(&waiting.guesser, now_ms);
        let shared = if waiting.guesser.takes_turns() {
            self.secrets.wait_ms(&waiting.secret, now_ms)
        } else {
            0
        };
        let wait = own.max(shared);
        if wait == 0 && !self.is_behind(waiting, now_ms) {
            let waiting = self.waiting.remove(place);
            self.begin(waiting, now_ms);
            return Turn::Now;
        }
        let held = now_ms - waiting.since_ms;
        // An attempt that is being made may succeed, and then does not count.
        let hopeless = own > HELD_MS && !self.running.contains_key(&waiting.guesser);
        if hopeless || held >= LONGEST_HELD_MS {
            self.waiting.remove(place);
            return Turn::Refused(wait.max(1000));
        }
        Turn::Later(AGAIN_MS.max(wait.min(10 * AGAIN_MS)))
    }

    /// Whether an attempt with fewer failures behind it, or an earlier one, waits for the same
    /// secret and could be made now.
    fn is_behind(&self, waiting: &Waiting, now_ms: i64) -> bool {
        waiting.guesser.takes_turns()
            && self.secrets.is_slowed(&waiting.secret)
            && self.waiting.iter().any(|other| {
                other.secret == waiting.secret
                    && other.guesser.takes_turns()
                    && self.rank(other) < self.rank(waiting)
                    && self.guessers.wait_ms(&other.guesser, now_ms) == 0
            })
    }

    fn rank(&self, waiting: &Waiting) -> (u32, Ticket) {
        (self.guessers.count(&waiting.guesser), waiting.ticket)
    }

    fn begin(&mut self, attempt: Waiting, now_ms: i64) {
        self.guessers.failed(attempt.guesser.clone(), now_ms);
        if attempt.guesser.takes_turns() {
            self.secrets.failed(attempt.secret, now_ms);
        }
        *self.running.entry(attempt.guesser).or_default() += 1;
    }

    /// Takes a waiting attempt out: its client is gone.
    pub fn leave(&mut self, ticket: Ticket) {
        self.waiting.retain(|w| w.ticket != ticket);
    }

    /// Ends an attempt that was made. One that has succeeded does not count any more; older
    /// failures do, so that an account of one's own buys no guesses at the others.
    pub fn finish(&mut self, secret: &str, guesser: &AttemptOrigin, succeeded: bool) {
        if let Some(running) = self.running.get_mut(guesser) {
            *running -= 1;
            if *running == 0 {
                self.running.remove(guesser);
            }
        }
        if succeeded {
            self.guessers.take_back(guesser);
            if guesser.takes_turns() {
                let secret = secret.chars().take(MAX_NAME).collect();
                self.secrets.take_back(&secret);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECRET: Terms = Terms {
        free: 20,
        longest_ms: 10_000,
    };
    const HASH_MS: i64 = 100;

    fn v4(n: u32) -> AttemptOrigin {
        AttemptOrigin::at(Some(Ipv4Addr::from_bits(n).into()))
    }

    /// Attempts of many clients over time, each in steps of 50 ms as the real ones.
    struct World {
        policy: Policy,
        now: i64,
        made: HashMap<AttemptOrigin, u32>,
        held: Vec<(Ticket, AttemptOrigin)>,
        running: Vec<(AttemptOrigin, i64)>,
    }

    impl World {
        fn new() -> Self {
            Self {
                policy: Policy::new(SECRET),
                now: 0,
                made: HashMap::new(),
                held: Vec::new(),
                running: Vec::new(),
            }
        }

        fn arrive(&mut self, guesser: &AttemptOrigin) -> Option<Ticket> {
            let ticket = self
                .policy
                .arrive("alice", guesser.clone(), self.now)
                .ok()?;
            self.held.push((ticket, guesser.clone()));
            Some(ticket)
        }

        /// One step of time; all attempts that are made turn out to be wrong.
        fn step(&mut self) {
            self.now += AGAIN_MS;
            let now = self.now;
            let policy = &mut self.policy;
            self.running.retain(|(guesser, since)| {
                let over = now - since >= HASH_MS;
                if over {
                    policy.finish("alice", guesser, false);
                }
                !over
            });
            for (ticket, guesser) in std::mem::take(&mut self.held) {
                match self.policy.turn(ticket, now) {
                    Turn::Now => {
                        *self.made.entry(guesser.clone()).or_default() += 1;
                        self.running.push((guesser, now));
                    }
                    Turn::Later(_) => self.held.push((ticket, guesser)),
                    Turn::Refused(_) => {}
                }
            }
        }

        fn run(&mut self, ms: i64, mut arriving: impl FnMut(&mut Self)) {
            let until = self.now + ms;
            while self.now < until {
                arriving(self);
                self.step();
            }
        }

        fn waits(&self, guesser: &AttemptOrigin) -> bool {
            self.held.iter().any(|(_, held)| held == guesser)
        }

        fn all_made(&self) -> u32 {
            self.made.values().sum()
        }
    }

    #[test]
    fn of_64_guesses_at_once_few_are_made() {
        let mut world = World::new();
        for _ in 0..64 {
            world.arrive(&v4(1));
        }
        world.step();
        assert_eq!(world.all_made(), 5, "before the first one is over");
        world.run(60_000, |_| {});
        assert!(world.all_made() <= 8, "{} of 64", world.all_made());
        assert!(world.held.is_empty());
    }

    #[test]
    fn one_address_gets_slower_and_one_network_of_ipv6_is_one_guesser() {
        for network in [false, true] {
            let mut world = World::new();
            world.run(3_600_000, |world| {
                let n = u128::from(world.now.unsigned_abs());
                let address = if network {
                    (0xfd00 << 112) | n
                } else {
                    0xffff_0000_0001
                };
                let guesser =
                    AttemptOrigin::at(Some(std::net::Ipv6Addr::from_bits(address).into()));
                if !world.waits(&guesser) {
                    world.arrive(&guesser);
                }
            });
            let made = world.all_made();
            assert!((55..80).contains(&made), "{made} guesses in an hour");
        }
    }

    #[test]
    fn the_owner_signs_in_from_new_devices_while_six_addresses_guess() {
        let mut world = World::new();
        let attackers: Vec<AttemptOrigin> = (1..=6).map(v4).collect();
        let attack = |world: &mut World| {
            for guesser in &attackers {
                // Four connections each, and again as soon as one is refused.
                while world.held.iter().filter(|(_, g)| g == guesser).count() < 4
                    && world.arrive(guesser).is_some()
                {}
            }
        };
        world.run(600_000, attack);
        for n in 0..75 {
            let device = v4(1000 + n);
            let arrived = world.now;
            world.arrive(&device).expect("the owner is let in to wait");
            while !world.made.contains_key(&device) {
                attack(&mut world);
                world.step();
                assert!(
                    world.now - arrived <= SECRET.longest_ms + 1000,
                    "the owner's attempt {n} waits for {} ms",
                    world.now - arrived
                );
                assert!(
                    world.waits(&device) || world.made.contains_key(&device),
                    "refused"
                );
            }
            world.policy.finish("alice", &device, true);
            world.run(7_000, attack);
        }
    }

    #[test]
    fn many_addresses_together_are_slowed_down_too() {
        let mut world = World::new();
        world.run(3_600_000, |world| {
            for n in 0..4 {
                let fresh = u32::try_from(world.now).unwrap() * 4 + n;
                world.arrive(&v4(fresh));
            }
        });
        let made = world.all_made();
        assert!(made <= 20 + 360 + 10, "{made} guesses in an hour");
    }

    #[test]
    fn apps_and_known_devices_count_for_themselves_alone() {
        let app = || AttemptOrigin::App("rss".parse().unwrap());
        let known = || AttemptOrigin::KnownDevice("a phone".to_owned());
        let mut world = World::new();
        for _ in 0..500 {
            world.arrive(&app());
            world.step();
        }
        assert!(world.made[&app()] < 15, "{}", world.made[&app()]);
        assert_eq!(world.policy.secrets.count(&"alice".to_owned()), 0);
        for n in 0..1000 {
            world.arrive(&v4(n));
            world.step();
        }
        world.arrive(&known());
        world.step();
        assert_eq!(world.made.get(&known()), Some(&1));
    }

    #[test]
    fn what_succeeds_does_not_count_and_forgives_nothing_else() {
        let mut policy = Policy::new(SECRET);
        for n in 0..100 {
            let ticket = policy.arrive("alice", v4(1), n).unwrap();
            assert_eq!(policy.turn(ticket, n), Turn::Now, "sign-in {n}");
            policy.finish("alice", &v4(1), true);
        }
        for (secret, succeeded) in [("alice", false), ("bob", true)].repeat(4) {
            let ticket = policy.arrive(secret, v4(1), 100).unwrap();
            assert_eq!(policy.turn(ticket, 100), Turn::Now);
            policy.finish(secret, &v4(1), succeeded);
        }
        assert_eq!(policy.guessers.count(&v4(1)), 4);
        assert_eq!(policy.secrets.count(&"alice".to_owned()), 4);
    }

    proptest! {
        #[test]
        fn every_attempt_is_decided_in_time_and_queues_stay_short(
            arrivals in prop::collection::vec((0u32..40, 0u8..4, 0i64..3000), 1..300)
        ) {
            let mut policy = Policy::new(SECRET);
            let (mut now, mut held) = (0, Vec::new());
            let settle = |policy: &mut Policy, held: &mut Vec<(Ticket, i64)>, now: i64| {
                held.retain(|(ticket, since)| match policy.turn(*ticket, now) {
                    Turn::Later(ms) => {
                        assert!((1..=500).contains(&ms), "{ms}");
                        assert!(now - since < LONGEST_HELD_MS);
                        true
                    }
                    Turn::Now | Turn::Refused(1..) => false,
                    Turn::Refused(ms) => panic!("refused for {ms} ms"),
                });
            };
            for (n, secret, pause) in arrivals {
                now += pause;
                if let Ok(ticket) = policy.arrive(&format!("user{secret}"), v4(n), now) {
                    held.push((ticket, now));
                }
                prop_assert!(policy.waiting.len() <= WAITING_FOR_SECRET * 4);
                settle(&mut policy, &mut held, now);
            }
            now += LONGEST_HELD_MS;
            settle(&mut policy, &mut held, now);
            prop_assert!(held.is_empty() && policy.waiting.is_empty());
        }
    }
}
