//! Programs of Debian as container images, used by their own clients.

mod images;

use anyhow::Context as _;
use atek_tests::debian_images::DebianImages;
use atek_tests::host::{Host, Person, SERVICES};
use atek_tests::{registry::Registry, skip};
use images::{nothing_is_left, registry};
use serde_json::json;
use tokio::process::Command;

/// Installs an image for alice under its own name.
async fn install(
    host: &Host,
    registry: &Registry,
    images: &DebianImages,
    name: &str,
) -> anyhow::Result<()> {
    images.push(name, registry, "1.0.0")?;
    let params = json!({ "sourceUrl": registry.source(name), "id": name, "user": "alice" });
    host.install_from(params).await?;
    host.service_is(name, "running").await?;
    Ok(())
}

async fn restart(host: &Host, name: &str) -> anyhow::Result<()> {
    host.system()?
        .call(SERVICES, "restart", json!([name]))
        .await?;
    host.service_is(name, "running").await?;
    Ok(())
}

/// Runs a program of an image beside its app: in its network, with the image's files.
async fn beside(host: &Host, name: &str, words: &str) -> anyhow::Result<String> {
    let pid = host.pid(name).await?;
    let key = host.service(name).await?["key"]
        .as_str()
        .context("no key")?
        .to_owned();
    let root = format!("/var/lib/atek/packages/{key}/current/rootfs");
    let script = format!("nsenter --target {pid} --net chroot {root} {words}");
    Ok(host.machine.shell(&script).await?.trim().to_owned())
}

/// Runs a Python program of this machine with the app's address and cookie as its arguments;
/// `None` (and a skip is recorded) where its module is not installed.
async fn python(
    host: &Host,
    person: &Person,
    name: &str,
    program: &str,
) -> anyhow::Result<Option<String>> {
    let cookie = host.visit_cookie(person, name).await?;
    let output = Command::new("/usr/bin/python3")
        .args(["-c", program, &host.machine.address()?.to_string(), &cookie])
        .output()
        .await?;
    let errors = String::from_utf8_lossy(&output.stderr);
    if errors.contains("ModuleNotFoundError") {
        skip("python3-paho-mqtt or python3-caldav is not installed");
        return Ok(None);
    }
    anyhow::ensure!(output.status.success(), "{name}: {errors}");
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    Ok(Some(said))
}

const MQTT: &str = r#"
import sys, threading
import paho.mqtt.client as mqtt
address, cookie = sys.argv[1:3]
client = mqtt.Client(transport="websockets")
client.ws_set_options(path="/mqtt", headers={
    "Host": "mosquitto.localhost", "Origin": "http://mosquitto.localhost",
    "Cookie": "atek-session=" + cookie})
done = threading.Event()
def connected(client, data, flags, code):
    client.subscribe("home/#", qos=1)
def subscribed(client, data, mid, granted):
    client.publish("home/door", "open", qos=1, retain=True)
def message(client, data, message):
    print(message.topic, message.payload.decode(), message.retain, flush=True)
    done.set()
client.on_connect, client.on_subscribe, client.on_message = connected, subscribed, message
client.connect(address, 80)
client.loop_start()
sys.exit(0 if done.wait(60) else "no message came")
"#;

#[tokio::test]
async fn mosquitto_answers_its_clients_and_keeps_what_is_retained() -> anyhow::Result<()> {
    let host = Host::boot("images-mosquitto").await?;
    let Some((registry, images)) = registry(&host)? else {
        return Ok(());
    };
    let alice = host.person("alice", "admin").await?;
    install(&host, &registry, &images, "mosquitto").await?;
    let Some(said) = python(&host, &alice, "mosquitto", MQTT).await? else {
        return Ok(());
    };
    assert_eq!(said, "home/door open 0");
    // It writes them when it is asked to end.
    restart(&host, "mosquitto").await?;
    let kept = beside(
        &host,
        "mosquitto",
        "mosquitto_sub -h 127.0.0.1 -t home/door -C 1 -W 60",
    );
    assert_eq!(kept.await?, "open");
    Ok(())
}

const CALENDAR: &str = r#"
import sys, caldav
address, cookie = sys.argv[1:3]
client = caldav.DAVClient(f"http://{address}/", username="alice", password="x")
client.headers.update({"Host": "radicale.localhost", "Cookie": "atek-session=" + cookie})
calendar = client.calendar(url=f"http://{address}/alice/family/")
try:
    calendar.events()
except caldav.lib.error.NotFoundError:
    client.request(f"http://{address}/alice/", "MKCOL")
    client.request(f"http://{address}/alice/family/", "MKCALENDAR")
    calendar.save_event("""BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//atek//test//EN
BEGIN:VEVENT
UID:one
DTSTAMP:20261129T000000Z
DTSTART:20261224T180000Z
SUMMARY:Dinner
END:VEVENT
END:VCALENDAR
""")
print([event.vobject_instance.vevent.summary.value for event in calendar.events()])
"#;

