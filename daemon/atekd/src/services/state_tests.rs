use super::*;
use proptest::prelude::*;

fn unit(phase: Phase, pid: u32, exit: Exit) -> Event {
    Event::Unit(Unit {
        phase,
        pid: (pid != 0).then_some(pid),
        exit,
    })
}

fn active(pid: u32) -> Event {
    unit(Phase::Active, pid, Exit::Code(0))
}

fn dead(exit: Exit) -> Event {
    unit(Phase::Dead, 0, exit)
}

/// Runs events from a state; ignored ones leave it. The last effect comes back.
fn run(from: Life, events: impl IntoIterator<Item = Event>) -> (Life, Option<Effect>) {
    events
        .into_iter()
        .fold((from, None), |(life, effect), event| {
            match life.on(&event) {
                Some(next) => next,
                None => (life, effect),
            }
        })
}

const NEW: Life = Stopped(Why::NotStarted);

#[test]
fn a_start_runs_when_the_socket_accepts_and_not_before() {
    let (life, effect) = run(NEW, [Event::Start]);
    assert_eq!(effect, Some(Effect::StartUnit));
    let (life, effect) = run(life, [active(7), Event::StartDone(Ok(()))]);
    assert_eq!(effect, Some(Effect::Probe));
    assert!(life.is_probing());
    let (life, _) = run(life, [Event::Listening { attached: true }]);
    assert_eq!(life, Running { pid: Some(7) });
}

#[test]
fn the_answer_of_a_start_may_come_before_the_unit_is_seen() {
    let (life, effect) = run(NEW, [Event::Start, Event::StartDone(Ok(()))]);
    assert_eq!(effect, Some(Effect::Probe));
    let listening = Event::Listening { attached: true };
    assert_eq!(
        run(life, [listening, active(7)]).0,
        Running { pid: Some(7) }
    );
}

#[test]
fn a_unit_that_runs_already_is_adopted_by_trying_its_socket() {
    let (life, effect) = run(NEW, [active(7)]);
    assert_eq!(effect, Some(Effect::Probe));
    let (adopted, _) = run(life.clone(), [Event::Listening { attached: true }]);
    assert_eq!(adopted, Running { pid: Some(7) });
    // Without its way to the host it is of no use: it is started anew.
    let (anew, effect) = run(life, [Event::Listening { attached: false }]);
    assert_eq!(
        anew,
        Stopping {
            by: By::Us,
            then: Then::Start
        }
    );
    assert_eq!(effect, Some(Effect::StopUnit));
}

#[test]
fn a_failure_that_systemd_will_mend_is_restarting_and_the_one_it_gives_up_on_is_failed() {
    let wait = unit(Phase::AutoRestart, 0, Exit::Code(3));
    let (life, effect) = run(Running { pid: Some(7) }, [wait.clone()]);
    assert_eq!(
        (life.clone(), effect),
        (
            Restarting {
                exit: Exit::Code(3)
            },
            None
        )
    );
    let (again, _) = run(
        life.clone(),
        [unit(Phase::Starting, 0, Exit::Code(3)), active(8)],
    );
    assert_eq!(
        again,
        Starting {
            step: Step::Probing { pid: Some(8) },
            after: Some(Exit::Code(3))
        }
    );
    // "Failed too often" does not hide what failed.
    let (failed, _) = run(again, [wait, unit(Phase::Failed, 0, Exit::StartLimit)]);
    assert_eq!(
        failed,
        Failed(Failure::Exit {
            exit: Exit::Code(3),
            gave_up: true
        })
    );
}

#[test]
fn a_service_that_does_not_listen_is_stopped_and_then_failed() {
    let probing = run(NEW, [Event::Start, Event::StartDone(Ok(()))]).0;
    let (life, effect) = run(probing, [Event::NotListening]);
    assert_eq!(effect, Some(Effect::StopUnit));
    assert_eq!(
        run(life, [Event::StopDone(Ok(()))]).0,
        Failed(Failure::NotListening)
    );
}

#[test]
fn what_an_administrator_does_is_shown_and_not_fought() {
    let stopping = unit(Phase::Stopping { asked: true }, 7, Exit::Code(0));
    let (life, effect) = run(
        Running { pid: Some(7) },
        [stopping.clone(), dead(Exit::Code(0))],
    );
    assert_eq!((life.clone(), effect), (Stopped(Why::Administrator), None));
    assert_eq!(
        run(life, [dead(Exit::Code(0))]).0,
        Stopped(Why::Administrator)
    );
    // systemctl restart: the same, and then it is there again.
    let (life, effect) = run(
        Running { pid: Some(7) },
        [stopping, unit(Phase::Starting, 0, Exit::Code(0)), active(9)],
    );
    assert_eq!(effect, Some(Effect::Probe));
    let listening = Event::Listening { attached: true };
    assert_eq!(run(life, [listening]).0, Running { pid: Some(9) });
    // systemctl stop while systemd waits to start it again.
    let waiting = Restarting {
        exit: Exit::Code(1),
    };
    assert_eq!(
        run(waiting, [dead(Exit::Code(1))]).0,
        Stopped(Why::Administrator)
    );
}

#[test]
fn a_process_that_ends_well_by_itself_is_stopped_for_that_reason() {
    let ended = [
        unit(Phase::Stopping { asked: false }, 0, Exit::Code(0)),
        dead(Exit::Code(0)),
    ];
    assert_eq!(run(Running { pid: Some(7) }, ended).0, Stopped(Why::Ended));
}

