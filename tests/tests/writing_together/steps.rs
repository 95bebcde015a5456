//! What two people do from the first invitation to the last goodbye. At each step something of a
//! home is killed; after that the step was taken or was not, it can be repeated, and what was
//! acknowledged is there.

use super::{HYPERCORE, Pair, Victim, call, first};
use anyhow::{Context as _, ensure};
use atek_tests::host::{ADB, Person, SOON};
use atek_tests::{Seen, wait_for};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

const ALICE: usize = 0;
const BOB: usize = 1;

/// In which home what is killed at a step, and how long before the step the kill is sent on its
/// way, which takes some time.
#[derive(Debug, Clone, Copy)]
pub struct Kill {
    pub home: usize,
    pub victim: Victim,
    pub ahead: Duration,
}

/// One way from strangers to strangers: the kills of its steps, in turn.
pub struct Story<'a> {
    pair: &'a mut Pair,
    kills: Vec<Kill>,
    step: usize,
    number: usize,
}

impl Pair {
    /// Goes through all steps with two people who do not know each other.
    ///
    /// # Errors
    ///
    /// When a step was lost that was acknowledged, or cannot be repeated.
    pub async fn go_through(&mut self, kills: Vec<Kill>) -> anyhow::Result<()> {
        self.round += 1;
        let number = self.round;
        let mut story = Story {
            pair: self,
            kills,
            step: 0,
            number,
        };
        let met = story.meet().await?;
        let db = story.share_and_follow().await?;
        story.revoke(&db).await?;
        story.write_and_remove(&met).await?;
        story.devices().await?;
        story.part(&met).await
    }
}

