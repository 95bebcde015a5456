//! A world with two users, a server database, and services to taste.

mod accounts;
pub(super) mod client;
pub(super) mod service;

use crate::deps::Accounts as _;
use crate::{Deps, Gateway, HostApis, Limits, RefusedUsers, Services, Settings};
pub(super) use accounts::TestAccounts;
use atek_api::ids::{ServiceKey, UserKey};
use atek_api::jsonrpc::{RpcError, raw};
use atek_api::permission::Permissions;
use atek_api::secret::Secret;
use atek_api::services::State;
use atek_host_model::audit::Tally;
use atek_host_model::bind::NonceHash;
use atek_host_model::directory::{Directory, DirectoryPublisher, Entry, directory};
use atek_host_model::host_api::{Call, CookieChange, DeviceCookie, Reply};
use atek_host_model::listener::{Listener, Origin};
use atek_host_model::permissions::Caller;
use atek_host_model::streams::{Icon, Lines, LogQuery, Refusal};
use atek_rpc::body::{self, Body};
use atek_rpc::pool::Pool;
use bytes::Bytes;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt as _, StreamExt as _, stream};
use http::{Request, Response};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

/// Acts as the host itself.
pub(super) const SYSTEM_TOKEN: &str = "system-token";
/// Cookies of the main domain.
pub(super) const ALICE: &str = "alice-cookie";
pub(super) const BOB: &str = "bob-cookie";

/// One host in a temporary folder.
pub(super) struct World {
    pub(super) gateway: Gateway,
    pub(super) wake: Arc<TestServices>,
    pub(super) accounts: Arc<TestAccounts>,
    pub(super) public: PathBuf,
    pub(super) cancel: CancellationToken,
    folder: TempDir,
    publisher: DirectoryPublisher,
    entries: Vec<Entry>,
}

/// What the tests' waker does: an answer by service key, and how often it was asked.
type Answer = Box<dyn Fn(&ServiceKey) -> Result<(), String> + Send + Sync>;

#[derive(Default)]
pub(super) struct TestServices {
    pub(super) answer: Mutex<Option<Answer>>,
    /// Whether nothing that is woken ever comes.
    pub(super) never: AtomicBool,
}

impl Services for TestServices {
    fn wake<'a>(&'a self, service: &'a ServiceKey) -> BoxFuture<'a, Result<(), String>> {
        let answer = self.answer.lock().unwrap();
        let outcome = answer.as_ref().map_or_else(
            || Err("it was stopped".to_owned()),
            |answer| answer(service),
        );
        let never = self.never.load(Ordering::Relaxed);
        async move {
            if never {
                std::future::pending::<()>().await;
            }
            outcome
        }
        .boxed()
    }

    fn logs<'a>(
        &'a self,
        caller: &'a Caller,
        query: LogQuery,
    ) -> BoxFuture<'a, Result<Lines, Refusal>> {
        let outcome = match query.service.as_str() {
            "rss" => {
                let line = Bytes::from(
                    json!({ "caller": caller.label(), "follow": query.follow }).to_string() + "\n",
                );
                let lines = stream::iter([line]);
                Ok(if query.follow {
                    lines.chain(stream::pending()).boxed()
                } else {
                    lines.boxed()
                })
            }
            "news" => {
                let started = "Started atek-app-news.service - News";
                let lines = json!({ "message": started }).to_string()
                    + "\n"
                    + &json!({ "message": "<the end of the log>" }).to_string();
                Ok(stream::iter([Bytes::from(lines)]).boxed())
            }
            _ => Err(Refusal::NotAuthorized),
        };
        async move { outcome }.boxed()
    }

    fn guest(&self, _request: Request<Body>) -> BoxFuture<'_, Response<Body>> {
        async { Response::new(body::full("a guest")) }.boxed()
    }

    fn job<'a>(
        &'a self,
        _caller: &'a Caller,
        job: &'a str,
    ) -> BoxFuture<'a, Result<Lines, Refusal>> {
        let outcome = match job {
            "1" => Ok(stream::iter([Bytes::from_static(b"{\"event\":\"done\"}\n")]).boxed()),
            _ => Err(Refusal::NotAuthorized),
        };
        async move { outcome }.boxed()
    }

    fn icon<'a>(&'a self, _caller: &'a Caller, id: &'a str) -> BoxFuture<'a, Option<Icon>> {
        let icon = (id == "rss").then_some(Icon {
            content: Bytes::from_static(b"<svg/>"),
            kind: "image/svg+xml",
        });
        async move { icon }.boxed()
    }

    fn catalogue_picture<'a>(
        &'a self,
        caller: &'a Caller,
        catalogue: &'a str,
        recipe: &'a str,
        picture: &'a str,
    ) -> BoxFuture<'a, Option<Icon>> {
        let is_there = (catalogue, recipe, picture) == ("atek", "rss", "pictures/one.svg");
        let icon = (caller.is_known() && is_there).then_some(Icon {
            content: Bytes::from_static(b"<svg/>"),
            kind: "image/svg+xml",
        });
        async move { icon }.boxed()
    }
}