#[test]
fn a_stop_is_heard_while_a_start_is_under_way_and_its_last_words_change_nothing() {
    let (life, effect) = run(NEW, [Event::Start, Event::Stop]);
    assert_eq!(effect, Some(Effect::StopUnit));
    let late = [
        Event::StartDone(Ok(())),
        active(7),
        unit(Phase::Failed, 0, Exit::Signal(9)),
    ];
    let (life, _) = run(life, late);
    assert_eq!(
        life,
        Stopping {
            by: By::Us,
            then: Then::Stop(Why::Wanted)
        }
    );
    assert_eq!(run(life, [Event::StopDone(Ok(()))]).0, Stopped(Why::Wanted));
}

#[test]
fn a_restart_stops_first_and_a_later_stop_wins() {
    let (life, _) = run(Running { pid: Some(7) }, [Event::Restart]);
    let (started, effect) = run(life.clone(), [Event::StopDone(Ok(()))]);
    assert_eq!(effect, Some(Effect::StartUnit));
    assert!(matches!(
        started,
        Starting {
            step: Step::Asked,
            ..
        }
    ));
    assert_eq!(
        run(life, [Event::Stop, Event::StopDone(Ok(()))]).0,
        Stopped(Why::Wanted)
    );
}

#[test]
fn a_leftover_of_the_run_before_does_not_fail_a_new_start() {
    let (asked, _) = run(Failed(Failure::NotListening), [Event::Start]);
    assert_eq!(run(asked.clone(), [dead(Exit::Signal(15))]).0, asked);
}

#[test]
fn a_unit_that_could_not_be_stopped_is_shown_as_it_is() {
    let stopping = run(Running { pid: Some(7) }, [Event::Stop]).0;
    let unit = Unit {
        phase: Phase::Active,
        pid: Some(7),
        exit: Exit::Code(0),
    };
    let (life, effect) = run(stopping, [Event::StopDone(Err(unit))]);
    assert!(life.is_probing());
    assert_eq!(effect, Some(Effect::Probe));
}

#[test]
fn what_is_unavailable_stays_so() {
    let life = Unavailable("not there".to_owned());
    for event in [Event::Start, Event::Stop, Event::Restart, active(7)] {
        assert_eq!(life.on(&event), None);
    }
}

fn any_exit() -> impl Strategy<Value = Exit> {
    prop_oneof![
        (0..4).prop_map(Exit::Code),
        Just(Exit::Signal(9)),
        Just(Exit::OutOfMemory),
        Just(Exit::StartLimit)
    ]
}

fn any_unit() -> impl Strategy<Value = Unit> {
    let phase = prop_oneof![
        Just(Phase::Dead),
        Just(Phase::Starting),
        Just(Phase::Active),
        any::<bool>().prop_map(|asked| Phase::Stopping { asked }),
        Just(Phase::AutoRestart),
        Just(Phase::Failed),
    ];
    (phase, prop::option::of(1u32..4), any_exit()).prop_map(|(phase, pid, exit)| Unit {
        phase,
        pid,
        exit,
    })
}

fn any_event() -> impl Strategy<Value = Event> {
    prop_oneof![
        Just(Event::Start),
        Just(Event::Restart),
        Just(Event::Stop),
        Just(Event::Sleep),
        prop_oneof![Just(Ok(())), Just(Err("no".to_owned()))].prop_map(Event::StartDone),
        prop_oneof![Just(Ok(())), any_unit().prop_map(Err)].prop_map(Event::StopDone),
        any_unit().prop_map(Event::Unit),
        any::<bool>().prop_map(|attached| Event::Listening { attached }),
        Just(Event::NotListening),
        Just(Event::Orphaned),
    ]
}

proptest! {
    #[test]
    fn whatever_happened_before_a_start_can_succeed(
        events in prop::collection::vec(any_event(), 0..40)
    ) {
        let life = run(NEW, events).0;
        let settled = run(life, [Event::StopDone(Ok(())), Event::Start, Event::StopDone(Ok(()))]).0;
        let ready = [
            Event::StartDone(Ok(())),
            active(1),
            Event::Listening { attached: true },
        ];
        let running = run(settled, ready).0;
        prop_assert!(matches!(running, Running { .. }), "{running:?}");
    }

    #[test]
    fn whatever_happened_before_a_stop_ends_stopped(
        events in prop::collection::vec(any_event(), 0..40)
    ) {
        let life = run(NEW, events).0;
        let stopped = run(life, [Event::Stop, Event::StopDone(Ok(()))]).0;
        prop_assert!(matches!(stopped, Stopped(_)), "{stopped:?}");
    }

    #[test]
    fn a_service_only_runs_after_its_socket_accepted(
        events in prop::collection::vec(any_event(), 0..40)
    ) {
        let mut life = NEW;
        for event in events {
            let Some((next, effect)) = life.on(&event) else { continue };
            let runs = matches!(next, Running { .. }) && !matches!(life, Running { .. });
            let heard = event == Event::Listening { attached: true };
            prop_assert!(!runs || heard);
            // Each wish of ours begins exactly what its state waits for.
            prop_assert_eq!(
                effect == Some(Effect::StartUnit),
                matches!(next, Starting { step: Step::Asked, .. })
                    && !matches!(life, Starting { step: Step::Asked, .. })
            );
            prop_assert!(!next.is_probing() || life.is_probing() || effect == Some(Effect::Probe));
            life = next;
        }
    }
}
