//! Apps of private repositories, from a git server with a certificate of an authority of one's own.

use anyhow::Context as _;
use atek_tests::browser::BrowserStory;
use atek_tests::git_remote::PrivateRemote;
use atek_tests::host::Host;
use std::time::Duration;

const TOKEN: &str = "glpat-hunter2";

/// The guide for authors, whose commands are run.
const GUIDE: &str = include_str!("../../docs/apps.md");

/// A fetch and a start, on a machine that has much else to do.
const PATIENCE: Duration = Duration::from_secs(120);

/// What a command said, and whether it succeeded.
async fn atek(host: &Host, words: &str, input: &str) -> anyhow::Result<(bool, String)> {
    let words = std::iter::once("atek").chain(words.split_whitespace());
    let done = host
        .machine
        .exec_within(PATIENCE, words, input.as_bytes())
        .await?;
    let said = format!("{}{}", done.stdout, done.stderr);
    Ok((done.status.success(), said))
}

/// The same of a command that succeeds.
async fn atek_does(host: &Host, words: &str, input: &str) -> anyhow::Result<String> {
    let (done, said) = atek(host, words, input).await?;
    assert!(done, "atek {words}: {said}");
    Ok(said)
}

/// The same of one that does not, and says this.
async fn atek_refuses(host: &Host, words: &str, input: &str, why: &str) -> anyhow::Result<()> {
    let (done, said) = atek(host, words, input).await?;
    assert!(!done && said.contains(why), "atek {words}: {said}");
    Ok(())
}

