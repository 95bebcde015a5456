//! `atek start`, `stop`, `restart`: silent when all is well.

use crate::error::Failure;
use crate::host::Host;

/// What to do with services.
#[derive(Debug, Clone, Copy)]
pub(super) enum Verb {
    Start,
    Stop,
    Restart,
}

impl Verb {
    fn name(self) -> &'static str {
        match self {
            Verb::Start => "start",
            Verb::Stop => "stop",
            Verb::Restart => "restart",
        }
    }
}

/// Goes through all services even if one of them fails.
pub(super) async fn run(host: &Host, verb: Verb, ids: &[String]) -> Result<(), Failure> {
    let mut failures = Vec::new();
    for id in ids {
        match host.on_service(verb.name(), (id,), verb.name(), id).await {
            Ok(answer) if host.out.json => host.out.print_json(&answer)?,
            Ok(_) => {}
            Err(failure) => failures.push(failure),
        }
    }
    all_or_several(host, failures, ids.len())
}

/// One failure of one thing is that failure; of several things, each is told and then counted.
pub(super) fn all_or_several(
    host: &Host,
    mut failures: Vec<Failure>,
    total: usize,
) -> Result<(), Failure> {
    if total == 1 {
        return failures.pop().map_or(Ok(()), Err);
    }
    let Some(first) = failures.first() else {
        return Ok(());
    };
    let exit = first.exit_code();
    for failure in &failures {
        host.out.failure(failure);
    }
    Err(Failure::Several {
        failed: failures.len(),
        total,
        exit,
    })
}
