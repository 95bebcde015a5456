use super::*;
use crate::services::state::Failure;

fn core_service() -> ServiceRuntime {
    let configured = crate::config::CoreService {
        source_url: "builtin:adb".to_owned(),
        id: None,
        desired_version: None,
        config: None,
    };
    let layout = crate::layout::Layout::new(crate::layout::DEFAULT_STATE);
    let core = crate::services::core_service::built_in("adb", &configured, &layout);
    let mut core = core.unwrap();
    core.package = Ok("/usr/lib/atek/core/adb".into());
    ServiceRuntime::new(Definition::core(&core), PortSlot::default())
}

#[test]
fn a_core_service_is_started_again_after_every_failure_with_a_growing_pause() {
    let mut core = core_service();
    let mut pauses = Vec::new();
    for _ in 0..20 {
        core.on(&Event::Start);
        core.on(&Event::StartDone(Err("no attach slot".to_owned())));
        assert_eq!(
            core.state,
            ServiceState::Failed(Failure::NotStarted("no attach slot".to_owned()))
        );
        pauses.push(core.pause_before_retry().unwrap().as_secs());
        assert_eq!(core.on(&Event::Retry), Some(Some(Effect::StartUnit)));
        core.on(&Event::StopDone(Ok(())));
    }
    assert_eq!(pauses[..8], [1, 2, 4, 8, 16, 32, 60, 60]);
    assert_eq!(pauses[19], 60);
}

#[test]
fn a_core_service_that_was_stopped_is_not_started_again() {
    let mut core = core_service();
    core.on(&Event::Start);
    core.on(&Event::Stop);
    core.on(&Event::StopDone(Ok(())));
    assert_eq!(core.pause_before_retry(), None);
}
