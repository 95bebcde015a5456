// A person looks through a folder that http-server serves.

import { openProgram } from '../lib/programs.mjs'
import { story } from '../lib/story.mjs'

story(async ({ box, browser, step }) => {
  const alice = await browser.person('alice')
  const { page } = alice

  await step('the page of the folder and a list of files are there', async () => {
    await openProgram(alice, box, 'http-server')
    await page.getByRole('heading', { name: 'Holidays' }).waitFor()
    await alice.open(box.appUrl('http-server', '/lists/'))
    await page.getByRole('link', { name: 'packing.txt' }).click()
    await page.getByText('a towel').waitFor()
  })
})
