// A person looks at a picture that ipx draws smaller.

import assert from 'node:assert/strict'
import { openProgram } from '../lib/programs.mjs'
import { story } from '../lib/story.mjs'

story(async ({ box, browser, step }) => {
  const alice = await browser.person('alice')
  const { page } = alice

  await step('the picture is shown in the size that was asked for', async () => {
    await openProgram(alice, box, 'ipx', '/w_16,f_png/flag.svg')
    const size = await page.evaluate(() => {
      const [image] = document.images
      return [image.naturalWidth, image.naturalHeight]
    })
    assert.deepEqual(size, [16, 8])
  })
})