/// The files of the box that have the token, with their mode and owner; of processes their
/// arguments and environment.
async fn places_of_the_token(host: &Host) -> anyhow::Result<String> {
    // The pattern comes by standard input, so that this search does not find itself.
    let script = "cat >/dev/shm/pattern
        found=$(grep --recursive --files-with-matches --text --file=/dev/shm/pattern \
          --devices=skip /etc /home /opt /root /run /srv /tmp /var 2>/dev/null || true)
        [ -z \"$found\" ] || stat --format='%a %U %n' $found
        for file in /proc/[0-9]*/cmdline /proc/[0-9]*/environ; do
          ! grep --quiet --text --file=/dev/shm/pattern $file 2>/dev/null || echo $file
        done
        journalctl --quiet --output=export | grep --text --file=/dev/shm/pattern || true
        rm /dev/shm/pattern";
    let words = ["sh", "-euc", script];
    let done = host.machine.exec_within(PATIENCE, words, TOKEN.as_bytes());
    let done = done.await?;
    assert!(done.status.success(), "{}", done.stderr);
    Ok(done.stdout)
}

/// The commands of the guide, for another repository. The test runs in the root folder.
fn guide(url: &str) -> anyhow::Result<[String; 2]> {
    let block = GUIDE.split("```sh\n").nth(1).context("a block")?;
    let commands = block.split("```").next().unwrap_or_default();
    let commands: Vec<_> = commands
        .lines()
        .map(|line| line.trim_start_matches("atek "))
        .map(|line| line.replace("https://git.example.org/ada/counter.git", url))
        .map(|line| {
            line.replace("token.txt", "/token.txt")
                .replace("new-/", "/new-")
        })
        .collect();
    let commands: [String; 2] = commands
        .try_into()
        .map_err(|other| anyhow::anyhow!("two commands: {other:?}"))?;
    Ok(commands)
}

#[tokio::test]
async fn an_app_of_a_private_repository_is_installed_and_updated_as_the_guide_says()
-> anyhow::Result<()> {
    let host = Host::boot("private").await?;
    host.person("alice", "admin").await?;
    let private = PrivateRemote::new("notes", host.machine.gateway()?, TOKEN)?;
    private.remote.tag_app("v1.0.0", "hello-node")?;
    let url = private.url();
    let install = format!("install {url} --id notes --user alice --yes");

    // Its certificate is of an authority that only this house knows.
    atek_refuses(&host, &install, "", "cannot be verified").await?;
    host.machine
        .write("/root/house.pem", private.authority()?)
        .await?;
    let added = atek_does(&host, "authorities --add /root/house.pem", "").await?;
    assert!(added.contains("CN=House-of-notes"), "{added}");

    atek_refuses(&host, &install, "", "is read with an access token").await?;
    let with_token = format!("{install} --source-token -");
    atek_refuses(
        &host,
        &with_token,
        "hunter3\n",
        "does not take the access token",
    )
    .await?;
    let in_the_clear = with_token.replace(&url, &private.remote.url());
    atek_refuses(&host, &in_the_clear, TOKEN, "https:// address").await?;
    let done = atek_does(&host, &with_token, &format!("{TOKEN}\n")).await?;
    assert!(done.contains("installed notes"), "{done}");
    host.service_is("notes", "running").await?;

    // It is in one file, which the host alone can read.
    let key = host.service("notes").await?["key"].clone();
    let key = key.as_str().unwrap_or_default().to_owned();
    let file = format!("600 atek /var/lib/atek/source-tokens/{key}.json\n");
    assert_eq!(places_of_the_token(&host).await?, file);

    // Updates have it, also after a restart of the host.
    private.remote.tag_app("v1.1.0", "hello-node")?;
    host.machine.exec(["systemctl", "restart", "atekd"]).await?;
    host.ready().await?;
    let updated = atek_does(&host, "update notes --yes", "").await?;
    assert!(updated.contains("v1.1.0"), "{updated}");

    // Another server does not get it.
    let other = PrivateRemote::new("other", host.machine.gateway()?, "another")?;
    other.remote.tag_app("v2.0.0", "hello-node")?;
    host.machine
        .write("/root/other.pem", other.authority()?)
        .await?;
    atek_does(&host, "authorities --add /root/other.pem", "").await?;
    atek_does(&host, &format!("cfg notes --sourceUrl {}", other.url()), "").await?;
    atek_refuses(&host, "update notes --check", "", "access token").await?;
    let asked = other.asked();
    assert!(
        !asked.is_empty() && asked.iter().all(|what| what == "none"),
        "{asked:?}"
    );

    // A new token, and none.
    atek_does(&host, "cfg notes --source-token -", "another\n").await?;
    let found = atek_does(&host, "update notes --check", "").await?;
    assert!(found.contains("v2.0.0"), "{found}");
    assert_eq!(places_of_the_token(&host).await?, "");
    // As the guide says it.
    let [install, change] = guide(&url)?;
    atek_does(&host, "uninstall notes --yes", "").await?;
    host.machine.write("/token.txt", TOKEN).await?;
    host.machine.write("/new-token.txt", TOKEN).await?;
    atek_does(&host, &format!("{install} --id counter --yes"), "").await?;
    atek_does(&host, &change, "").await?;
    atek_does(&host, "cfg counter --no-source-token", "").await?;
    atek_refuses(&host, "update counter --check", "", "access token").await?;
    atek_does(&host, &change, "").await?;
    atek_does(&host, "uninstall counter --yes", "").await?;
    let left = host.machine.shell("ls /var/lib/atek/source-tokens").await?;
    assert_eq!(left, "");
    let listed = atek_does(&host, "authorities", "").await?;
    let fingerprint = listed
        .lines()
        .find(|line| line.contains("House-of-notes"))
        .and_then(|line| line.split_whitespace().last())
        .unwrap_or_default();
    atek_does(&host, &format!("authorities --remove {fingerprint}"), "").await?;
    atek_refuses(&host, &with_token, TOKEN, "cannot be verified").await
}

#[tokio::test]
async fn a_person_gives_the_token_of_a_private_repository_on_the_page() -> anyhow::Result<()> {
    let host = Host::boot("web-private").await?;
    let private = PrivateRemote::new("notes", host.machine.gateway()?, TOKEN)?;
    private.remote.tag_app("v1.0.0", "hello-node")?;
    host.machine
        .write("/root/house.pem", private.authority()?)
        .await?;
    host.machine
        .exec(["atek", "authorities", "--add", "/root/house.pem"])
        .await?;
    let url = private.url();
    BrowserStory::new(host)
        .with_url("notes", url)
        .run("private")
        .await
}
