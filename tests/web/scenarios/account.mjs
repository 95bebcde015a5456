// A person looks after their account: password, devices, language, colours.

import assert from 'node:assert/strict'
import { looksRight } from '../lib/checks.mjs'
import { story } from '../lib/story.mjs'
import { PASSWORD, addUser, atHome, giveNameAndPassword, openPage, part, signIn } from '../lib/words.mjs'

story(async ({ box, browser, step }) => {
  await addUser(box, 'owner', 'admin')
  await addUser(box, 'alice')
  await box.install('hello-node', 'alice')
  const alice = await browser.person('alice')
  const phone = await browser.person('phone', { userAgent: 'Mozilla/5.0 (Android 15; Mobile; rv:140.0) Gecko/140.0 Firefox/140.0' })
  const lost = await browser.person('lost')
  for (const device of [alice, phone, lost]) await signIn(device, box, 'alice')

  await step('alice sees where she is signed in', async () => {
    await openPage(alice, box, '/p/account', 'Your account')
    const sessions = part(alice, 'Where you are signed in')
    await sessions.getByText('this device').waitFor()
    await sessions.getByText('Firefox on Android').waitFor()
    assert.equal(await sessions.getByRole('listitem').count(), 3)
    await looksRight(alice, 'account')
  })
  await step('the phone follows the log of an app', async () => {
    await openPage(phone, box, '/p/account', 'Your account')
    assert.equal(await followLog(phone, 'hello-node'), 'lines come')
  })
  await step('alice signs the phone out: it is thrown out, and so is its log', async () => {
    phone.expect(/_atek\/logs\S* failed: net::ERR_/)
    await alice.page.getByRole('button', { name: 'Sign out Firefox on Android' }).click()
    await alice.page.getByText('Firefox on Android was signed out').waitFor()
    await phone.page.waitForFunction(() => globalThis.logEnded === true)
    await phone.open(box.url('/p/databases'))
    await phone.page.waitForURL(/\/_atek\/login/)
  })
  // Until it is opened again, a home that was thrown out goes on asking for its apps, every few seconds.
  lost.expect(/(services|permissions)-api 40\d$/)
  await step('she signs out everywhere else', async () => {
    await alice.page.getByRole('button', { name: 'Sign out everywhere else' }).click()
    await alice.page.getByText('You are signed out everywhere else').waitFor()
    // The note comes before the new list.
    const listed = part(alice, 'Where you are signed in').getByRole('listitem')
    await listed.nth(1).waitFor({ state: 'detached' })
    assert.equal(await listed.count(), 1)
    await lost.open(box.url())
    await lost.page.waitForURL(/\/_atek\/login/)
  })
  await step('a new password needs the present one', async () => {
    await giveNameAndPassword(lost, 'alice')
    await atHome(lost)
    const card = part(alice, 'Password')
    const change = async (before, after) => {
      await card.getByLabel('Current password').fill(before)
      await card.getByLabel('New password', { exact: true }).fill(after)
      await card.getByRole('button', { name: 'Change password' }).click()
    }
    await change('not the password', 'a wholly new password')
    await card.getByText('The current password is wrong.').waitFor()
    await looksRight(alice, 'account-wrong-password')
    await change(PASSWORD, 'a wholly new password')
    await alice.page.getByText('Your password was changed').waitFor()
    await alice.page.reload()
    await alice.page.getByRole('heading', { level: 1, name: 'Your account' }).waitFor()
    await lost.open(box.url())
    await lost.page.waitForURL(/\/_atek\/login/)
  })
  await step('the strength of a password is said in words', async () => {
    const card = part(alice, 'Password')
    for (const [typed, said] of [['short', /Very weak: too short/], ['password1234', /weak: contains a very common password/i], ['correct horse battery staple', /Strong/]]) {
      await card.getByLabel('New password', { exact: true }).fill(typed)
      await card.getByText(said).waitFor()
    }
  })
  await step('German is spoken everywhere, and remembered', async () => {
    await alice.page.getByLabel('Language', { exact: true }).selectOption('de')
    await alice.page.getByRole('heading', { level: 1, name: 'Dein Konto' }).waitFor()
    await alice.page.reload()
    await alice.page.getByRole('heading', { level: 1, name: 'Dein Konto' }).waitFor()
    assert.equal(await alice.page.locator('html').getAttribute('lang'), 'de')
    await looksRight(alice, 'account-german')
    await alice.page.getByLabel('Sprache', { exact: true }).selectOption('auto')
    await alice.page.getByRole('heading', { level: 1, name: 'Your account' }).waitFor()
  })
  await step('the colours are as she says, not as the device says', async () => {
    const background = () => alice.page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor)
    const becomes = wanted =>
      alice.page.waitForFunction(
        ([colour, same]) => (getComputedStyle(document.documentElement).backgroundColor === colour) === same,
        wanted
      )
    const light = await background()
    await alice.page.getByLabel('Colours').selectOption('dark')
    await becomes([light, false])
    const dark = await background()
    await alice.page.reload()
    await alice.page.getByLabel('Colours').waitFor()
    assert.equal(await background(), dark)
    await alice.page.getByLabel('Colours').selectOption('auto')
    await becomes([light, true])
  })
})

// Reads the app's log as it grows, in the page; `logEnded` says when the box has ended it.
function followLog({ page }, id) {
  return page.evaluate(async id => {
    const response = await fetch(`/_atek/logs?service=${id}&follow=1&lines=10`)
    const reader = response.body.getReader()
    const first = await reader.read()
    const rest = async () => {
      while (!(await reader.read()).done);
    }
    void rest().catch(() => undefined).then(() => (globalThis.logEnded = true))
    return first.done ? 'nothing came' : 'lines come'
  }, id)
}
