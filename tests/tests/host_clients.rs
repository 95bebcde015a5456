//! The original's npm clients, unmodified, drive this host.

use atek_tests::host::{Host, original_clients};
use std::time::Duration;

#[tokio::test]
async fn the_original_npm_clients_work_unmodified() -> anyhow::Result<()> {
    let Some(clients) = original_clients() else {
        atek_tests::skip("the original's npm clients: the npm registry cannot be reached");
        return Ok(());
    };
    let host = Host::boot("npm-clients").await?;
    host.machine.copy_in(&clients, "/opt/clients").await?;
    host.machine
        .shell("echo 127.0.0.1 app.localhost >> /etc/hosts; chmod -R go+rX /opt/clients")
        .await?;
    let config: serde_json::Value =
        serde_json::from_str(&host.machine.read("/var/lib/atek/config.json").await?)?;
    let token = config["systemAuthTokens"][0].as_str().unwrap_or_default();
    let output = host
        .machine
        .exec_within(
            Duration::from_secs(180),
            [
                "env",
                "ATEK_HOST_PORT=80",
                &format!("ATEK_HOST_BEARER_TOKEN={token}"),
                "APP_SOURCE=file:///opt/clients/app",
                "APP_HOST=app.localhost:80",
                "node",
                "/opt/clients/drive.mjs",
            ],
            b"",
        )
        .await?;
    print!("{}", output.stdout);
    assert!(
        output.status.success(),
        "{}{}",
        output.stdout,
        output.stderr
    );
    assert_eq!(
        output.stdout.matches("held: ").count(),
        9,
        "{}",
        output.stdout
    );
    Ok(())
}