#[tokio::test]
async fn radicale_keeps_a_calendar_for_a_calendars_client() -> anyhow::Result<()> {
    let host = Host::boot("images-radicale").await?;
    let Some((registry, images)) = registry(&host)? else {
        return Ok(());
    };
    let alice = host.person("alice", "admin").await?;
    install(&host, &registry, &images, "radicale").await?;
    let Some(said) = python(&host, &alice, "radicale", CALENDAR).await? else {
        return Ok(());
    };
    assert_eq!(said, "['Dinner']");
    restart(&host, "radicale").await?;
    let said = python(&host, &alice, "radicale", CALENDAR).await?;
    assert_eq!(said.as_deref(), Some("['Dinner']"));
    Ok(())
}

#[tokio::test]
async fn nginx_insists_on_root_and_is_told_that_it_is() -> anyhow::Result<()> {
    let host = Host::boot("images-nginx").await?;
    let Some((registry, images)) = registry(&host)? else {
        return Ok(());
    };
    let alice = host.person("alice", "admin").await?;
    images.push("nginx", &registry, "1.0.0")?;
    let params = json!({ "sourceUrl": registry.source("nginx"), "id": "nginx", "user": "alice" });
    host.install_from(params).await?;
    // Without the permission it says what it wants; a person sees what that is, and allows it.
    let journal = host.machine.journal("atek-app-nginx").await?;
    anyhow::ensure!(journal.contains("this image wants to be root"), "{journal}");
    host.machine.exec(["atek", "stop", "nginx"]).await?;
    let allow = ["atek", "cfg", "nginx", "--allow", "root"];
    host.machine.exec(allow).await?;
    let list = host
        .machine
        .exec(["atek", "permissions", "list", "nginx"])
        .await?;
    anyhow::ensure!(
        list.contains("be started as root of its own files"),
        "{list}"
    );
    host.machine.exec(["atek", "start", "nginx"]).await?;
    host.service_is("nginx", "running").await?;
    let said = host.page(&alice, "nginx", "/").await?;
    anyhow::ensure!(said == "from nginx\n", "{said}");
    // Its master is root to itself and the app's user to the box; so are its workers and files.
    let key = host.service("nginx").await?["key"]
        .as_str()
        .context("no key")?
        .to_owned();
    let pids = "cat /sys/fs/cgroup/*/*/*/atek-app-nginx.service/cgroup.procs \
                /sys/fs/cgroup/*/*/atek-app-nginx.service/cgroup.procs 2>/dev/null";
    let script = format!(
        "for pid in $({pids}); do stat -c %u /proc/$pid; grep -h -E '^Cap(Prm|Eff|Bnd)' /proc/$pid/status; done; \
         stat -c %u $(find /var/lib/private/atek-app-{key}/volumes/0/*)"
    );
    let said = host.machine.shell(&script).await?;
    let (capabilities, owners): (Vec<&str>, Vec<&str>) =
        said.lines().partition(|line| line.starts_with("Cap"));
    anyhow::ensure!(owners.len() >= 4 && !owners.contains(&"0"), "{said}");
    let last = |line: &&str| line.ends_with("\t0000000000000000");
    // The parent of the program, which is the host's own, is not given up by its own start.
    let none = capabilities.iter().filter(|line| last(line)).count();
    anyhow::ensure!(none >= 6, "{said}");
    // What it logs to its standard streams is its log.
    let journal = host.machine.journal("atek-app-nginx").await?;
    anyhow::ensure!(journal.contains("\"GET / HTTP/1.1\" 200"), "{journal}");
    anyhow::ensure!(journal.contains("start worker process"), "{journal}");
    restart(&host, "nginx").await?;
    let said = host.page(&alice, "nginx", "/").await?;
    anyhow::ensure!(said == "from nginx\n", "{said}");
    host.system()?
        .call(SERVICES, "uninstall", json!(["nginx"]))
        .await?;
    nothing_is_left(&host).await
}

#[tokio::test]
async fn redis_and_postgres_run_as_the_users_of_their_images() -> anyhow::Result<()> {
    let host = Host::boot("images-databases").await?;
    let Some((registry, images)) = registry(&host)? else {
        return Ok(());
    };
    host.person("alice", "admin").await?;
    install(&host, &registry, &images, "redis").await?;
    let set = beside(&host, "redis", "redis-cli set door open").await?;
    assert_eq!(set, "OK");

    // Its entrypoint ends unless the user is called postgres.
    install(&host, &registry, &images, "postgres").await?;
    let query = async |text: &str| {
        let psql = "/usr/lib/postgresql/17/bin/psql -h 127.0.0.1 -U postgres -Atc";
        beside(&host, "postgres", &format!("{psql} '{text}'")).await
    };
    query("create table door (state text)").await?;
    query("insert into door values ($$open$$)").await?;
    // Asked to end by the image's own signal, it says so.
    let words = ["systemctl", "show", "-P", "KillSignal", "atek-app-postgres"];
    assert_eq!(host.machine.exec(words).await?.trim(), "2");
    restart(&host, "postgres").await?;
    assert_eq!(query("select state from door").await?, "open");
    let journal = host.machine.journal("atek-app-postgres").await?;
    assert!(
        journal.contains("received fast shutdown request"),
        "{journal}"
    );
    restart(&host, "redis").await?;
    assert_eq!(beside(&host, "redis", "redis-cli get door").await?, "open");
    for name in ["redis", "postgres"] {
        host.system()?
            .call(SERVICES, "uninstall", json!([name]))
            .await?;
    }
    nothing_is_left(&host).await
}
