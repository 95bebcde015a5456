//! People with a browser before a booted host. The stories are in `tests/web/scenarios/`.

use atek_tests::browser::Stage;
use atek_tests::host::Host;

#[tokio::test]
async fn a_person_signs_in_and_out() -> anyhow::Result<()> {
    let host = Host::boot("web-sign-in").await?;
    Stage::new(host).play("sign_in").await
}
