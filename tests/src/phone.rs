//! [`LanClient`]: another device on the local network of a machine, with a browser's habits.

use crate::command::run_with_input;
use crate::{Machine, Seen, wait_for};
use anyhow::{Context as _, bail};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::process::Command;
use std::time::Duration;

/// The machine's address on the network that it shares with its phone.
pub const BOX: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 1);
const PHONE: Ipv4Addr = Ipv4Addr::new(192, 168, 77, 2);
/// How long a name may take to become known, with the probing of RFC 6762 before.
const KNOWN: Duration = Duration::from_secs(90);
/// Redirects that are followed, at most.
const REDIRECTS: usize = 10;

/// Asks one question of one address, as the `Host` that the URL names.
const ASK: &str = "
const { url, address, method, headers, body } = JSON.parse(process.argv[1])
const { host, port, pathname, search } = new URL(url)
const options = { host: address, port: port || 80, path: pathname + search, method, headers: { host, ...headers } }
const request = require('http').request(options, async (response) => {
  const chunks = []
  for await (const chunk of response) chunks.push(chunk)
  const text = Buffer.concat(chunks).toString()
  console.log(JSON.stringify({ status: response.statusCode, headers: response.headers, text }))
})
request.end(body)
";

/// A device on the same network as a machine, on a link of their own. Its resolver is Avahi.
#[derive(Debug)]
pub struct LanClient {
    machine: Machine,
    /// By host, whatever the port: so do browsers keep them.
    cookies: BTreeMap<String, BTreeMap<String, String>>,
}

/// What a page answered.
#[derive(Debug)]
pub struct Page {
    /// Where it was, after all redirects.
    pub url: String,
    /// The HTTP status.
    pub status: u16,
    /// Its headers, lower case.
    pub headers: Value,
    /// Its text.
    pub text: String,
}

impl LanClient {
    /// Boots one and joins it with a machine.
    ///
    /// # Errors
    ///
    /// When either is not there, or the link cannot be made.
    pub async fn join(machine: &Machine) -> anyhow::Result<Self> {
        let phone = Machine::boot(&format!("{}-phone", machine.name())).await?;
        let (one, other) = (machine.pid()?, phone.pid()?);
        let link = format!("link add lan0 netns {one} type veth peer name lan0 netns {other}\n");
        run_with_input(Command::new("ip").args(["-batch", "-"]), &link)
            .context("cannot link the phone with the machine")?;
        for (pid, address) in [(one, BOX), (other, PHONE)] {
            let script = format!("addr add {address}/24 dev lan0\nlink set lan0 up\n");
            let net = format!("--net=/proc/{pid}/ns/net");
            run_with_input(
                Command::new("nsenter").args([&net, "ip", "-batch", "-"]),
                &script,
            )
            .context("cannot set up the phone's network")?;
        }
        Ok(Self {
            machine: phone,
            cookies: BTreeMap::new(),
        })
    }

    /// The device itself.
    #[must_use]
    pub fn machine(&self) -> &Machine {
        &self.machine
    }

    /// The address of a name of the local network, as the phone's resolver says now.
    ///
    /// # Errors
    ///
    /// When the resolver cannot be asked.
    pub async fn resolve(&self, name: &str) -> anyhow::Result<Option<Ipv4Addr>> {
        // Any interface, any protocol, the name, IPv4, no flags; it waits some seconds for answers.
        let call = "call org.freedesktop.Avahi / org.freedesktop.Avahi.Server2 ResolveHostName iisiu -- -1 -1";
        let args = call.split(' ').chain([name, "0", "0"]);
        let asked = self
            .machine
            .try_exec(["busctl", "--json=short"].into_iter().chain(args))
            .await?;
        if !asked.status.success() {
            let said = asked.stderr.trim();
            if said.contains("Timeout") || said.contains("not found") {
                return Ok(None);
            }
            bail!("the phone's resolver cannot be asked for {name}: {said}");
        }
        let answer: Value = serde_json::from_str(&asked.stdout).context("no JSON of busctl")?;
        let address = answer["data"][4]
            .as_str()
            .context("an answer without an address")?;
        Ok(Some(address.parse()?))
    }

