// Bob's app asks for something while it runs; he answers, takes it back, blocks a host, and shares an app with a group.

import assert from "node:assert/strict";
import { looksRight } from "../lib/checks.mjs";
import { story } from "../lib/story.mjs";
import { addUser, openPage, part, row, signIn } from "../lib/words.mjs";

story(async ({ box, browser, step }) => {
  await addUser(box, "alice", "admin");
  await addUser(box, "bob");
  await box.install("caller-node", "bob", "weather");
  await box.install("hello-node", "bob", "album");
  const alice = await browser.person("alice");
  const bob = await browser.person("bob");
  const { page } = bob;
  const question = part(bob, "An app asks for your permission");
  const press = (name) =>
    question.getByRole("button", { name, exact: true }).click();
  const grants = async () => (await box.call("permissions-api", "list")).grants;
  /** Has the app ask, as its own page would. */
  const ask = async (permission, reason) => {
    const params = encodeURIComponent(JSON.stringify([{ permission, reason }]));
    await bob.open(
      box.appUrl(
        "weather",
        `/call?api=atek.cloud%2Fpermissions-api&method=request&params=${params}`,
      ),
    );
    assert.match(await page.locator("body").innerText(), /pending|denied/);
  };

  await step("an app asks, and bob allows it for an hour", async () => {
    await signIn(bob, box);
    await ask("host:api.weather.example", "to show the weather");
    await openPage(bob, box, "/", "Your apps");
    await question.getByText("connect to api.weather.example").waitFor();
    await question.getByText("“to show the weather”").waitFor();
    await looksRight(bob, "asks");
    await press("Allow for an hour");
    await question.waitFor({ state: "detached" });
    const [grant] = await grants();
    assert.equal(grant.permission, "host:api.weather.example");
    assert.equal(grant.by, "bob");
    assert.ok(Date.parse(grant.until) - Date.now() < 3_600_000);
  });
  await step("what he does not allow is not asked again", async () => {
    await ask("host:tracker.example", "");
    await openPage(bob, box, "/", "Your apps");
    await question.getByText("It gives no reason.").waitFor();
    await press("Don’t allow");
    await question.waitFor({ state: "detached" });
    await ask("host:tracker.example", "please");
    assert.match(await page.locator("body").innerText(), /denied/);
  });
  await step(
    "what only an administrator may allow, he can only refuse",
    async () => {
      await ask("direct", "to be faster");
      await openPage(bob, box, "/", "Your apps");
      await question
        .getByText("Only an administrator of this box can allow this.")
        .waitFor();
      assert.equal(
        await question.getByRole("button", { name: "Always allow" }).count(),
        0,
      );
      await looksRight(bob, "asks-too-much");
      await press("Don’t allow");
      await question.waitFor({ state: "detached" });
    },
  );
  await step(
    "he sees who may what, since when and by whose word, and takes it back",
    async () => {
      await openPage(bob, box, "/p/permissions", "Permissions");
      const line = page
        .getByRole("row")
        .filter({ hasText: "api.weather.example" });
      await line.getByText("bob").waitFor();
      await looksRight(bob, "all-permissions");
      await line.getByRole("button", { name: /^Take back/ }).click();
      await line.waitFor({ state: "detached" });
      assert.ok(
        !(await grants()).some(
          ({ permission }) => permission === "host:api.weather.example",
        ),
      );
    },
  );
  await step(
    "he blocks a host for an app, and gives it more than it asks for",
    async () => {
      await openPage(bob, box, "/p/apps/weather/permissions", "Caller");
      await page.getByLabel("Host", { exact: true }).fill("ads.example");
      await page.getByRole("button", { name: "Block", exact: true }).click();
      await page.getByText("not: connect to ads.example").waitFor();
      await page.getByLabel("Host", { exact: true }).fill("maps.example");
      await page.getByRole("button", { name: "Allow", exact: true }).click();
      await page
        .getByRole("row")
        .filter({ hasText: "connect to maps.example" })
        .waitFor();
      await looksRight(bob, "app-permissions");
      const { settings } = await box.call("services-api", "get", "weather");
      assert.equal(settings.granted, undefined);
    },
  );
  await step(
    "he sees what the app did and what was refused, finds it, and blocks a host there",
    async () => {
      for (const host of ["maps.example", "ads.example"]) {
        await bob.open(box.appUrl("weather", `/plain?to=${host}`));
        await page.getByText(/"(error|refused|status)"/).waitFor();
      }
      await openPage(bob, box, "/p/permissions", "Permissions");
      await page.getByRole("link", { name: "Activity" }).click();
      await page
        .getByRole("heading", { name: "Activity", exact: true })
        .waitFor();
      const lines = (text) => page.getByRole("row").filter({ hasText: text });
      await lines("connection to maps.example:80")
        .getByText("failed")
        .waitFor();
      await lines("connection to ads.example:80")
        .getByText("refused")
        .waitFor();
      await lines("request of atek.cloud/permissions-api").first().waitFor();
      await looksRight(bob, "activity");
      await page.getByLabel("Find an app, a person").fill("maps.example");
      await lines("ads.example").waitFor({ state: "detached" });
      await page
        .getByRole("button", { name: "Block maps.example:80 for Caller" })
        .click();
      await page.getByText("maps.example:80 is blocked now").waitFor();
      const blocked = (await grants())
        .filter(({ verdict }) => verdict === "deny")
        .map(({ permission }) => permission);
      assert.ok(blocked.includes("host:maps.example:80"), blocked);
      await page.getByLabel("Find an app, a person").fill("");
      await page.getByLabel("Only what was refused").check();
      await lines("connection to maps.example:80").waitFor({
        state: "detached",
      });
      await lines("connection to ads.example:80").waitFor();
      await looksRight(bob, "activity-refused");
      await openPage(bob, box, "/p/permissions", "Permissions");
      await lines("connect to maps.example")
        .filter({ hasText: /once|times/ })
        .first()
        .waitFor();
      await openPage(bob, box, "/p/activity/weather", "Activity");
      await lines("Caller may: connect to maps.example").first().waitFor();
    },
  );
  await step(
    "alice makes a group, and bob shares an app with it to look at",
    async () => {
      await signIn(alice, box);
      await openPage(alice, box, "/p/users", "Users");
      await alice.page.getByRole("button", { name: "Add a group" }).click();
      const dialog = alice.page.getByRole("dialog");
      await dialog.getByLabel("Name of the group").fill("Family");
      await dialog.getByLabel("alice").check();
      await looksRight(alice, "group");
      await dialog.getByRole("button", { name: "Save" }).click();
      await row(alice, "Family").waitFor();
      await looksRight(alice, "groups");
      await addUser(box, "carol");
      await openPage(bob, box, "/p/apps/album/permissions", "Hello");
      const sharing = part(bob, "Shared with");
      await sharing
        .getByLabel("With", { exact: true })
        .selectOption({ label: "carol" });
      await sharing.getByLabel("They may").selectOption("view");
      await sharing.getByRole("button", { name: "Share", exact: true }).click();
      await sharing
        .getByRole("row")
        .filter({ hasText: "look, and change nothing" })
        .waitFor();
      await looksRight(bob, "shared");
    },
  );
  await step("carol opens it, until he takes it back", async () => {
    const carol = await browser.person("carol");
    await signIn(carol, box);
    await carol.page.locator('a[href="/p/apps/album"]').first().waitFor();
    await carol.open(box.appUrl("album"));
    assert.equal(await carol.page.locator("body").innerText(), "hello");
    await part(bob, "Shared with")
      .getByRole("button", { name: "Stop sharing with carol" })
      .click();
    await page.getByText("You share this app with no one.").waitFor();
    carol.expect(/album\S* 403$/);
    await carol.open(box.appUrl("album"));
    assert.doesNotMatch(
      await carol.page.locator("body").innerText(),
      /^hello$/,
    );
  });
});
