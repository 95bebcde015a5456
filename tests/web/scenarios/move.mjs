// An administrator is asked before the data of the box move to a disk on which something is.

import assert from 'node:assert/strict'
import { looksRight } from '../lib/checks.mjs'
import { story } from '../lib/story.mjs'
import { PASSWORD, addUser, openPage, part, signIn } from '../lib/words.mjs'

story(async ({ box, browser, step }) => {
  await addUser(box, 'alice', 'admin')
  const alice = await browser.person('alice')
  const { page } = alice
  const card = part(alice, 'Move the data to another disk')
  const dialog = page.getByRole('dialog')
  const move = dialog.getByRole('button', { name: 'Erase the disk and move' })
  const told = await box.call('system-api', 'moveTargets')
  const disk = told.disks.find(({ holds, refused }) => !refused && holds.some(text => text.includes('HOLIDAY')))
  assert.ok(disk, JSON.stringify(told))

  await step('the card says where the data are and what is on each disk', async () => {
    await signIn(alice, box)
    await openPage(alice, box, '/p/system', 'System')
    await card.getByText('The data are on the card').waitFor()
    await card.getByText('HOLIDAY').first().waitFor()
    await looksRight(alice, 'move')
  })
  await step('it needs the name of the disk and her password', async () => {
    const row = card.getByRole('listitem').filter({ hasText: disk.device })
    await row.getByRole('button').click()
    await dialog.getByText('is lost').waitFor()
    await dialog.getByText('HOLIDAY').waitFor()
    assert.ok(await move.isDisabled())
    await dialog.getByLabel(`Type “${disk.device}” to confirm`).fill('sdz')
    await dialog.getByLabel('Your password', { exact: true }).fill(PASSWORD)
    assert.ok(await move.isDisabled())
    await page.keyboard.press('Enter')
    await dialog.getByLabel(`Type “${disk.device}” to confirm`).fill(disk.device)
    await dialog.getByLabel('Your password', { exact: true }).fill('not the password')
    await looksRight(alice, 'move-question')
    await move.click()
    await dialog.getByText('The user name or the password is wrong.').waitFor()
    await looksRight(alice, 'move-refused')
  })
  await step('a no changes nothing', async () => {
    await dialog.getByRole('button', { name: 'Cancel' }).click()
    await dialog.waitFor({ state: 'detached' })
    await box.ready()
    const after = await box.call('system-api', 'moveTargets')
    assert.deepEqual(after.disks, told.disks)
    assert.equal(after.disk, undefined)
  })
})