struct TestHost;

impl HostApis for TestHost {
    fn has(&self, api: &str) -> bool {
        [
            atek_api::sessions::API,
            atek_api::setup::API,
            "atek.cloud/test-api",
        ]
        .contains(&api)
    }

    fn call<'a>(&'a self, _api: &'a str, call: Call<'a>) -> BoxFuture<'a, Reply> {
        async move {
            assert_ne!(call.method, "panic", "asked to panic");
            let cookie = match call.method {
                "login" => Some(CookieChange::SignIn {
                    session: Secret::new("new-cookie"),
                    device: DeviceCookie {
                        suffix: "a11ce".to_owned(),
                        text: Secret::new("known"),
                    },
                }),
                "logout" => Some(CookieChange::SignOut),
                _ => None,
            };
            let outcome = match call.method {
                "login" | "logout" | "whoami" | "status" => raw(&json!({
                    "caller": call.caller.label(),
                    "params": call.params,
                    "device": call.visitor.device,
                })),
                other => Err(RpcError::method_not_found(other)),
            };
            Reply { outcome, cookie }
        }
        .boxed()
    }
}

impl World {
    pub(super) async fn new() -> Self {
        Self::with(Limits::default()).await
    }

    pub(super) async fn with(limits: Limits) -> Self {
        Self::inhabited(limits, &["alice", "bob"]).await
    }

    /// A world whose gateway notes its acts here.
    pub(super) async fn noting(limits: Limits, audit: Arc<Tally>) -> Self {
        let users = ["alice", "bob"];
        Self::made(limits, &users, RefusedUsers::default(), audit).await
    }

    /// A world that refuses the programs of some users.
    pub(super) async fn refusing(refused: RefusedUsers) -> Self {
        let users = ["alice", "bob"];
        Self::made(Limits::default(), &users, refused, Arc::default()).await
    }

    /// A world with some of its users; only alice is an administrator.
    pub(super) async fn inhabited(limits: Limits, users: &[&str]) -> Self {
        Self::made(limits, users, RefusedUsers::default(), Arc::default()).await
    }

