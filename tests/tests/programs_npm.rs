//! Programs of the npm registry, unchanged: each is a dependency of a small repository that says
//! how it is started, installed from git, opened and used in a browser, restarted and uninstalled.
//! The browser's part is in `tests/web/scenarios/program_*.mjs`.
//!
//! The lockfiles, which fix the versions, and what npm fetched are kept in the cache
//! (`$ATEK_CACHE`), so that a second run needs no network. Each test prints the row of its program
//! in the table of README.md.

use anyhow::Context as _;
use atek_tests::browser::BrowserStory;
use atek_tests::git_remote::GitRemote;
use atek_tests::host::{Host, Person, SERVICES, SOON};
use atek_tests::http::{Client, Response};
use atek_tests::{Builder, Machine, Seen, npm, skip, wait_for};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// The guide for authors, whose example is one of the programs.
const GUIDE: &str = include_str!("../../docs/apps.md");

/// An install with its dependencies, on a machine that has much else to do.
const INSTALL: Duration = Duration::from_secs(600);

/// A repository whose app is a program of the registry.
struct Recipe {
    name: &'static str,
    /// The exact version of the program.
    version: &'static str,
    atek: Value,
    /// More of its package.json: scripts, other dependencies.
    package: Value,
    /// Further files of the repository; `@REGISTRY@` is the registry that npm here asks.
    files: &'static [(&'static str, &'static str)],
}

impl Recipe {
    fn package_json(&self) -> String {
        let mut package = json!({
            "name": "recipe",
            "version": "1.0.0",
            "private": true,
            "dependencies": { self.name: self.version },
        });
        for (key, value) in self.package.as_object().into_iter().flatten() {
            match (
                package.get_mut(key).and_then(Value::as_object_mut),
                value.as_object(),
            ) {
                (Some(there), Some(more)) => there.extend(more.clone()),
                _ => package[key] = value.clone(),
            }
        }
        package.to_string()
    }

    /// The lockfile, made once; none where the registry cannot be reached.
    fn lockfile(&self) -> anyhow::Result<Option<String>> {
        let folder = format!("{}-{}", self.name, self.version);
        npm::lockfile(&folder, &self.package_json())
    }

    /// The repository, with one release.
    fn publish(&self, machine: &Machine, lockfile: &str) -> anyhow::Result<GitRemote> {
        let remote = GitRemote::new(self.name, machine.gateway()?)?;
        remote
            .write("atek.json", self.atek.to_string())?
            .write("package.json", self.package_json())?
            .write("package-lock.json", lockfile)?;
        let registry = atek_tests::npm::registry()?;
        for (path, content) in self.files {
            remote.write(path, content.replace("@REGISTRY@", &registry))?;
        }
        remote.tag("v1.0.0")?;
        Ok(remote)
    }
}

/// A machine on which a program was installed for a person who is signed in.
struct Installed {
    story: BrowserStory,
    alice: Person,
    id: &'static str,
    /// What the table says of it: its name and version, what it asks for, and how long its install
    /// took.
    row: (String, String, Duration),
}

/// What a manifest asks for, in few words.
fn asked_for(atek: &Value) -> String {
    match &atek["permissions"] {
        Value::Null => "none".to_owned(),
        permissions => permissions.to_string(),
    }
}

impl Installed {
    /// Installs a recipe; none, and a skip, without the registry.
    async fn of(recipe: &Recipe) -> anyhow::Result<Option<Self>> {
        let machine = Machine::builder(&format!("program-{}", recipe.name)).internet(true);
        Self::on(machine, recipe).await
    }

