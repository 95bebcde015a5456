// An administrator makes the box a new one from its page, with a keyboard on a phone's screen.

import assert from 'node:assert/strict'
import { PHONE } from '../lib/browser.mjs'
import { looksRight } from '../lib/checks.mjs'
import { story } from '../lib/story.mjs'
import { PASSWORD, addUser, openPage, part, signIn } from '../lib/words.mjs'

story(
  async ({ box, browser, step }) => {
    await addUser(box, 'alice', 'admin')
    await addUser(box, 'bob')
    const alice = await browser.person('alice', { viewport: PHONE })
    const bob = await browser.person('bob')
    const { page } = alice
    const card = part(alice, 'Factory reset')
    const dialog = page.getByRole('dialog')
    const erase = dialog.getByRole('button', { name: 'Remove everything and restart' })
    const { name } = await box.call('system-api', 'info')

    await step('who is no administrator is not offered a reset', async () => {
      await signIn(bob, box, 'bob')
      await openPage(bob, box, '/p/system', 'System')
      await bob.page.getByRole('heading', { name: 'Databases' }).waitFor()
      assert.equal(await part(bob, 'Factory reset').count(), 0)
    })
    await step('she is told what goes and what stays, and that there is no backup', async () => {
      await signIn(alice, box, 'alice')
      await openPage(alice, box, '/p/system', 'System')
      await card.getByRole('button', { name: 'Reset the box…' }).focus()
      await page.keyboard.press('Enter')
      await dialog.getByText('All people, apps with their files').waitFor()
      await dialog.getByText('There is no backup: nothing of this can be brought back.').waitFor()
      await looksRight(alice, 'factory-reset')
    })
    await step('it needs the name of the box and her password', async () => {
      assert.ok(await erase.isDisabled())
      await dialog.getByLabel(`Type “${name}” to confirm`).fill('another name')
      await dialog.getByLabel('Your password', { exact: true }).fill(PASSWORD)
      assert.ok(await erase.isDisabled())
      await page.keyboard.press('Enter')
      await dialog.getByLabel(`Type “${name}” to confirm`).fill(name)
      await dialog.getByLabel('Your password', { exact: true }).fill('not the password')
      await page.keyboard.press('Enter')
      await dialog.getByText('The user name or the password is wrong.').waitFor()
      await looksRight(alice, 'factory-reset-refused')
      await page.keyboard.press('Escape')
      await dialog.waitFor({ state: 'detached' })
      await box.ready()
      assert.equal((await box.call('users-api', 'list')).users.length, 2)
    })
    await step('after a yes the box restarts, and the page says so', async () => {
      // 421: a box that stops has let go of its name before it stops answering.
      for (const person of [alice, bob]) person.expect(/failed: net::ERR_|40\d$|421$|50\d$/)
      await card.getByRole('button', { name: 'Reset the box…' }).click()
      await dialog.getByLabel(`Type “${name}” to confirm`).fill(name)
      await dialog.getByLabel('Your password', { exact: true }).fill(PASSWORD)
      await page.keyboard.press('Enter')
      await page.getByText('The box is restarting and removes everything.').waitFor()
      await looksRight(alice, 'factory-reset-begun')
      await box.isOff()
    })
    await step('the page becomes the setup of a new box', async () => {
      await box.powerOn()
      await page.getByLabel('Code', { exact: true }).waitFor()
      assert.match(page.url(), /\/_atek\/setup/)
      await looksRight(alice, 'factory-reset-new')
    })
  },
  { relayed: true }
)