    /// Waits until a name leads to the machine.
    ///
    /// # Errors
    ///
    /// When it does not in time.
    pub async fn knows(&self, name: &str) -> anyhow::Result<()> {
        wait_for(&format!("{name} to be known"), KNOWN, async || {
            Ok(Seen::if_so(self.resolve(name).await?, |found| {
                *found == Some(BOX)
            }))
        })
        .await
        .map(drop)
    }

    /// Waits until a name leads nowhere.
    ///
    /// # Errors
    ///
    /// When it still does after a while.
    pub async fn forgets(&self, name: &str) -> anyhow::Result<()> {
        wait_for(&format!("{name} to be forgotten"), KNOWN, async || {
            Ok(Seen::if_so(self.resolve(name).await?, Option::is_none))
        })
        .await
        .map(drop)
    }

    /// Opens a page, following redirects and keeping cookies.
    ///
    /// # Errors
    ///
    /// When a name on the way is not known, or there is no answer.
    pub async fn open(&mut self, url: &str) -> anyhow::Result<Page> {
        let mut page = self.ask("GET", url, &json!({}), "").await?;
        for _ in 0..REDIRECTS {
            let Some(to) = page.headers["location"].as_str() else {
                return Ok(page);
            };
            let to = url::Url::parse(&page.url)?.join(to)?;
            page = self.ask("GET", to.as_str(), &json!({}), "").await?;
        }
        bail!("{url} leads from page to page")
    }

    /// Asks once.
    ///
    /// # Errors
    ///
    /// As [`LanClient::open`].
    pub async fn ask(
        &mut self,
        method: &str,
        url: &str,
        headers: &Value,
        body: &str,
    ) -> anyhow::Result<Page> {
        let parsed = url::Url::parse(url)?;
        let host = parsed
            .host_str()
            .context("a URL without a host")?
            .to_owned();
        let address = match host.parse() {
            Ok(address) => address,
            Err(_) => self
                .resolve(&host)
                .await?
                .with_context(|| format!("no address for {host}"))?,
        };
        let mut headers = headers.clone();
        let cookies = self.cookies.entry(host).or_default();
        if !cookies.is_empty() {
            let pairs: Vec<String> = cookies
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect();
            headers["cookie"] = pairs.join("; ").into();
        }
        let question = json!({
            "url": url, "address": address, "method": method, "headers": headers, "body": body,
        });
        let said = self
            .machine
            .exec(["node", "-e", ASK, &question.to_string()])
            .await?;
        let answer: Value = serde_json::from_str(&said).context("no JSON of the phone")?;
        for set in answer["headers"]["set-cookie"]
            .as_array()
            .into_iter()
            .flatten()
        {
            let pair = set
                .as_str()
                .and_then(|set| set.split(';').next()?.split_once('='));
            let (name, value) = pair.context("a cookie without a name")?;
            cookies.insert(name.to_owned(), value.to_owned());
        }
        Ok(Page {
            url: url.to_owned(),
            status: answer["status"].as_u64().unwrap_or_default().try_into()?,
            headers: answer["headers"].clone(),
            text: answer["text"].as_str().unwrap_or_default().to_owned(),
        })
    }

    /// Signs a person in on a main domain, as its login page does.
    ///
    /// # Errors
    ///
    /// When the host does not let them in.
    pub async fn sign_in(
        &mut self,
        origin: &str,
        name: &str,
        password: &str,
    ) -> anyhow::Result<()> {
        let call = json!({
            "jsonrpc": "2.0", "id": 1, "method": "login",
            "params": [{ "username": name, "password": password }],
        });
        let url = format!("{origin}/_atek/gateway?api={}", crate::host::SESSIONS);
        let headers = json!({ "content-type": "application/json", "origin": origin });
        let page = self.ask("POST", &url, &headers, &call.to_string()).await?;
        let answer: Value = serde_json::from_str(&page.text)?;
        if answer["result"]["isActive"] != true {
            bail!("{name} is not let in at {origin}: {}", page.text);
        }
        Ok(())
    }
}