    async fn made(
        limits: Limits,
        users: &[&str],
        refused_users: RefusedUsers,
        audit: Arc<Tally>,
    ) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (publisher, view) = directory();
        let wake = Arc::new(TestServices::default());
        let accounts = Arc::new(TestAccounts::of(users));
        let config = Settings {
            domain: "localhost".to_owned(),
            port: 80,
            system_auth_tokens: vec![Secret::new(SYSTEM_TOKEN)],
            max_request_bytes: 1 << 20,
            trusted_proxies: vec!["127.0.0.9".to_owned()].try_into().unwrap(),
            refused_users,
        };
        let gateway = Gateway::new(Deps {
            directory: view,
            config: Arc::new(config),
            box_name: watch::channel(Some("atek".to_owned())).1,
            added_names: watch::channel(vec!["nas.test".to_owned()]).1,
            local: watch::channel(Arc::default()).1,
            accounts: accounts.clone(),
            host: Arc::new(TestHost),
            services: wake.clone(),
            audit,
            limits,
        });
        let public = folder.path().join("public.sock");
        let mut world = Self {
            gateway,
            wake,
            accounts,
            public,
            cancel: CancellationToken::new(),
            folder,
            publisher,
            entries: Vec::new(),
        };
        world.publish();
        world.listen(&world.public.clone(), Origin::Public);
        world
    }

    /// Serves `origin` at a socket file.
    pub(super) fn listen(&self, path: &Path, origin: Origin) {
        let listener = Listener::Unix(UnixListener::bind(path).unwrap());
        let (gateway, cancel) = (self.gateway.clone(), self.cancel.clone());
        tokio::spawn(async move { gateway.serve(listener, origin, cancel).await });
    }

    /// The socket that stands for a service's port.
    pub(super) fn listen_at_port(&mut self, id: &str, port: u16) -> PathBuf {
        self.change(id, |entry| {
            Arc::make_mut(&mut entry.settings).port = Some(port);
        });
        let path = self.folder.path().join(format!("port-{port}.sock"));
        let key = id.parse().unwrap();
        self.listen(&path, Origin::App { key, port });
        path
    }

    /// The socket of a service's own listener.
    pub(super) fn listen_for(&self, id: &str) -> PathBuf {
        let path = self.folder.path().join(format!("host-{id}.sock"));
        self.listen(
            &path,
            Origin::Service {
                key: id.parse().unwrap(),
            },
        );
        path
    }

    pub(super) fn socket(&self, id: &str) -> PathBuf {
        self.folder.path().join(format!("{id}.sock"))
    }

    /// Adds a service that was not started; its key is its id.
    pub(super) fn declare(&mut self, id: &str, owner: &str, exports: Value) {
        let settings = json!({
            "id": id,
            "owningUserKey": owner,
            "sourceUrl": "file:///app",
            "package": { "sourceType": "file" },
            "manifest": { "name": format!("<{id}>"), "exports": exports },
        });
        self.entries.push(Entry {
            key: id.parse().unwrap(),
            settings: Arc::new(serde_json::from_value(settings).unwrap()),
            core: id.starts_with("core."),
            state: State::Running,
            reason: None,
            failure: None,
            is_updated: false,
            pool: Pool::unix(self.socket(id)),
            token: Some(Secret::new(format!("{id}-token"))),
            granted: Arc::new(Permissions::default()),
            decisions: Arc::default(),
            shares: Arc::default(),
            usage: None,
        });
        self.publish();
    }

    /// Adds a running service, see [`service::start`].
    pub(super) fn service(&mut self, id: &str, owner: &str, exports: Value) {
        service::start(&self.socket(id));
        self.declare(id, owner, exports);
    }

    /// Changes a service.
    pub(super) fn change(&mut self, id: &str, change: impl FnOnce(&mut Entry)) {
        change(
            self.entries
                .iter_mut()
                .find(|entry| entry.id().as_str() == id)
                .unwrap(),
        );
        self.publish();
    }

    /// As long as the server database is not open.
    pub(super) fn starting(&mut self) {
        self.publisher
            .publish(Directory::new(self.entries.iter().cloned(), false));
    }

    fn publish(&mut self) {
        self.publisher
            .publish(Directory::new(self.entries.iter().cloned(), true));
    }

    /// A cookie for a service's subdomain, by the bind flow's own functions.
    pub(super) async fn bound_cookie(&self, cookie: &str, service: &str) -> String {
        let person = self.accounts.of_cookie(cookie).unwrap();
        let service: ServiceKey = service.parse().unwrap();
        let nonce = NonceHash::of("nonce");
        let token = self
            .accounts
            .issue_bind_token(&person, &service, nonce.clone());
        self.accounts
            .redeem_bind_token(token.unwrap().expose(), &service, &[nonce])
            .await
            .unwrap()
            .unwrap()
            .expose()
            .to_owned()
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// The users' keys.
pub(super) fn user(name: &str) -> UserKey {
    format!("key-{name}").parse().unwrap()
}