    /// The same on a machine with wishes of its own.
    async fn on(machine: Builder, recipe: &Recipe) -> anyhow::Result<Option<Self>> {
        let Some(lockfile) = recipe.lockfile()? else {
            skip(&format!(
                "{}: the npm registry cannot be reached",
                recipe.name
            ));
            return Ok(None);
        };
        let host = Host::on(machine.npm_registry()).await?;
        let alice = host.person("alice", "admin").await?;
        let remote = recipe.publish(&host.machine, &lockfile)?;
        let began = Instant::now();
        let grant = &recipe.atek["permissions"];
        let params = json!([{
            "sourceUrl": remote.url(), "id": recipe.name, "user": "alice", "grant": grant,
        }]);
        let system = host.system()?.patient(INSTALL);
        let info = system.call(SERVICES, "install", params).await?;
        let name = format!("{} {}", recipe.name, recipe.version);
        let installed = Self {
            story: BrowserStory::new(host),
            alice,
            id: recipe.name,
            row: (name, asked_for(&recipe.atek), began.elapsed()),
        };
        if info["state"] != "running" {
            let unit = format!("atek-app-{}.service", recipe.name);
            let journal = installed.host().machine.journal(&unit).await?;
            panic!("{} is {}: {info}\n{journal}", recipe.name, info["state"]);
        }
        Ok(Some(installed))
    }

    fn host(&self) -> &Host {
        &self.story.host
    }

    /// Uses it in Chromium, which `scenarios/STORY.mjs` tells; the story restarts it, too.
    async fn in_chromium(&mut self, story: &str) -> anyhow::Result<()> {
        self.story.run(story).await
    }

    /// The program's site, as the person's browser sees it.
    async fn site(&self) -> anyhow::Result<Client> {
        let site = self.host().visit(&self.alice, self.id).await?;
        Ok(site.header("sec-fetch-site", "same-origin"))
    }

    async fn get(&self, path: &str) -> anyhow::Result<Response> {
        self.site().await?.get(path).await
    }

