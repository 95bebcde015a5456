// A person looks at the packages that Verdaccio keeps.

import { openProgram, restartAndOpen } from '../lib/programs.mjs'
import { story } from '../lib/story.mjs'

story(async ({ box, browser, step }) => {
  const alice = await browser.person('alice')
  const { page } = alice

  await step('its page lists the package, and shows what it says of itself', async () => {
    await openProgram(alice, box, 'verdaccio')
    await page.getByText('@home/greeting').first().click()
    await page.getByRole('heading', { name: 'How to greet' }).waitFor()
    await page.getByText('Latest v1.0.0').waitFor()
  })
  await step('it is there after a restart', async () => {
    await restartAndOpen(alice, box, 'verdaccio')
    await page.getByText('@home/greeting').first().waitFor()
  })
})
