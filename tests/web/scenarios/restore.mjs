// A card died. On a new box, the setup page makes it the old one again, with the recovery words and the disk.

import assert from 'node:assert/strict'
import { looksRight } from '../lib/checks.mjs'
import { story } from '../lib/story.mjs'
import { atHome, giveNameAndPassword } from '../lib/words.mjs'

story(async ({ box, browser, step }) => {
  const alice = await browser.person('alice')
  const { page } = alice
  const heading = name => page.getByRole('heading', { level: 1, name }).waitFor()
  const field = name => page.getByLabel(name, { exact: true })
  const words = (await box.run('cat', '/root/words')).trim()
  const begin = () => page.getByRole('button', { name: 'Restore', exact: true }).click()

  await step('the setup page offers to restore a box', async () => {
    await alice.open(box.url('/_atek/setup/'))
    await heading('Is this your box?')
    await field('Code').fill(await box.claimCode())
    await page.getByRole('button', { name: 'Restore from a backup' }).click()
    await heading('Restore from a backup')
    await page.getByText('The box sees: /mnt/disk').waitFor()
    assert.equal(await field('Folder of the disk').inputValue(), '/mnt/disk')
    await looksRight(alice, '1-form')
  })
  await step('what is missing or wrong is told at its field', async () => {
    await begin()
    await page.getByText('Enter the 24 words, or the password of the backups.').waitFor()
    await field('Recovery words').fill('abandon '.repeat(23) + 'art')
    await begin()
    await page.getByText('do not fit the backup').waitFor()
    await field('Recovery words').fill('only three words')
    await begin()
    await page.locator('textarea[aria-invalid]').waitFor()
    await looksRight(alice, '2-wrong')
  })
  await step('with the words the box becomes the old one', async () => {
    // The host starts again, and answers nothing for a moment.
    alice.expect(/setup-api (failed: net::ERR_|50\d)/)
    await field('Recovery words').fill(words.toUpperCase())
    await begin()
    await heading('Welcome back')
    await looksRight(alice, '3-done')
  })
  await step('she signs in as before', async () => {
    await page.getByRole('link', { name: 'Sign in' }).click()
    await giveNameAndPassword(alice, 'anna')
    await atHome(alice)
    const app = await box.call('services-api', 'get', 'hello-node')
    assert.equal(app.settings.id, 'hello-node')
  })
})
