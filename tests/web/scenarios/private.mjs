// A person installs an app of a private repository, with the access token that its git host gave them.

import assert from 'node:assert/strict'
import { looksRight } from '../lib/checks.mjs'
import { story } from '../lib/story.mjs'
import { addUser, openPage, signIn } from '../lib/words.mjs'

story(async ({ box, browser, step }) => {
  await addUser(box, 'alice', 'admin')
  const alice = await browser.person('alice')
  const { page } = alice
  const look = () => page.getByRole('button', { name: 'Continue', exact: true }).click()

  await step('the page of a private repository opens the field for its token', async () => {
    await signIn(alice, box)
    await openPage(alice, box, '/p/install', 'Install an app')
    await page.getByLabel('Address or folder').fill(box.remotes.notes)
    await look()
    await page.getByText('a private one is read with an access token').waitFor()
    await page.getByLabel('Access token').waitFor()
    await looksRight(alice, 'private')
  })
  await step('a wrong token is told from a right one', async () => {
    await page.getByLabel('Access token').fill('glpat-hunter3')
    await look()
    await page.getByText('does not take the access token').waitFor()
    await page.getByLabel('Access token').fill('glpat-hunter2')
    await look()
    await page.getByRole('button', { name: 'Install', exact: true }).click()
    await page.getByRole('heading', { name: 'Hello is installed' }).waitFor()
  })
  await step('the token is on no page any more', async () => {
    const stored = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, location.href]))
    assert.ok(!stored.includes('glpat'), stored)
    assert.ok(!(await page.content()).includes('glpat'))
    const { settings } = await box.call('services-api', 'get', 'notes')
    assert.ok(!JSON.stringify(settings).includes('glpat'))
  })
})
