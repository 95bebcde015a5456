//! Catalogues on a booted host: the one that came with it, and one that is added, published
//! again, tampered with, out of reach, and removed.

use atek_tests::git_remote::GitRemote;
use atek_tests::host::Host;
use atek_tests::http::RpcError;
use atek_tests::minisign::Key;
use atek_tests::paths;
use serde_json::{Value, json};
use std::fs;
use std::process::Command;

const CATALOGUE: &str = "atek.cloud/catalogue-api";

/// A picture of a catalogue.
const ICON: &str = "<svg xmlns='http://www.w3.org/2000/svg'><rect width='8' height='8'/></svg>";

/// A catalogue in a repository, and the key of its maintainer.
struct Published {
    remote: GitRemote,
    key: Key,
}

impl Published {
    fn new(host: &Host) -> anyhow::Result<Self> {
        let remote = GitRemote::new("garden", host.machine.gateway()?)?;
        remote.write("catalogue.json", r#"{ "title": "The garden" }"#)?;
        let key = Key::generate()?;
        Ok(Self { remote, key })
    }

    /// Puts a recipe into the working folder.
    fn write(&self, name: &str, title: &str) -> anyhow::Result<&Self> {
        let recipe = json!({
            "title": title, "summary": { "en": "Waters the plants.", "de": "Gießt die Pflanzen." },
            "categories": ["automation"], "version": "1.0.0", "upstream": { "npm": "garden" },
            "icon": "icon.svg",
        });
        let lock = json!({ "lockfileVersion": 3, "packages": { "node_modules/garden": {
            "version": "1.0.0", "integrity": "sha512-x", "resolved": "https://example.org/x.tgz",
        }}});
        let package = json!({ "dependencies": { "garden": "1.0.0" } });
        for (file, text) in [
            ("recipe.json", recipe.to_string()),
            ("atek.json", json!({ "port": "auto" }).to_string()),
            ("package.json", package.to_string()),
            ("package-lock.json", lock.to_string()),
            ("icon.svg", ICON.to_owned()),
        ] {
            self.remote.write(&format!("recipes/{name}/{file}"), text)?;
        }
        Ok(self)
    }

    /// Makes the index with the maintainer's own tool.
    fn index(&self) -> anyhow::Result<&Self> {
        let made = Command::new(paths::program("atek")?)
            .args(["catalogue", "index"])
            .arg(self.remote.work())
            .output()?;
        let said = String::from_utf8_lossy(&made.stderr).into_owned();
        assert!(made.status.success(), "{said}");
        Ok(self)
    }

    fn sign(&self) -> anyhow::Result<&Self> {
        self.key.sign(&self.remote.work().join("index.json"))?;
        Ok(self)
    }

    fn publish(&self, tag: &str) -> anyhow::Result<()> {
        self.remote.tag(tag).map(drop)
    }
}

async fn call(host: &Host, method: &str, params: Value) -> anyhow::Result<Value> {
    host.system()?.call(CATALOGUE, method, params).await
}

/// What the host refuses a call with.
async fn refusal(host: &Host, method: &str, params: Value) -> anyhow::Result<String> {
    let error = call(host, method, params).await.expect_err("a refusal");
    Ok(error.downcast::<RpcError>()?.message)
}

async fn titles(host: &Host, words: &str) -> anyhow::Result<Vec<String>> {
    let found = call(host, "search", json!([{ "words": words }])).await?;
    let recipes = found["recipes"].as_array().cloned().unwrap_or_default();
    let title = |recipe: &Value| recipe["title"].as_str().unwrap_or_default().to_owned();
    Ok(recipes.iter().map(title).collect())
}

#[tokio::test]
async fn the_catalogue_of_the_system_is_searched_without_a_network() -> anyhow::Result<()> {
    let host = Host::boot("catalogue").await?;
    let alice = host.person("alice", "admin").await?;
    let found = host.machine.exec(["atek", "search", "notizbuch"]).await?;
    assert!(found.contains("tiddlywiki"), "{found}");
    let all = titles(&host, "").await?;
    assert!(all.len() >= 15, "{all:?}");

    let picture = "/_atek/catalogue/atek/tiddlywiki/icon.svg";
    let icon = alice.client.get(picture).await?;
    assert_eq!(
        (icon.status, icon.header("content-type")),
        (200, "image/svg+xml")
    );
    let policy = icon.header("content-security-policy");
    assert!(
        policy.contains("default-src 'none'") && policy.contains("sandbox"),
        "{policy}"
    );
    assert_eq!(host.stranger().get(picture).await?.status, 401);
    for path in [
        "atek.json",
        "..%2Fverdaccio%2Ficon.svg",
        "%2e%2e/verdaccio/icon.svg",
    ] {
        let path = format!("/_atek/catalogue/atek/tiddlywiki/{path}");
        assert_eq!(alice.client.get(&path).await?.status, 404, "{path}");
    }

    let unknown = host
        .machine
        .try_exec(["atek", "install", "no-such-app"])
        .await?;
    assert_eq!(unknown.status.code(), Some(2));
    assert!(unknown.stderr.contains("atek search"), "{}", unknown.stderr);
    // A folder of this name is what is meant.
    host.machine
        .write("/srv/here/tiddlywiki/index.js", "process.exit(7)")
        .await?;
    let script = "cd /srv/here && atek install tiddlywiki --json || true";
    let installed = host.machine.shell(script).await?;
    assert!(
        installed.contains("file:///srv/here/tiddlywiki"),
        "{installed}"
    );
    let shipped = refusal(&host, "remove", json!(["atek"])).await?;
    assert!(shipped.contains("part of Atek"), "{shipped}");
    Ok(())
}

#[tokio::test]
async fn an_added_catalogue_is_what_its_maintainer_signed_and_nothing_else() -> anyhow::Result<()> {
    let host = Host::boot("catalogue-added").await?;
    let garden = Published::new(&host)?;
    garden
        .write("sprinkler", "Sprinkler")?
        .index()?
        .sign()?
        .publish("v1.0.0")?;
    let with = |key: &str| json!([{ "url": garden.remote.url(), "key": key }]);
    let other = refusal(&host, "add", with(&Key::generate()?.public)).await?;
    assert!(other.contains("signature of index.json"), "{other}");
    assert!(titles(&host, "sprinkler").await?.is_empty());
    let none = host
        .machine
        .shell("ls -d /var/lib/atek/packages/catalogue-* || true")
        .await?;
    assert_eq!(none, "", "a refused copy is left");
    let added = call(&host, "add", with(&garden.key.public)).await?;
    assert_eq!(
        (&added["title"], &added["serial"]),
        (&json!("The garden"), &json!(1))
    );
    assert_eq!(titles(&host, "sprinkler").await?, ["Sprinkler"]);
    let again = refusal(&host, "add", with(&garden.key.public)).await?;
    assert!(again.contains("already"), "{again}");

    // A recipe that was changed after the index was signed.
    garden.write("sprinkler", "Trojan")?.publish("v1.1.0")?;
    let changed = refusal(&host, "refresh", json!(["garden"])).await?;
    assert!(changed.contains("differs"), "{changed}");
    // An index that was made again, and signed by another key.
    garden.index()?;
    Key::generate()?.sign(&garden.remote.work().join("index.json"))?;
    garden.publish("v1.2.0")?;
    let forged = refusal(&host, "refresh", json!(["garden"])).await?;
    assert!(forged.contains("signature of index.json"), "{forged}");
    assert_eq!(
        titles(&host, "trojan").await?,
        [""; 0],
        "the old copy stays"
    );
    assert_eq!(titles(&host, "sprinkler").await?, ["Sprinkler"]);
    let list = host.machine.try_exec(["atek", "catalogue", "ls"]).await?;
    assert!(list.stderr.contains("was not refreshed"), "{}", list.stderr);

    // The maintainer's next one, and then an old one that was signed, too.
    let old = fs::read(garden.remote.work().join("index.json"))?;
    garden
        .write("sprinkler", "Sprinkler II")?
        .write("hose", "Hose")?;
    garden.index()?.sign()?.publish("v1.3.0")?;
    let refreshed = call(&host, "refresh", json!(["garden"])).await?;
    assert_eq!(
        (&refreshed["serial"], &refreshed["recipes"]),
        (&json!(3), &json!(2))
    );
    assert!(refreshed.get("problem").is_none(), "{refreshed}");
    fs::write(garden.remote.work().join("index.json"), old)?;
    garden.remote.git(["rm", "-r", "--quiet", "recipes/hose"])?;
    garden
        .write("sprinkler", "Trojan")?
        .sign()?
        .publish("v1.4.0")?;
    let replayed = refusal(&host, "refresh", json!(["garden"])).await?;
    assert!(replayed.contains("old copy"), "{replayed}");

    // Without the repository, over a restart.
    drop(garden);
    host.machine.exec(["systemctl", "restart", "atekd"]).await?;
    host.ready().await?;
    assert_eq!(titles(&host, "hose").await?, ["Hose"]);
    let gone = refusal(&host, "refresh", json!(["garden"])).await?;
    assert!(gone.contains("could not be fetched"), "{gone}");
    assert_eq!(titles(&host, "hose").await?, ["Hose"]);
    let copies = "ls -d /var/lib/atek/packages/catalogue-* | wc -l";
    assert_eq!(host.machine.shell(copies).await?.trim(), "1");
    call(&host, "remove", json!(["garden"])).await?;
    assert_eq!(host.machine.shell(copies).await?.trim(), "0");
    assert!(titles(&host, "hose").await?.is_empty());
    Ok(())
}
