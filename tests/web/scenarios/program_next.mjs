// A person signs the guest book, an app of Next.js with a server action.

import { openProgram, restartAndOpen } from '../lib/programs.mjs'
import { story } from '../lib/story.mjs'

story(async ({ box, browser, step }) => {
  const alice = await browser.person('alice')
  const { page } = alice

  await step('the form is sent, and the page shows the name', async () => {
    await openProgram(alice, box, 'next')
    await page.getByLabel('Name').fill('Ada')
    await page.getByRole('button', { name: 'Sign' }).click()
    await page.getByRole('listitem').filter({ hasText: 'Ada' }).waitFor()
  })
  await step('it is there after a restart', async () => {
    await restartAndOpen(alice, box, 'next')
    await page.getByRole('listitem').filter({ hasText: 'Ada' }).waitFor()
  })
})
