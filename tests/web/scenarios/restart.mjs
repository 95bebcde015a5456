// An administrator restarts the box from its page, which comes back with it.

import { looksRight } from '../lib/checks.mjs'
import { story } from '../lib/story.mjs'
import { addUser, openPage, part, signIn } from '../lib/words.mjs'

story(
  async ({ box, browser, step }) => {
    await addUser(box, 'alice', 'admin')
    const alice = await browser.person('alice')
    const { page } = alice
    const dialog = () => page.getByRole('dialog')
    const restart = at => at.getByRole('button', { name: 'Restart', exact: true })

    await step('restarting the box asks first', async () => {
      await signIn(alice, box)
      await openPage(alice, box, '/p/system', 'System')
      await restart(part(alice, 'Power')).click()
      await dialog().getByText('It will be unavailable for about a minute.').waitFor()
      await looksRight(alice, 'system-restart')
      await dialog().getByRole('button', { name: 'Cancel' }).click()
      await box.ready()
    })
    await step('asked for, the box goes down, and the page says so', async () => {
      alice.expect(/failed: net::ERR_|50\d$/)
      await restart(part(alice, 'Power')).click()
      await restart(dialog()).click()
      await page.getByText('The box is restarting.').waitFor()
      await box.isOff()
      // It asks again and again, and must have seen that no answer comes.
      await page.waitForEvent('requestfailed', asked => asked.url().endsWith('/_atek/login'))
    })
    await step('when the box is back, so is the page, and she is still signed in', async () => {
      const loaded = page.waitForEvent('load')
      await box.powerOn()
      await loaded
      await restart(part(alice, 'Power')).waitFor()
      await page.getByRole('heading', { name: 'System', level: 1 }).waitFor()
    })
  },
  { relayed: true }
)
