// What the host itself answers in place of an app: one styled page, in the person's language, light and dark.

import assert from 'node:assert/strict'
import { looksRight } from '../lib/checks.mjs'
import { story } from '../lib/story.mjs'
import { until } from '../lib/until.mjs'
import { addUser, signIn } from '../lib/words.mjs'

story(async ({ box, browser, step }) => {
  await addUser(box, 'owner', 'admin')
  await addUser(box, 'alice')
  await addUser(box, 'bob')
  await box.install('crash-loop', 'alice').catch(() => undefined)
  await box.install('hello-node', 'alice', 'diary')
  await box.install('slow-start', 'alice')
  const alice = await browser.person('alice')
  const bob = await browser.person('bob', { locale: 'de-DE' })
  const heading = (person, name) => person.page.getByRole('heading', { level: 1, name }).waitFor()

  await step('an app that failed says so, with the last lines of its log for its owner', async () => {
    await signIn(alice, box)
    alice.expect(/crash-loop\S* 50\d$/)
    await until('the app to be given up', async () => (await box.call('services-api', 'get', 'crash-loop')).state === 'failed')
    await alice.open(box.appUrl('crash-loop'))
    await heading(alice, 'crash-loop is not running')
    await alice.page.getByText('crashing as usual').first().waitFor()
    await looksRight(alice, 'failed')
    await alice.page.getByRole('link', { name: 'About this app' }).click()
    await alice.page.waitForURL(box.url('/p/apps/crash-loop'))
  })
  await step('an app that starts is waited for, and then it is there', async () => {
    alice.expect(/slow-start\S* 503$/)
    const restarted = box.call('services-api', 'restart', 'slow-start')
    await until('the app to start', async () => (await box.call('services-api', 'get', 'slow-start')).state === 'starting')
    await alice.open(box.appUrl('slow-start'))
    await heading(alice, 'slow-start is starting')
    await restarted
    // Nobody touches it: the page looks again by itself.
    await alice.page.waitForFunction(() => !document.querySelector('progress'))
    assert.equal(await alice.page.getByText('is starting').count(), 0)
  })
  await step('an address without an app leads home', async () => {
    alice.expect(/nothing\S* 404$/)
    await alice.open(box.appUrl('nothing'))
    await heading(alice, 'There is nothing here')
    await looksRight(alice, 'not-found')
    await alice.page.getByRole('link', { name: 'Go home' }).click()
    await alice.page.waitForURL(box.url())
  })
  await step('another person’s app is told to be hers, in German', async () => {
    await bob.open(box.url())
    await bob.page.getByLabel('Benutzername').fill('bob')
    await bob.page.getByLabel('Passwort', { exact: true }).fill('correct horse battery staple')
    await bob.page.getByRole('button', { name: 'Anmelden' }).click()
    await bob.page.getByRole('navigation', { name: 'Hauptmenü' }).waitFor()
    bob.expect(/diary\S* 40\d$/)
    await bob.open(box.appUrl('diary'))
    await heading(bob, 'Das gehört dir nicht')
    assert.equal(await bob.page.locator('html').getAttribute('lang'), 'de')
    await looksRight(bob, 'not-yours')
  })
})
