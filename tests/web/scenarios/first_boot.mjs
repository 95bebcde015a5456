// A new box: every page leads to its setup, the code keeps strangers out, and neither a reload nor a power cut harms.

import assert from 'node:assert/strict'
import { PHONE } from '../lib/browser.mjs'
import { looksRight } from '../lib/checks.mjs'
import { story } from '../lib/story.mjs'
import { PASSWORD, atHome } from '../lib/words.mjs'

story(
  async ({ box, browser, step }) => {
    const alice = await browser.person('alice', { viewport: PHONE })
    const { page } = alice
    const shown = () => box.claimCode()
    const at = heading => page.getByRole('heading', { level: 1, name: heading }).waitFor()
    const goOn = () => page.getByRole('button', { name: 'Continue' }).click()
    const fillUser = async () => {
      await page.getByLabel('User name').fill('alice')
      await page.getByLabel('Password', { exact: true }).fill(PASSWORD)
    }

    await step('every page leads to the setup', async () => {
      for (const url of [box.url('/p/users'), box.appUrl('rss', '/feed'), box.url('/_atek/login'), box.url()]) {
        await alice.open(url)
        await page.waitForURL(box.url('/_atek/setup/'))
        await at('Is this your box?')
      }
      await looksRight(alice, '1-code')
    })
    await step('a wrong code opens nothing', async () => {
      await page.getByLabel('Code').fill('AAAA-AAAA')
      await goOn()
      await page.getByText('that is not the code that the box shows').waitFor()
      await looksRight(alice, '1-code-wrong')
    })
    await step('the code that the box shows is right, however it is typed', async () => {
      await page.getByLabel('Code').fill((await shown()).toLowerCase().replace('-', ' '))
      await goOn()
      await at('What is it called?')
      assert.equal(await page.getByLabel('Name of the box').inputValue(), box.name)
      await looksRight(alice, '2-name')
    })
    await step('a reload in the middle goes on where she was', async () => {
      await page.reload()
      await at('What is it called?')
      await goOn()
      await at('Who are you?')
    })
    await step('a short password is not accepted', async () => {
      await page.getByLabel('User name').fill('alice')
      await page.getByLabel('Password', { exact: true }).fill('short')
      await goOn()
      await page.getByText('Use at least 8 characters.').waitFor()
      await looksRight(alice, '3-user')
      await fillUser()
      await goOn()
      await at('Where is it?')
      await looksRight(alice, '4-zone')
    })
    await step('when the power is cut, the page says so and keeps what she wrote', async () => {
      alice.expect(/setup-api failed: net::ERR_/)
      await box.cutPower()
      await page.getByRole('button', { name: 'Finish' }).click()
      await page.getByText('The box is not responding.').waitFor()
      await looksRight(alice, '4-zone-away')
    })
    await step('when the box is back, so is its code, and she finishes', async () => {
      await box.powerOn()
      await shown()
      await page.getByLabel('Time zone').selectOption('Europe/Berlin')
      await page.getByRole('button', { name: 'Finish' }).click()
      await at('Welcome, alice')
      await looksRight(alice, '5-done')
      await page.getByRole('link', { name: 'Go home' }).click()
      await atHome(alice)
      await looksRight(alice, '6-home')
    })
    await step('the box is what she wished', async () => {
      assert.match(await box.run('readlink', '/etc/localtime'), /Europe\/Berlin/)
      assert.equal((await box.run('hostnamectl', 'hostname')).trim(), box.name)
    })
    await step('the second visitor gets no setup page', async () => {
      const bob = await browser.person('bob')
      await bob.open(box.url('/_atek/setup/'))
      await bob.page.waitForURL(/\/_atek\/login/)
      await bob.leave()
    })
    await step('after another power cut alice is still signed in', async () => {
      // Her page asks for her apps every few seconds, also while there is no box.
      alice.expect(/_atek\/\S* failed: net::ERR_|(services|permissions)-api 50\d$/)
      await box.cutPower()
      await box.powerOn()
      await alice.open(box.url())
      await atHome(alice)
    })
  },
  { relayed: true }
)