    /// Prints its row of the table, with the memory of its largest process, now and at most.
    async fn print_row(&self) -> anyhow::Result<()> {
        let script = format!(
            "group=$(systemctl show -P ControlGroup atek-app-{}.service)
             for pid in $(cat /sys/fs/cgroup/$group/cgroup.procs); do
               awk '/^VmRSS:/ {{ now = $2 }} /^VmHWM:/ {{ most = $2 }}
                    END {{ printf \"%d MiB, %d at most\\n\", now / 1024, most / 1024 }}' \
                 /proc/$pid/status
             done | sort -n | tail -n 1",
            self.id
        );
        let memory = self.host().machine.shell(&script).await?;
        let (name, permissions, took) = &self.row;
        let seconds = took.as_secs_f64();
        println!(
            "| {name} | {permissions} | {} | {seconds:.1} s |",
            memory.trim()
        );
        Ok(())
    }

    /// Uninstalls it, and waits until nothing of it is left on the machine.
    async fn uninstall(&self) -> anyhow::Result<()> {
        self.print_row().await?;
        let key = self.host().service(self.id).await?["key"].clone();
        let key = key.as_str().unwrap_or_default().to_owned();
        let system = self.host().system()?;
        system.call(SERVICES, "uninstall", json!([self.id])).await?;
        let script = format!("find /var/lib /run -name '*{key}*' 2>/dev/null | head");
        wait_for("nothing to be left", SOON, async || {
            let left = self.host().machine.shell(&script).await?;
            Ok(Seen::if_so(left, |left| left.trim().is_empty()))
        })
        .await
        .map(drop)
    }
}

#[tokio::test]
async fn tiddlywiki_saves_a_tiddler_over_a_restart() -> anyhow::Result<()> {
    let recipe = Recipe {
        name: "tiddlywiki",
        version: "5.3.6",
        atek: json!({ "port": 8080, "workdir": "state" }),
        // What `tiddlywiki --init server` does, once.
        package: json!({}),
        files: &[(
            "index.js",
            "const fs = require('fs'), path = require('path')
             const edition = path.join(__dirname, 'node_modules/tiddlywiki/editions/server')
             if (!fs.existsSync('wiki')) {
               fs.mkdirSync('wiki')
               fs.copyFileSync(path.join(edition, 'tiddlywiki.info'), 'wiki/tiddlywiki.info')
             }
             const $tw = require('tiddlywiki').TiddlyWiki()
             $tw.boot.argv = ['wiki', '--listen', 'port=8080', 'host=127.0.0.1']
             $tw.boot.boot()",
        )],
    };
    let Some(mut program) = Installed::of(&recipe).await? else {
        return Ok(());
    };
    program.in_chromium("program_tiddlywiki").await?;
    let found = program.get("/recipes/default/tiddlers/Note").await?;
    assert_eq!(found.json()?["text"], "written down", "{}", found.text());
    program.uninstall().await
}

/// The example of the guide.
fn http_server() -> anyhow::Result<Recipe> {
    let example = GUIDE.split("```json\n").nth(2).expect("a second example");
    let example = example.split("```").next().unwrap_or_default();
    Ok(Recipe {
        name: "http-server",
        version: "14.1.1",
        atek: serde_json::from_str(example)?,
        package: json!({}),
        files: &[
            ("public/index.html", "<h1>Holidays</h1>"),
            ("public/lists/packing.txt", "a towel"),
        ],
    })
}

#[tokio::test]
async fn http_server_serves_a_folder() -> anyhow::Result<()> {
    let Some(mut program) = Installed::of(&http_server()?).await? else {
        return Ok(());
    };
    assert_eq!(program.get("/").await?.text(), "<h1>Holidays</h1>");
    let listing = program.get("/lists/").await?;
    assert!(listing.text().contains("packing.txt"), "{}", listing.text());
    let site = program.site().await?.header("range", "bytes=2-");
    let part = site.get("/lists/packing.txt").await?;
    assert_eq!((part.status, part.text().as_str()), (206, "towel"));
    assert_eq!(program.get("/missing.txt").await?.status, 404);
    program.in_chromium("program_http_server").await?;
    program.uninstall().await
}

#[tokio::test]
async fn a_second_install_needs_no_network() -> anyhow::Result<()> {
    let recipe = http_server()?;
    let first = Machine::builder("program-first").internet(true);
    let Some(program) = Installed::on(first, &recipe).await? else {
        return Ok(());
    };
    program.uninstall().await?;
    // Without `internet`.
    let second = Machine::builder("program-second");
    let program = Installed::on(second, &recipe).await?;
    let program = program.context("the lockfile is kept")?;
    assert_eq!(program.get("/").await?.text(), "<h1>Holidays</h1>");
    let ask = async |path: &str| {
        let script = format!(
            "node -e \"fetch('{path}').then(({{ status }}) => console.log(status), () => console.log('none'))\""
        );
        program.host().machine.shell(&script).await
    };
    let registry = "http://203.0.113.1";
    assert_eq!(ask(&atek_tests::npm::registry()?).await?.trim(), "none");
    assert_eq!(ask(&format!("{registry}/not-kept")).await?.trim(), "404");
    let kept = format!("{registry}/http-server/-/http-server-14.1.1.tgz");
    assert_eq!(ask(&kept).await?.trim(), "200");
    program.uninstall().await
}

#[tokio::test]
async fn json_server_keeps_what_is_posted_over_a_restart() -> anyhow::Result<()> {
    let recipe = Recipe {
        name: "json-server",
        version: "0.17.4",
        atek: json!({
            "port": 3000,
            "workdir": "state",
            "entry": "node_modules/json-server/lib/cli/bin.js",
            "args": ["db.json"],
        }),
        package: json!({}),
        files: &[],
    };
    let Some(mut program) = Installed::of(&recipe).await? else {
        return Ok(());
    };
    let post = json!({ "title": "Soup", "author": "Ada" });
    let made = program.site().await?.post_json("/posts", &post).await?;
    assert_eq!(made.status, 201, "{}", made.text());
    // json-server makes a database with one post.
    assert_eq!(made.json()?["id"], 2, "{}", made.text());
    // json-server answers without waiting for its file.
    let script = "grep -ls Soup /var/lib/private/*/db.json || true";
    wait_for("the post in db.json", SOON, async || {
        let found = program.host().machine.shell(script).await?;
        Ok(Seen::if_so(found, |found| !found.trim().is_empty()))
    })
    .await?;
    program.in_chromium("program_json_server").await?;
    let found = program.get("/posts/2").await?;
    assert_eq!(found.json()?["title"], "Soup", "{}", found.text());
    program.uninstall().await
}

#[tokio::test]
async fn node_red_runs_a_deployed_flow_over_a_restart() -> anyhow::Result<()> {
    let recipe = Recipe {
        name: "node-red",
        version: "4.1.15",
        atek: json!({
            "port": 1880,
            "workdir": "state",
            "entry": "node_modules/node-red/red.js",
            "args": ["--userDir", "."],
        }),
        package: json!({}),
        files: &[],
    };
    let Some(mut program) = Installed::of(&recipe).await? else {
        return Ok(());
    };
    program.in_chromium("program_node_red").await?;
    // Node-RED listens before its flows have started.
    let greeted = async || {
        let answer = program.get("/greet?name=Ada").await?.text();
        Ok(Seen::if_so(answer, |answer| answer == "Hello Ada"))
    };
    wait_for("the flow to answer again", SOON, greeted).await?;
    program.uninstall().await
}

/// verdaccio 5.20.1; version 6 needs a newer Node, see below. Packages of `@home` are its own,
/// others come through its uplink.
fn verdaccio() -> Recipe {
    Recipe {
        name: "verdaccio",
        version: "5.20.1",
        atek: json!({
            "port": 4873,
            "workdir": "state",
            "entry": "node_modules/verdaccio/bin/verdaccio",
            "args": ["--config", "/app/config.yaml", "--listen", "127.0.0.1:4873"],
            // Not `hosts`: the registry may be a mirror at an address that is not public.
            "permissions": { "network": "direct" },
        }),
        package: json!({}),
        files: &[(
            "config.yaml",
            // A relative folder would lie beside this file, which cannot be written.
            r"storage: /proc/self/cwd/storage
uplinks:
  npmjs: { url: '@REGISTRY@' }
packages:
  '@home/*':
    access: $all
    publish: $all
  '**':
    access: $all
    proxy: npmjs
log: { type: stdout, format: pretty, level: http }
",
        )],
    }
}

/// Lets npm on the machine use the program as its registry, with the system token: the host
/// takes it for its own, and does not pass it on.
async fn use_as_registry(program: &Installed) -> anyhow::Result<()> {
    let machine = &program.host().machine;
    let config: Value = serde_json::from_str(&machine.read("/var/lib/atek/config.json").await?)?;
    let token = config["systemAuthTokens"][0].as_str().unwrap_or_default();
    let script = format!(
        "echo 127.0.0.1 verdaccio.localhost >>/etc/hosts
         echo 'registry=http://verdaccio.localhost/' >/root/.npmrc
         echo '//verdaccio.localhost/:_authToken={token}' >>/root/.npmrc"
    );
    machine.shell(&script).await.map(drop)
}

/// Installs a package in a new folder, without npm's cache, and prints the expression of what it
/// exports.
async fn print_package(
    program: &Installed,
    name: &str,
    expression: &str,
) -> anyhow::Result<String> {
    let script = format!(
        "rm -rf /root/user /root/.npm
         mkdir /root/user
         cd /root/user
         npm install --no-audit --no-fund --fetch-retries=0 {name} >&2
         node -p 'const it = require(\"{name}\"); {expression}'"
    );
    let printed = program.host().machine.shell(&script).await?;
    Ok(printed.trim().to_owned())
}

#[tokio::test]
async fn verdaccio_keeps_what_npm_publishes_and_brings_the_rest_through_its_uplink()
-> anyhow::Result<()> {
    let Some(mut program) = Installed::of(&verdaccio()).await? else {
        return Ok(());
    };
    use_as_registry(&program).await?;
    let publish = r##"mkdir -p /root/greeting
        cd /root/greeting
        echo '{ "name": "@home/greeting", "version": "1.0.0" }' >package.json
        echo 'module.exports = "hello from a package"' >index.js
        echo '# How to greet' >README.md
        npm publish 2>&1
        npm view @home/greeting version"##;
    let said = program.host().machine.shell(publish).await?;
    assert_eq!(said.lines().last(), Some("1.0.0"), "{said}");
    let own = async |program: &Installed| print_package(program, "@home/greeting", "it").await;
    let padded =
        async |program: &Installed| print_package(program, "left-pad", "it(7, 3, \"0\")").await;
    assert_eq!(own(&program).await?, "hello from a package");
    assert_eq!(padded(&program).await?, "007");
    program.in_chromium("program_verdaccio").await?;
    assert_eq!(own(&program).await?, "hello from a package");

    // Without the internet it has what it published and what came through, and nothing else.
    let nothing = json!(["verdaccio", { "grant": {} }]);
    let alice = &program.alice.client;
    alice.call(SERVICES, "configure", nothing).await?;
    program.host().service_is("verdaccio", "running").await?;
    wait_for("the package after the restart", SOON, async || {
        let printed = own(&program).await.unwrap_or_default();
        Ok(Seen::if_so(printed, |text| text == "hello from a package"))
    })
    .await?;
    assert_eq!(padded(&program).await?, "007");
    let other = print_package(&program, "repeat-string", "typeof it").await;
    let refused = format!("{:#}", other.expect_err("no uplink"));
    assert!(refused.contains("npm error"), "{refused}");
    program.uninstall().await
}

#[tokio::test]
async fn a_program_that_needs_a_newer_node_than_the_machines_runs_by_its_own() -> anyhow::Result<()>
{
    let recipe = Recipe {
        version: "6.10.4",
        package: json!({
            "engines": { "node": ">=22" },
            // It asks for a tag of this package that not every mirror of the registry has.
            "overrides": { "node-fetch": "2.7.0" },
        }),
        ..verdaccio()
    };
    let machine = Machine::builder("program-own-node").internet(true);
    let Some(program) = Installed::on(machine, &recipe).await? else {
        return Ok(());
    };
    let machine = &program.host().machine;
    // Below the program that confines it.
    let version = "main=$(systemctl show --value --property=MainPID atek-app-verdaccio.service)
         pid=$(cat /proc/$main/task/$main/children)
         pid=${pid%% *}
         readlink /proc/$pid/exe
         /proc/$pid/exe --version
         node --version";
    let said = machine.shell(version).await?;
    let [exe, own, machines] = said.lines().collect::<Vec<_>>()[..] else {
        panic!("{said}");
    };
    assert!(exe.ends_with("/.atek-node/node"), "{said}");
    assert!(
        own.starts_with("v22.") && machines.starts_with("v20."),
        "{said}"
    );
    let told = program.host().system()?;
    let told = told.call(SERVICES, "get", json!([recipe.name])).await?;
    let warnings = told["settings"]["package"]["warnings"].to_string();
    assert!(
        warnings.contains("it gets Node 22 of its own"),
        "{warnings}"
    );
    use_as_registry(&program).await?;
    let publish = r##"mkdir -p /root/greeting
        cd /root/greeting
        echo '{ "name": "@home/greeting", "version": "1.0.0" }' >package.json
        echo 'module.exports = "hello from a package"' >index.js
        npm publish 2>&1
        npm view @home/greeting version"##;
    let said = machine.shell(publish).await?;
    assert_eq!(said.lines().last(), Some("1.0.0"), "{said}");
    program.uninstall().await
}

/// Homebridge with its pages: a supervisor and the bridge, two processes. They need a newer Node
/// than Debian's.
#[tokio::test]
async fn homebridge_is_set_up_on_its_pages_and_lets_its_person_in_after_a_restart()
-> anyhow::Result<()> {
    let recipe = Recipe {
        name: "homebridge",
        version: "1.11.1",
        atek: json!({ "port": 8581, "workdir": "state" }),
        package: json!({
            "engines": { "node": ">=22" },
            "dependencies": { "homebridge-config-ui-x": "4.76.0" },
            "scripts": { "start": "hb-service run -U ." },
        }),
        files: &[],
    };
    let Some(mut program) = Installed::of(&recipe).await? else {
        return Ok(());
    };
    program.in_chromium("program_homebridge").await?;
    program.uninstall().await
}

/// Without a radio it ends after its settings were made; asked to, it shows their page at each
/// start.
#[tokio::test]
async fn zigbee2mqtt_keeps_the_settings_of_its_first_page_over_a_restart() -> anyhow::Result<()> {
    let recipe = Recipe {
        name: "zigbee2mqtt",
        version: "2.14.1",
        atek: json!({ "port": 8080, "workdir": "state" }),
        package: json!({
            "engines": { "node": ">=22" },
            "scripts": { "start": "Z2M_ONBOARD_FORCE_RUN=1 ZIGBEE2MQTT_DATA=$HOME zigbee2mqtt" },
        }),
        files: &[],
    };
    let Some(mut program) = Installed::of(&recipe).await? else {
        return Ok(());
    };
    program.in_chromium("program_zigbee2mqtt").await?;
    program.uninstall().await
}

/// ipx draws with sharp, whose module for Node comes compiled in `@img/sharp-linux-x64` and
/// `-arm64`.
#[tokio::test]
async fn ipx_resizes_pictures_with_a_native_module() -> anyhow::Result<()> {
    let recipe = Recipe {
        name: "ipx",
        version: "3.1.1",
        atek: json!({
            "port": "auto",
            "entry": "node_modules/ipx/bin/ipx.mjs",
            "args": ["serve", "--dir", "pictures"],
        }),
        package: json!({}),
        files: &[(
            "pictures/flag.svg",
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="64" height="32">
                 <rect width="64" height="32" fill="red"/>
               </svg>"#,
        )],
    };
    let Some(mut program) = Installed::of(&recipe).await? else {
        return Ok(());
    };
    let picture = program.get("/w_16,f_png/flag.svg").await?;
    assert_eq!(picture.status, 200, "{}", picture.text());
    assert_eq!(picture.header("content-type"), "image/png");
    // The head of a PNG says how large the picture is.
    let size: Vec<_> = picture.body[16..24]
        .chunks(4)
        .map(|bytes| bytes[3])
        .collect();
    assert_eq!(size, [16, 8]);
    program.in_chromium("program_ipx").await?;
    program.uninstall().await
}

/// bcrypt comes compiled for Node in its own package, found by node-gyp-build.
#[tokio::test]
async fn bcrypt_hashes_with_another_native_module() -> anyhow::Result<()> {
    let recipe = Recipe {
        name: "bcrypt",
        version: "6.0.0",
        atek: json!({ "port": "auto" }),
        package: json!({}),
        files: &[(
            "index.js",
            "const bcrypt = require('bcrypt')
             require('http')
               .createServer(async ({ url }, response) => {
                 const text = url.slice(1)
                 const hash = await bcrypt.hash(text, 4)
                 const same = [await bcrypt.compare(text, hash), await bcrypt.compare('x', hash)]
                 response.end(JSON.stringify({ hash, same }))
               })
               .listen(process.env.PORT, process.env.HOST)",
        )],
    };
    let Some(program) = Installed::of(&recipe).await? else {
        return Ok(());
    };
    let answer = program.get("/secret").await?.json()?;
    let hash = answer["hash"].as_str().unwrap_or_default();
    assert!(hash.starts_with("$2b$04$"), "{answer}");
    assert_eq!(answer["same"], json!([true, false]));
    program.uninstall().await
}

/// An app of Next.js, which its own compiler builds on the box.
#[tokio::test]
async fn next_js_is_built_and_keeps_what_a_form_sends_over_a_restart() -> anyhow::Result<()> {
    let recipe = Recipe {
        name: "next",
        version: "15.5.29",
        atek: json!({
            "name": "Guest book",
            "port": "auto",
            "entry": "node_modules/next/dist/bin/next",
            "args": ["start"],
        }),
        package: json!({
            "dependencies": { "react": "19.1.1", "react-dom": "19.1.1" },
            "scripts": { "build": "next build" },
        }),
        files: &[
            ("next.config.mjs", "export default { experimental: { cpus: 1 } }"),
            (
                "app/layout.jsx",
                "export const metadata = { title: 'Guest book' }
                 export default function Layout({ children }) {
                   return <html lang='en'><body>{children}</body></html>
                 }",
            ),
            (
                "app/page.jsx",
                "import { appendFileSync, existsSync, readFileSync } from 'node:fs'
                 import { revalidatePath } from 'next/cache'
                 export const dynamic = 'force-dynamic'
                 const file = () => `${process.env.STATE_DIRECTORY}/guests`
                 async function sign(form) {
                   'use server'
                   appendFileSync(file(), `${form.get('name')}\\n`)
                   revalidatePath('/')
                 }
                 export default function Page() {
                   const guests = existsSync(file()) ? readFileSync(file(), 'utf8').trim().split('\\n') : []
                   return <main>
                     <ul>{guests.map(name => <li key={name}>{name}</li>)}</ul>
                     <form action={sign}><label>Name <input name='name' /></label><button>Sign</button></form>
                   </main>
                 }",
            ),
        ],
    };
    let Some(mut program) = Installed::of(&recipe).await? else {
        return Ok(());
    };
    program.in_chromium("program_next").await?;
    program.uninstall().await
}

/// The Lounge, a client of IRC; later versions need a newer Node than Debian's.
#[tokio::test]
async fn the_lounge_keeps_the_networks_of_its_person_over_a_restart() -> anyhow::Result<()> {
    let recipe = Recipe {
        name: "thelounge",
        version: "2.6.0",
        atek: json!({ "port": 9000, "workdir": "state" }),
        package: json!({}),
        files: &[(
            "index.js",
            "// What `lounge add ada` asks for on a terminal.
             const fs = require('fs')
             if (!fs.existsSync('.lounge/users/ada.json')) {
               fs.mkdirSync('.lounge/users', { recursive: true })
               const password = require('bcryptjs').hashSync('a long password', 4)
               const user = { password, log: false, networks: [] }
               fs.writeFileSync('.lounge/users/ada.json', JSON.stringify(user))
             }
             process.argv.push('start', '--host', '127.0.0.1', '--port', '9000')
             require('thelounge')",
        )],
    };
    let Some(mut program) = Installed::of(&recipe).await? else {
        return Ok(());
    };
    program.in_chromium("program_the_lounge").await?;
    program.uninstall().await
}

#[tokio::test]
async fn an_app_of_the_catalogue_is_installed_by_its_name() -> anyhow::Result<()> {
    let registry = Recipe {
        name: "tiddlywiki",
        version: "5.3.6",
        atek: json!({}),
        package: json!({}),
        files: &[],
    };
    if registry.lockfile()?.is_none() {
        skip("tiddlywiki: the npm registry cannot be reached");
        return Ok(());
    }
    let machine = Machine::builder("program-catalogue").internet(true);
    let host = Host::on(machine.npm_registry()).await?;
    let alice = host.person("alice", "admin").await?;
    let words = ["atek", "install", "tiddlywiki", "--yes", "--user", "alice"];
    let began = Instant::now();
    let done = host.machine.exec_within(INSTALL, words, b"").await?;
    let row = (
        "tiddlywiki of the catalogue".to_owned(),
        asked_for(&Value::Null),
        began.elapsed(),
    );
    let said = format!("{}{}", done.stdout, done.stderr);
    assert!(done.status.success(), "{said}");
    assert!(
        said.contains("installed tiddlywiki (TiddlyWiki) 5.3.6, running"),
        "{said}"
    );
    let id = "tiddlywiki";
    let story = BrowserStory::new(host);
    let program = Installed {
        story,
        alice,
        id,
        row,
    };
    assert!(program.get("/").await?.text().contains("TiddlyWiki"));
    let service = program.host().service(id).await?;
    assert_eq!(
        service["settings"]["sourceUrl"],
        "catalogue:atek/tiddlywiki"
    );
    let system = program.host().system()?;
    let check = system
        .call(SERVICES, "checkForPackageUpdates", json!([id]))
        .await?;
    assert_eq!(check["hasUpdate"], false, "{check}");
    let icon = program.alice.client.get("/_atek/icon/tiddlywiki").await?;
    assert_eq!(icon.header("content-type"), "image/svg+xml");
    program.uninstall().await
}
