// A person signs in at The Lounge and adds a network, which it keeps.

import { openProgram, restartAndOpen } from '../lib/programs.mjs'
import { story } from '../lib/story.mjs'

story(async ({ box, browser, step }) => {
  const alice = await browser.person('alice')
  const { page } = alice
  // While it restarts, its connection breaks off and is made again.
  alice.expect(/socket\.io/)
  const networks = page.locator('#sidebar .network')

  await step('its own sign-in and its form for a network work', async () => {
    await openProgram(alice, box, 'thelounge')
    await page.locator('#sign-in input[name=user]').fill('ada')
    await page.locator('#sign-in input[name=password]').fill('a long password')
    await page.locator('#sign-in button[type=submit]').click()
    const form = page.locator('#connect')
    await form.locator('input[name=name]').fill('House')
    await form.locator('input[name=host]').fill('irc.house.example')
    await form.locator('button[type=submit]').first().click()
    await networks.filter({ hasText: 'House' }).waitFor()
  })
  await step('the network is there after a restart', async () => {
    await restartAndOpen(alice, box, 'thelounge')
    await networks.filter({ hasText: 'House' }).waitFor()
  })
})
