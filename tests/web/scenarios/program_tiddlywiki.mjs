// A person writes a note in TiddlyWiki.

import { openProgram, restartAndOpen } from '../lib/programs.mjs'
import { story } from '../lib/story.mjs'
import { until } from '../lib/until.mjs'

story(async ({ box, browser, step }) => {
  const alice = await browser.person('alice')
  const { page } = alice
  // Questions by which it finds out how it can be saved.
  alice.expect(/(OPTIONS|HEAD) .* 404|favicon/)

  await step('a note is written and saved', async () => {
    await openProgram(alice, box, 'tiddlywiki')
    await page.locator('button[aria-label="new tiddler"]').first().click()
    await page.locator('input.tc-titlebar').fill('Note')
    // The field of the text is in a frame of its own.
    await page.frameLocator('iframe.tc-edit-texteditor').locator('textarea').fill('written down')
    await page.locator('button').filter({ has: page.locator('.tc-image-done-button') }).first().click()
    // The page saves by itself, and the server writes its files a moment after it answers.
    await until('the file of the note', () => box.run('find', '/var/lib/private', '-name', 'Note.tid'))
  })
  await step('it is there after a restart', async () => {
    await restartAndOpen(alice, box, 'tiddlywiki', '/#Note')
    await page.getByText('written down').first().waitFor()
  })
})
