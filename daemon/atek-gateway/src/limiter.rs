//! Who has asked for how much, and what runs at the moment.

use super::budget::{Budget, Counter, Reserved};
use super::deps::Limits;
use super::edge::bucket::{Bucket, Rate};
use super::error::Failure;
use atek_api::ids::{ServiceKey, UserKey};
use atek_host_model::permissions::Caller;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Beyond that many, those that used nothing lately are forgotten.
const REMEMBERED: usize = 4_096;
/// The longest body of an unauthenticated caller, and all that one address may hold, in bytes.
const STRANGERS_BODY: usize = 64 << 10;
/// How long a caller that is refused is not named again.
const NAMED: Duration = Duration::from_secs(60);
/// What a caller with too much at once is told.
const PAUSE: Duration = Duration::from_secs(1);

/// Whom a limit is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Subject {
    User(UserKey),
    Service(ServiceKey),
    /// An address; of IPv6 the network that one customer has.
    Address(Option<IpAddr>),
}

/// The requests of all callers.
#[derive(Debug)]
pub(super) struct Limiter {
    limits: Limits,
    budget: Budget,
    start: Instant,
    accounts: Mutex<HashMap<Subject, Arc<Account>>>,
}

#[derive(Debug)]
struct Account {
    bucket: Mutex<Bucket>,
    running: AtomicUsize,
    memory: Arc<Counter>,
    /// When the journal named it last.
    named: Mutex<Option<Instant>>,
}

/// A place among the running requests; free again when it is dropped.
#[derive(Debug)]
pub(super) struct Ticket {
    held: Option<Held>,
    is_known: bool,
    budget: Budget,
}

#[derive(Debug)]
struct Held {
    account: Arc<Account>,
    rate: Option<Rate>,
    start: Instant,
}

impl Ticket {
    /// Counts the further calls that one request carries.
    pub(super) fn charge(&self, calls: usize) -> Result<(), Failure> {
        match &self.held {
            Some(Held {
                account,
                rate: Some(rate),
                start,
            }) => {
                let now = nanos_since(*start);
                (0..calls).try_for_each(|_| account.admit(*rate, now))
            }
            _ => Ok(()),
        }
    }

    /// Memory to be held for the request; none yet.
    pub(super) fn memory(&self) -> Reserved {
        match &self.held {
            None => self.budget.host(),
            Some(held) if self.is_known => self.budget.known(held.account.memory.clone()),
            Some(held) => self.budget.stranger(Some(held.account.memory.clone())),
        }
    }

