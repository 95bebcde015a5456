// A person looks at the records of json-server, which are there after a restart.

import { openProgram, restartAndOpen } from '../lib/programs.mjs'
import { story } from '../lib/story.mjs'

story(async ({ box, browser, step }) => {
  const alice = await browser.person('alice')
  const { page } = alice
  // A style of letters from the internet, and rules that are not set.
  alice.expect(/fontawesome|__rules/)

  await step('its page lists what it keeps', async () => {
    await openProgram(alice, box, 'json-server')
    await page.getByRole('link', { name: /posts/ }).first().click()
    await page.getByText('Soup').waitFor()
  })
  await step('the record is there after a restart', async () => {
    await restartAndOpen(alice, box, 'json-server', '/posts/2')
    await page.getByText('Soup').waitFor()
  })
})
