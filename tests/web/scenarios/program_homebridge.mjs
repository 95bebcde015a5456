// A person sets Homebridge up on its own pages.

import assert from 'node:assert/strict'
import { openProgram, restartAndOpen } from '../lib/programs.mjs'
import { story } from '../lib/story.mjs'

const USER = 'ada'
const PASSWORD = 'a long password'

story(async ({ box, browser, step }) => {
  const alice = await browser.person('alice')
  const { page } = alice
  // It looks whether the token of a former visit, of which there is none, is of this installation.
  alice.expect(/Token does not match instance/)
  // Pictures and news that it would have from the internet, which this app may not reach.
  alice.expect(/ERR_|net::|status of (401|403|404|5\d\d)/)

  // The code by which a phone adds it: the same as long as its data are there.
  const code = async () => {
    const shown = page.getByText(/^\d{3}-\d{2}-\d{3}$/).first()
    await shown.waitFor()
    return shown.textContent()
  }
  let first
  await step('an account is made', async () => {
    await openProgram(alice, box, 'homebridge')
    await page.getByRole('button', { name: 'Get Started' }).click()
    await page.locator('#form-username').fill(USER)
    await page.locator('#form-pass').fill(PASSWORD)
    await page.locator('#form-pass-confirm').fill(PASSWORD)
    await page.getByRole('button', { name: 'Create Account' }).click()
    await page.getByRole('link', { name: 'Open Dashboard' }).click()
    first = await code()
  })
  await step('after a restart it asks for the account, and shows the same code', async () => {
    await page.evaluate(() => window.localStorage.clear())
    await restartAndOpen(alice, box, 'homebridge', '/login')
    await page.locator('#form-username').fill(USER)
    await page.locator('#form-pass').fill(PASSWORD)
    await page.locator('#submit-button').click()
    assert.equal(await code(), first)
  })
})
