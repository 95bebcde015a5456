//! Every recipe of the catalogue that comes with Atek, checked as its maintainers do: installed
//! from the registry, used, restarted and uninstalled on a booted host.
//!
//! `ATEK_RECORD=1` writes what was found into the recipes of this checkout, `ATEK_RECIPES` names
//! some of them.

use atek_tests::host::Host;
use atek_tests::{Machine, paths};
use std::fs;
use std::time::Duration;

/// More than twenty programs, on a machine that has much else to do.
const LONG: Duration = Duration::from_secs(3600);

#[tokio::test]
async fn every_recipe_passes_its_check() -> anyhow::Result<()> {
    let machine = Machine::builder("catalogue-check").internet(true);
    let host = Host::on(machine).await?;
    host.claimed().await?;
    let catalogue = paths::repository().join("image/catalogue");
    host.machine.copy_in(&catalogue, "/srv/catalogue").await?;
    let some = std::env::var("ATEK_RECIPES").unwrap_or_default();
    let mut words = vec!["atek", "catalogue", "check", "/srv/catalogue", "--record"];
    words.extend(some.split_whitespace());
    let outcome = host.machine.exec_within(LONG, words, b"").await?;
    println!("{}{}", outcome.stdout, outcome.stderr);
    if std::env::var_os("ATEK_RECORD").is_some() {
        for entry in fs::read_dir(catalogue.join("recipes"))? {
            let name = entry?.file_name().to_string_lossy().into_owned();
            let path = format!("recipes/{name}/recipe.json");
            let text = host.machine.read(&format!("/srv/catalogue/{path}")).await?;
            fs::write(catalogue.join(path), text)?;
        }
    }
    assert!(
        outcome.status.success(),
        "a recipe failed: {}",
        outcome.stdout
    );
    Ok(())
}
