// A person uninstalls an app and keeps its data, and gets the data back when the app is installed again.

import assert from 'node:assert/strict'
import { looksRight } from '../lib/checks.mjs'
import { story } from '../lib/story.mjs'
import { addUser, openPage, signIn } from '../lib/words.mjs'

story(async ({ box, browser, step }) => {
  // Administrators: the repository is in their home network, which other users cannot install from.
  await addUser(box, 'alice', 'admin')
  await addUser(box, 'bob', 'admin')
  await box.publish('hello', 'v1.0.0', 'hello-node')
  const alice = await browser.person('alice')
  const bob = await browser.person('bob')
  const keyOf = async id => (await box.call('services-api', 'get', id)).key

  const review = async person => {
    await openPage(person, box, '/p/install', 'Install an app')
    await person.page.getByLabel('Address or folder').fill(box.remotes.hello)
    await person.page.getByRole('button', { name: 'Continue' }).click()
    await person.page.getByLabel('Short name').waitFor()
  }
  const install = async ({ page }) => {
    await page.getByRole('button', { name: 'Install', exact: true }).click()
    await page.getByRole('heading', { name: /is installed$/ }).waitFor()
  }
  let key
  await step('alice installs an app, uninstalls it and keeps its data', async () => {
    await signIn(alice, box)
    await review(alice)
    assert.equal(await alice.page.getByRole('heading', { name: 'Its data' }).count(), 0)
    await alice.page.getByLabel('Short name').fill('notes')
    await install(alice)
    key = await keyOf('notes')
    await openPage(alice, box, '/p/apps/notes/settings', 'Hello')
    alice.expect(/services-api 40\d$/)
    await alice.page.getByRole('button', { name: /^Uninstall/ }).click()
    await alice.page.getByRole('dialog').getByText('Keep its data').waitFor()
    await alice.page.getByRole('dialog').getByRole('button', { name: 'Uninstall' }).click()
    await alice.page.getByText('Hello was uninstalled').waitFor()
  })
  await step('bob installs the same app, and is offered nothing of hers', async () => {
    await signIn(bob, box)
    await review(bob)
    assert.equal(await bob.page.getByRole('heading', { name: 'Its data' }).count(), 0)
    await bob.page.getByLabel('Short name').fill('of-bob')
    await install(bob)
    assert.notEqual(await keyOf('of-bob'), key)
  })
  await step('alice installs it again, and is offered her data', async () => {
    await review(alice)
    await alice.page.getByRole('heading', { name: 'Its data' }).waitFor()
    await alice.page.getByText(/^Use the data of “.+” from /).waitFor()
    assert.ok(await alice.page.getByRole('radio', { name: /^Use the data of/ }).isChecked())
    await looksRight(alice, 'install-with-data')
    await install(alice)
    const { services } = await box.call('services-api', 'list')
    const found = services.find(service => service.key === key)
    assert.equal(found?.owner, 'alice', 'the new app has not taken over the old one’s data')
    assert.deepEqual((await box.call('services-api', 'keptData')).kept, [])
  })
  await step('for everybody she is offered what an app of everybody has left, and nothing of hers', async () => {
    const { page } = alice
    const offered = page.getByRole('heading', { name: 'Its data' })
    await box.call('services-api', 'install', { sourceUrl: box.remotes.hello, id: 'of-all', user: 'system' })
    const shared = await keyOf('of-all')
    await box.call('services-api', 'uninstall', 'of-all', { keepData: true })
    await review(alice)
    assert.equal(await offered.count(), 0)
    await page.getByLabel('Short name').fill('again')
    await page.getByLabel('For', { exact: true }).selectOption('all')
    await offered.waitFor()
    await install(alice)
    assert.equal(await keyOf('again'), shared)
  })
})
