// Alice shares a database with another home, sees who has it and stops; she pairs a laptop in three steps, which the
// test connects from another network, and removes it.

import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { PHONE } from '../lib/browser.mjs'
import { looksRight } from '../lib/checks.mjs'
import { readQr } from '../lib/qr.mjs'
import { out, story } from '../lib/story.mjs'
import { callInPage, openPage, part, row, signIn } from '../lib/words.mjs'

story(async ({ box, browser, step }) => {
  const alice = await browser.person('alice')
  const { page } = alice
  const dialog = page.getByRole('dialog')
  const press = name => dialog.getByRole('button', { name, exact: true }).click()
  const linkShown = () => dialog.getByRole('textbox', { name: 'Link', exact: true }).inputValue()
  const code = () => dialog.getByRole('img', { name: 'The link as a QR code' })
  /** What the code says where the page is a phone's, which is held out to another phone. */
  const qrOnPhone = async () => {
    const before = page.viewportSize()
    await page.setViewportSize(PHONE)
    const said = await readQr(code())
    await page.setViewportSize(before)
    return said
  }

  await step('alice makes a link to a database for Bob', async () => {
    await signIn(alice, box)
    const { result } = await callInPage(alice, 'adb-api', 'dbCreate', [{ alias: 'Holidays' }])
    await page.goto(box.url(`/p/databases/${result.dbId}`))
    await page.getByRole('button', { name: 'Share with other homes' }).click()
    await dialog.getByLabel('Who it is for (only you see this)').fill('Bob')
    await looksRight(alice, 'share')
    await press('Create the link')
    const link = await linkShown()
    assert.match(link, /^atek:\/\/db\/\w{52}\.\w{52}$/)
    await looksRight(alice, 'share-link')
    assert.equal(await qrOnPhone(), link)
    await dialog.getByRole('button', { name: 'Close' }).last().click()
  })
  await step('she sees what is shared, and stops it', async () => {
    await openPage(alice, box, '/p/sharing', 'Sharing')
    await row(alice, 'Bob').waitFor()
    await looksRight(alice, 'sharing')
    await page.getByRole('button', { name: 'Show the link: Bob' }).click()
    assert.equal(await qrOnPhone(), await linkShown())
    await looksRight(alice, 'sharing-link')
    await dialog.getByRole('button', { name: 'Close' }).last().click()
    await page.getByRole('button', { name: 'Stop sharing: Bob' }).click()
    await press('Stop sharing')
    await page.getByText('You are not sharing any databases with other homes.').waitFor()
    const { result } = await callInPage(alice, 'hypercore-api', 'shares', [])
    assert.deepEqual(result, [])
  })
  await step('a link that is none is refused with the reason', async () => {
    await page.getByLabel('Link of another home').fill('https://example.org')
    await page.getByRole('button', { name: 'Follow', exact: true }).click()
    await page.getByText(/this is not a link to a database/).waitFor()
    await looksRight(alice, 'no-link')
  })
  await step('she pairs a laptop, and sees when it has connected', async () => {
    await openPage(alice, box, '/p/devices', 'Devices')
    await page.getByText('No devices are paired.').waitFor()
    await page.getByRole('button', { name: 'Pair a device' }).click()
    await dialog.getByLabel('Name', { exact: true }).fill('Laptop')
    await looksRight(alice, 'pair-name')
    await press('Next')
    // The laptop takes the link as a camera sees it.
    const link = await readQr(code())
    assert.equal(link, await linkShown())
    assert.match(link, /^hs:\/\/s000\w{52}$/)
    await looksRight(alice, 'pair-link')
    await writeFile(join(out, 'link'), link)
    await dialog.getByText('The device has connected.').waitFor()
    await looksRight(alice, 'pair-done')
    await press('Done')
  })
  await step('she sees what went to it, and removes it', async () => {
    await row(alice, 'Laptop').waitFor()
    await looksRight(alice, 'devices')
    await page.getByRole('button', { name: 'Remove Laptop' }).click()
    await press('Remove')
    await page.getByText('No devices are paired.').waitFor()
    await part(alice, 'Devices').waitFor()
  })
})