impl Story<'_> {
    fn person(&self, who: usize) -> &Person {
        &self.pair.people[who]
    }

    /// A label that nothing else has.
    fn label(&self, what: &str) -> String {
        format!("{what} {}", self.number)
    }

    /// Does something while something is killed; what was answered, if it was acknowledged.
    async fn act(
        &mut self,
        who: usize,
        method: &str,
        params: Value,
    ) -> anyhow::Result<Option<Value>> {
        let kill = self.kills[(self.number + self.step) % self.kills.len()];
        self.step += 1;
        // What sleeps cannot be killed.
        self.again(kill.home, "status", json!([])).await?;
        let began = Instant::now();
        let acting = {
            let (person, method) = (self.person(who).clone(), method.to_owned());
            tokio::spawn(async move {
                // The moment is the test's own choice, not a wait for something.
                tokio::time::sleep(kill.ahead).await;
                call(&person, &method, params).await
            })
        };
        self.pair.kill(kill.home, kill.victim).await?;
        let answer = acting.await?;
        self.pair.hosts[kill.home].ready().await?;
        let said = match &answer {
            Ok(_) => "acknowledged".to_owned(),
            Err(error) => error.to_string(),
        };
        println!("{method} by {who}, {kill:?}: {said}, {:?}", began.elapsed());
        Ok(answer.ok())
    }

    /// Does it until it is acknowledged.
    async fn again(&self, who: usize, method: &str, params: Value) -> anyhow::Result<Value> {
        self.again_at(HYPERCORE, who, method, params).await
    }

    async fn again_at(
        &self,
        api: &str,
        who: usize,
        method: &str,
        params: Value,
    ) -> anyhow::Result<Value> {
        let what = format!("{method} once more");
        let answer = wait_for(&what, SOON, async || {
            let answer = self.person(who).client.call(api, method, params.clone());
            let answer = answer.await;
            let answer = answer.map_err(|error| error.to_string());
            Ok(Seen::if_so(answer, Result::is_ok))
        });
        answer.await?.map_err(anyhow::Error::msg)
    }

    /// What a list has, as soon as the home answers.
    async fn listed(&self, who: usize, method: &str, label: &str) -> anyhow::Result<Vec<Value>> {
        let list = self.again(who, method, json!([])).await?;
        let list = list.as_array().context("no list")?;
        let is_it = |entry: &&Value| entry["label"] == label;
        Ok(list.iter().filter(is_it).cloned().collect())
    }

    /// Makes something that has a label, and that `undo` takes back where its answer was lost.
    async fn make(
        &mut self,
        who: usize,
        [method, list, undo]: [&str; 3],
        label: &str,
        params: Value,
    ) -> anyhow::Result<Value> {
        let made = self.act(who, method, params.clone()).await?;
        let listed = self.listed(who, list, label).await?;
        if let Some(made) = made {
            let is_there = listed.iter().any(|entry| entry["id"] == made["id"]);
            ensure!(is_there, "{method} was acknowledged and is lost: {made}");
            return Ok(made);
        }
        ensure!(listed.len() < 2, "{method} made more than one: {listed:?}");
        for entry in listed {
            self.again(who, undo, json!([entry["id"]])).await?;
        }
        self.again(who, method, params).await
    }

    /// Takes something away that a list has under a label.
    async fn take_away(
        &mut self,
        who: usize,
        [method, list]: [&str; 2],
        label: &str,
        id: &Value,
    ) -> anyhow::Result<()> {
        let done = self.act(who, method, json!([id])).await?;
        let left = self.listed(who, list, label).await?;
        if done.is_some() {
            ensure!(
                left.is_empty(),
                "{method} was acknowledged and is lost: {left:?}"
            );
        } else if !left.is_empty() {
            self.again(who, method, json!([id])).await?;
        }
        let left = self.listed(who, list, label).await?;
        ensure!(left.is_empty(), "{method}: {left:?}");
        Ok(())
    }

    /// Alice invites, Bob accepts, Alice confirms; how each knows the other.
    async fn meet(&mut self) -> anyhow::Result<[Value; 2]> {
        let label = self.label("invitation");
        let params = json!([{ "label": label }]);
        let names = ["inviteContact", "invitations", "cancelInvitation"];
        let invitation = self.make(ALICE, names, &label, params).await?;

        let params = json!([invitation["link"], { "label": "Alice" }]);
        let added = self.act(BOB, "addContact", params.clone()).await?;
        let listed = self.listed(BOB, "contacts", "Alice").await?;
        ensure!(
            added.is_none() || listed.len() == 1,
            "addContact: {listed:?}"
        );
        // Both may have become contacts in the meantime: the invitation is used then.
        if listed.is_empty() {
            self.again(BOB, "addContact", params).await?;
        }

        let asks = first(self.person(ALICE), "contacts", |found| {
            found["status"] == "asks"
        })
        .await?;
        let confirmed = self
            .act(ALICE, "confirmContact", json!([asks["id"]]))
            .await?;
        let listed = self.again(ALICE, "contacts", json!([])).await?;
        ensure!(
            confirmed.is_none() || listed[0]["status"] == "confirmed",
            "confirmContact was acknowledged and is lost: {listed}"
        );
        self.again(ALICE, "confirmContact", json!([asks["id"]]))
            .await?;
        let is_confirmed = |found: &Value| found["status"] == "confirmed";
        let bob = first(self.person(ALICE), "contacts", is_confirmed).await?;
        let alice = first(self.person(BOB), "contacts", is_confirmed).await?;
        Ok([bob, alice])
    }

    /// Alice shares a database by a link, which Bob follows; the database, the share, the follow.
    async fn share_and_follow(&mut self) -> anyhow::Result<[Value; 3]> {
        let made = json!([{ "replicated": true }]);
        let db = self.again_at(ADB, ALICE, "dbCreate", made).await?["dbId"].clone();
        self.record(&db, "before").await?;
        let label = self.label("share");
        let params = json!([db, { "label": label }]);
        let names = ["share", "shares", "unshare"];
        let share = self.make(ALICE, names, &label, params).await?;

        let params = json!([share["link"], { "label": label }]);
        let followed = self.act(BOB, "follow", params.clone()).await?;
        let listed = self.listed(BOB, "follows", &label).await?;
        ensure!(
            followed.is_none() || listed.len() == 1,
            "follow: {listed:?}"
        );
        let follow = self.again(BOB, "follow", params).await?;
        self.has(&follow, "before").await?;
        Ok([db, share, follow])
    }

    /// Alice ends the share. A new one has another key, and what she writes then does not come to
    /// who has the old one alone.
    async fn revoke(&mut self, [db, share, follow]: &[Value; 3]) -> anyhow::Result<()> {
        let label = self.label("share");
        self.take_away(ALICE, ["unshare", "shares"], &label, &share["id"])
            .await?;
        self.record(db, "after").await?;
        let again = self.again(ALICE, "share", json!([db])).await?;
        ensure!(again["key"] != share["key"], "the key is the same: {again}");
        let copy = self.again(BOB, "follow", json!([again["link"]])).await?;
        self.has(&copy, "after").await?;
        let old = json!([follow["dbId"], "/after"]);
        let old = self.person(BOB).client.call(ADB, "recordGet", old).await;
        ensure!(old.is_err(), "who was revoked has what came later: {old:?}");
        self.again(ALICE, "unshare", json!([again["id"]])).await?;
        self.again(BOB, "unfollow", json!([copy["id"]])).await?;
        self.take_away(BOB, ["unfollow", "follows"], &label, &follow["id"])
            .await
    }

    async fn record(&self, db: &Value, path: &str) -> anyhow::Result<()> {
        let record = json!([db, format!("/{path}"), { "n": self.number }]);
        let put = self.again_at(ADB, ALICE, "recordPut", record);
        put.await.map(drop)
    }

    /// Waits until Bob's copy has a record.
    async fn has(&self, follow: &Value, path: &str) -> anyhow::Result<()> {
        let record = json!([follow["dbId"], format!("/{path}")]);
        self.again_at(ADB, BOB, "recordGet", record).await.map(drop)
    }

    /// Alice makes a database that Bob writes, too; both write, and Bob is removed.
    async fn write_and_remove(&mut self, [bob, _]: &[Value; 2]) -> anyhow::Result<()> {
        let label = self.label("together");
        let names = ["createShared", "sharedDatabases", "leaveShared"];
        let params = json!([{ "label": label }]);
        let shared = self.make(ALICE, names, &label, params).await?;
        let id = shared["id"].clone();

        let params = json!([id, bob["key"]]);
        let invited = self.act(ALICE, "inviteWriter", params.clone()).await?;
        let writers = self.writers(&label).await?;
        ensure!(invited.is_none() || writers == 2, "inviteWriter is lost");
        self.again(ALICE, "inviteWriter", params).await?;
        wait_for("the invitation at Bob's", SOON, async || {
            let listed = self.listed(BOB, "sharedDatabases", &label).await?;
            Ok(Seen::if_so(listed, |listed| listed.len() == 1))
        })
        .await?;
        let joined = self.act(BOB, "joinShared", json!([id])).await?;
        let listed = self.listed(BOB, "sharedDatabases", &label).await?;
        ensure!(
            joined.is_none() || listed[0]["dbId"].is_string(),
            "joinShared: {listed:?}"
        );
        let joined = self.again(BOB, "joinShared", json!([id])).await?;

        let copies = [shared["dbId"].clone(), joined["dbId"].clone()];
        for writer in [ALICE, BOB] {
            let path = format!("/{writer}");
            let record = json!([id, path, { "n": writer }]);
            if self
                .act(writer, "sharedPut", record.clone())
                .await?
                .is_none()
            {
                self.again(writer, "sharedPut", record).await?;
            }
            for (who, copy) in copies.iter().enumerate() {
                let at = json!([copy, path]);
                self.again_at(ADB, who, "recordGet", at).await?;
            }
        }

        let params = json!([id, bob["key"]]);
        let removed = self.act(ALICE, "removeWriter", params.clone()).await?;
        let writers = self.writers(&label).await?;
        ensure!(removed.is_none() || writers == 1, "removeWriter is lost");
        if writers != 1 {
            self.again(ALICE, "removeWriter", params).await?;
        }
        wait_for("Bob to hear of it", SOON, async || {
            let listed = self.listed(BOB, "sharedDatabases", &label).await?;
            Ok(Seen::if_so(listed, |listed| {
                listed[0]["status"] == "removed"
            }))
        })
        .await?;
        let late = json!([id, "/late", { "n": 1 }]);
        let late = call(self.person(BOB), "sharedPut", late).await;
        ensure!(late.is_err(), "who was removed writes");
        for who in [BOB, ALICE] {
            let names = ["leaveShared", "sharedDatabases"];
            self.take_away(who, names, &label, &id).await?;
        }
        Ok(())
    }

    async fn writers(&self, label: &str) -> anyhow::Result<usize> {
        let listed = self.listed(ALICE, "sharedDatabases", label).await?;
        Ok(listed[0]["writers"].as_array().map_or(0, Vec::len))
    }

    /// Alice pairs a device, and removes it.
    async fn devices(&mut self) -> anyhow::Result<()> {
        let label = self.label("device");
        let names = ["pairDevice", "devices", "unpairDevice"];
        let params = json!([{ "label": label }]);
        let device = self.make(ALICE, names, &label, params).await?;
        self.take_away(ALICE, ["unpairDevice", "devices"], &label, &device["id"])
            .await
    }

    /// Each removes the other; no database is left of all that.
    async fn part(&mut self, contacts: &[Value; 2]) -> anyhow::Result<()> {
        for (who, contact) in contacts.iter().enumerate() {
            let label = contact["label"].as_str().context("no label")?;
            let names = ["removeContact", "contacts"];
            self.take_away(who, names, label, &contact["id"]).await?;
            let list = self.again_at(ADB, who, "dbList", json!([])).await?;
            let list = list.as_array().context("no list")?;
            let copies: Vec<_> = list.iter().filter(|db| db["follows"].is_string()).collect();
            ensure!(copies.is_empty(), "copies that nothing keeps: {copies:?}");
        }
        Ok(())
    }
}
