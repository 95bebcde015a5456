// A person looks after the updates of her apps: what is new, one press for one or for all, what came of it, when
// versions are installed, the way back, and copies of the files.

import assert from 'node:assert/strict'
import { looksRight } from '../lib/checks.mjs'
import { story } from '../lib/story.mjs'
import { addUser, openPage, part, row, signIn } from '../lib/words.mjs'

const HOSTILE = '<img src=x onerror="document.title=1">'

story(async ({ box, browser, step }) => {
  // An administrator: the repositories are in the home network, which other users cannot update from.
  await addUser(box, 'alice', 'admin')
  for (const name of ['hello', 'records']) {
    await box.publish(name, 'v1.0.0', `${name}-node`)
    await box.call('services-api', 'install', { sourceUrl: box.remotes[name], id: name, user: 'alice' })
  }
  const alice = await browser.person('alice')
  const { page } = alice
  const button = name => page.getByRole('button', { name, exact: true })
  const offer = name => part(alice, name)
  const status = id => box.call('services-api', 'updateStatus', id)
  const told = method => page.waitForResponse(answer => answer.request().postData()?.includes(`"method":"${method}"`))

  await step('with nothing new the page says so', async () => {
    await signIn(alice, box)
    await openPage(alice, box, '/p/updates', 'Updates')
    await page.getByRole('heading', { name: 'Everything is up to date' }).waitFor()
    await row(alice, 'Hello').getByText('v1.0.0').waitFor()
    await looksRight(alice, 'up-to-date')
  })
  await step('she reads that the home of the configuration does not run, and why', async () => {
    await page.getByText('The service that comes with Atek runs instead').waitFor()
    await page.getByText('/srv/no-such-home').first().waitFor()
  })
  await step('she looks, and reads what is new, which is text whatever it says', async () => {
    await box.publish('hello', 'v1.1.0', 'hello-node', {}, `Faster greetings\n\n- says hello in ${HOSTILE}\n- ends cleanly`)
    await box.publish('records', 'v1.0.1', 'records-node', { 'break.js': "console.error('Error: schema 7 is not known'); process.exit(4)" })
    await button('Check for updates').click()
    await offer('Hello').getByText('Faster greetings').waitFor()
    await offer('Hello').getByText(HOSTILE).waitFor()
    assert.equal(await page.locator('main .notes img').count(), 0)
    await offer('Records').getByRole('button', { name: 'Update to v1.0.1' }).waitFor()
    await looksRight(alice, 'whats-new')
  })
  await step('one press updates all; the one that does not work is taken back, and says why', async () => {
    await button('Update all 2 apps').click()
    await offer('Hello').getByText('Updated to v1.1.0').waitFor()
    await offer('Records').getByText('It was not updated. The previous version is still in use.').waitFor()
    await offer('Records').getByText('What its log said').click()
    await offer('Records').getByText('Error: schema 7 is not known').waitFor()
    const history = part(alice, 'History')
    await history.getByText('Rolled back').waitFor()
    await history.getByText('Updated', { exact: true }).waitFor()
    assert.equal((await status('records')).installedVersion, 'v1.0.0')
    await looksRight(alice, 'updated-all')
  })
  await step('she decides for all her apps, and for one', async () => {
    await page.getByLabel('New versions', { exact: true }).selectOption('automatic')
    await page.getByLabel('Wait after a version appears').fill('48')
    let saved = told('setUpdates')
    await button('Save').click()
    await saved
    assert.equal((await status('hello')).mode, 'automatic')
    await openPage(alice, box, '/p/apps/hello/updates', 'Hello')
    const choice = page.getByLabel('New versions', { exact: true })
    await choice.waitFor()
    await page.getByText('As for all my apps (Install them automatically)').waitFor({ state: 'attached' })
    await page.getByLabel('Not before').fill('2030-01-02')
    saved = told('setUpdates')
    await button('Save').click()
    await saved
    assert.match((await status('hello')).settings.holdUntil, /^2030-01-0[12]T/)
    await page.getByText('Saved', { exact: true }).first().waitFor()
    await choice.selectOption('never')
    saved = told('setUpdates')
    await button('Save').click()
    await saved
    assert.equal((await status('hello')).mode, 'never')
    await choice.selectOption('inherit')
    saved = told('setUpdates')
    await button('Save').click()
    await saved
    assert.equal((await status('hello')).settings.mode, undefined)
    await looksRight(alice, 'one-app')
  })
  await step('she pins it to a range, which a newer version is outside of', async () => {
    await page.getByLabel('Stay within').fill('^1.1')
    const saved = told('configure')
    await part(alice, 'Versions').getByRole('button', { name: 'Save' }).click()
    await saved
    await box.publish('hello', 'v2.0.0', 'hello-node')
    await button('Check for updates').click()
    await part(alice, 'Versions').getByText('v1.1.0 is the newest version.').waitFor()
    assert.equal((await status('hello')).available, null)
  })
  await step('she copies the files, puts them back, and deletes the copy', async () => {
    const copies = part(alice, 'Copies of its files')
    await copies.getByRole('button', { name: 'Make a copy' }).click()
    await copies.getByRole('row').filter({ hasText: 'by a person' }).waitFor()
    await looksRight(alice, 'copies')
    const mine = copies.getByRole('row').filter({ hasText: 'by a person' })
    await mine.getByRole('button', { name: 'Restore' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Restore' }).click()
    await page.getByText('The files were restored').waitFor()
    await mine.getByRole('button', { name: /^Delete/ }).click()
    await looksRight(alice, 'delete-copy')
    await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
    await page.getByText('The copy was deleted').waitFor()
    assert.equal((await status('hello')).snapshots.filter(({ automatic }) => !automatic).length, 0)
  })
  await step('a version that another key has signed waits until she has compared the key', async () => {
    // The app's releases are signed from here on.
    await box.publish('records', 'v1.1.0', 'records-node', {}, 'signed', 'author')
    await box.call('services-api', 'updatePackage', 'records')
    const other = await box.publish('records', 'v1.2.0', 'records-node', {}, 'by somebody', 'other')
    await openPage(alice, box, '/p/apps/records/updates', 'Records')
    await button('Check for updates').click()
    const versions = part(alice, 'Versions')
    await versions.getByText('The new version is signed with another key').waitFor()
    await versions.getByText(other).first().waitFor()
    assert.equal((await status('records')).installedVersion, 'v1.1.0')
    await looksRight(alice, 'other-signer')
    // It is among those that are not offered again, and can be looked at from there.
    await page.reload()
    await versions.getByText('Versions that are not offered again').waitFor()
    await button('Look at v1.2.0 again').click()
    await versions.getByText(other).first().waitFor()
    await button('Accept this key and update').click()
    await versions.getByText('Updated to v1.2.0').waitFor()
    assert.equal((await status('records')).installedVersion, 'v1.2.0')
    const { settings } = await box.call('services-api', 'get', 'records')
    assert.equal(settings.package.signer.fingerprint, other)
    await looksRight(alice, 'signer-accepted')
    await openPage(alice, box, '/p/apps/hello/updates', 'Hello')
  })
  await step('she goes back to the version before', async () => {
    await button('Go back to v1.0.0').click()
    await looksRight(alice, 'go-back')
    await page.getByRole('dialog').getByRole('button', { name: 'Go back to v1.0.0' }).click()
    await page.getByText('v1.0.0 is back in use').first().waitFor()
    assert.equal((await status('hello')).installedVersion, 'v1.0.0')
    await part(alice, 'Versions').getByText('Versions that are not offered again').waitFor()
  })
})