    /// The longest body that the caller may send to be held in memory, in bytes.
    pub(super) fn longest_body(&self, configured: usize) -> usize {
        if self.is_known {
            configured
        } else {
            configured.min(STRANGERS_BODY)
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if let Some(held) = &self.held {
            held.account.running.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Account {
    /// Whether the journal is to name it now: not again and again.
    fn is_news(&self) -> bool {
        let mut named = self.named.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = named.is_none_or(|last| last.elapsed() >= NAMED);
        if is_news {
            *named = Some(Instant::now());
        }
        is_news
    }

    fn admit(&self, rate: Rate, now: u64) -> Result<(), Failure> {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.admit(rate, now).map_err(Failure::Limited)
    }
}

fn nanos_since(start: Instant) -> u64 {
    u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

impl Limiter {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            budget: Budget::new(&limits),
            limits,
            start: Instant::now(),
            accounts: Mutex::default(),
        }
    }

    /// Lets a request in, or says when to come again. The host itself is never refused.
    pub(super) fn enter(
        &self,
        caller: &Caller,
        address: Option<IpAddr>,
    ) -> Result<Ticket, Failure> {
        let (subject, rate, at_once) = match caller {
            Caller::System => {
                return Ok(Ticket {
                    held: None,
                    is_known: true,
                    budget: self.budget.clone(),
                });
            }
            Caller::User(person) => (
                Subject::User(person.user.key.clone()),
                self.limits.known,
                self.limits.known_at_once,
            ),
            Caller::Service(service) => (
                Subject::Service(service.key.clone()),
                self.limits.known,
                self.limits.known_at_once,
            ),
            Caller::Anonymous => (
                Subject::Address(address.map(network)),
                self.limits.anonymous,
                self.limits.anonymous_at_once,
            ),
        };
        let now = nanos_since(self.start);
        let account = self.account(subject, now);
        if let Some(rate) = rate {
            account.admit(rate, now)?;
        }
        if account.running.fetch_add(1, Ordering::Relaxed) >= at_once {
            account.running.fetch_sub(1, Ordering::Relaxed);
            return Err(Failure::Limited(PAUSE));
        }
        Ok(Ticket {
            held: Some(Held {
                account,
                rate,
                start: self.start,
            }),
            is_known: caller.is_known(),
            budget: self.budget.clone(),
        })
    }

    /// Whether the journal is to name a caller that was refused. The host itself never is.
    pub(super) fn is_to_be_named(&self, caller: &Caller, address: Option<IpAddr>) -> bool {
        let subject = match caller {
            Caller::System => return false,
            Caller::User(person) => Subject::User(person.user.key.clone()),
            Caller::Service(service) => Subject::Service(service.key.clone()),
            Caller::Anonymous => Subject::Address(address.map(network)),
        };
        self.account(subject, nanos_since(self.start)).is_news()
    }

    /// The memory of all requests.
    pub(super) fn budget(&self) -> &Budget {
        &self.budget
    }

    fn account(&self, subject: Subject, now: u64) -> Arc<Account> {
        let mut accounts = self.accounts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(account) = accounts.get(&subject) {
            return account.clone();
        }
        if accounts.len() >= REMEMBERED {
            accounts.retain(|_, account| {
                account.running.load(Ordering::Relaxed) > 0
                    || !account
                        .bucket
                        .lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .is_idle(now)
            });
        }
        let memory = match subject {
            Subject::Address(_) => STRANGERS_BODY,
            Subject::User(_) | Subject::Service(_) => self.limits.memory_of_one,
        };
        let account = || {
            Arc::new(Account {
                bucket: Mutex::default(),
                running: AtomicUsize::new(0),
                memory: Counter::new(memory),
                named: Mutex::default(),
            })
        };
        accounts.entry(subject).or_insert_with(account).clone()
    }
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
        }
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limiter() -> Limiter {
        Limiter::new(Limits {
            anonymous: Some(Rate::per_minute(1, 3)),
            anonymous_at_once: 2,
            ..Limits::default()
        })
    }

    #[test]
    fn an_address_that_asks_for_too_much_does_not_hinder_another() {
        let limiter = limiter();
        let enter =
            |address: &str| limiter.enter(&Caller::Anonymous, Some(address.parse().unwrap()));
        let first = enter("10.0.0.1").unwrap();
        let _second = enter("10.0.0.1").unwrap();
        assert!(
            matches!(enter("10.0.0.1"), Err(Failure::Limited(PAUSE))),
            "two at once"
        );
        drop(first);
        assert!(
            matches!(enter("::ffff:10.0.0.1"), Err(Failure::Limited(wait)) if wait > PAUSE),
            "three in the burst"
        );
        enter("10.0.0.2").unwrap();
    }

    #[test]
    fn one_ipv6_network_is_one_visitor() {
        let limiter = limiter();
        for host in 1..=3 {
            drop(
                limiter
                    .enter(
                        &Caller::Anonymous,
                        Some(format!("2001:db8::{host}").parse().unwrap()),
                    )
                    .unwrap(),
            );
        }
        assert!(
            limiter
                .enter(&Caller::Anonymous, Some("2001:db8::99:4".parse().unwrap()))
                .is_err()
        );
        assert!(
            limiter
                .enter(&Caller::Anonymous, Some("2001:db8:0:1::1".parse().unwrap()))
                .is_ok()
        );
    }

    #[test]
    fn the_host_itself_is_never_refused() {
        let limiter = limiter();
        let tickets: Vec<_> = (0..1000)
            .map(|_| limiter.enter(&Caller::System, None).unwrap())
            .collect();
        assert_eq!(tickets.len(), 1000);
    }
}
