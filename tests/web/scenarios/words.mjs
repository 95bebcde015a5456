// Recovery words that were put off at setup: the home asks for them until they are confirmed.

import assert from 'node:assert/strict'
import { looksRight } from '../lib/checks.mjs'
import { readQr } from '../lib/qr.mjs'
import { story } from '../lib/story.mjs'
import { PASSWORD, addUser, openPage, signIn } from '../lib/words.mjs'

story(async ({ box, browser, step }) => {
  await addUser(box, 'anna', 'admin')
  await addUser(box, 'bob')
  const anna = await browser.person('anna')
  const { page } = anna
  const reminder = page.getByText('The recovery words are not on paper yet')
  const field = name => page.getByLabel(name, { exact: true })
  const button = name => page.getByRole('button', { name, exact: true })
  let words = []

  await step('the home of an administrator reminds of the words', async () => {
    await signIn(anna, box, 'anna')
    await reminder.waitFor()
    await looksRight(anna, '1-reminder')
  })
  await step('it does so again after she went away', async () => {
    await openPage(anna, box, '/p/system', 'System')
    await page.goto(box.url('/'))
    await reminder.waitFor()
  })
  await step('her account shows them for her password', async () => {
    await page.getByRole('link', { name: 'Show the words' }).click()
    await button('Continue').click()
    await page.getByText('Type your password.').waitFor()
    await field('Your password').fill(PASSWORD)
    await button('Continue').click()
    await button('Show the words').click()
    await button('I have them on paper').waitFor()
    words = await page.locator('ol.sheet li').allTextContents()
    assert.equal(words.length, 24)
    await looksRight(anna, '2-words')
  })
  await step('a camera reads the words off the screen and off the printed sheet', async () => {
    const code = page.getByRole('img', { name: 'The words as a QR code' })
    assert.equal(await readQr(code), words.join(' '))
    await page.emulateMedia({ media: 'print' })
    assert.equal(await readQr(code), words.join(' '))
    assert.ok(await button('I have them on paper').isHidden())
    await page.emulateMedia({ media: null })
  })
  await step('she types two of them', async () => {
    await button('I have them on paper').click()
    for (const input of await page.getByLabel(/^Word \d+$/).all()) await input.fill('wrong')
    await button('Confirm').click()
    await page.getByText('Those words do not match').first().waitFor()
    for (const input of await page.getByLabel(/^Word \d+$/).all()) {
      const place = Number(/word-(\d+)/.exec(await input.getAttribute('name'))[1])
      await input.fill(words[place - 1].toUpperCase())
    }
    await button('Confirm').click()
    await page.getByText('Confirmed. From now on').waitFor()
    const told = await box.run('atek', 'keys', '--user', 'anna', 'words').catch(error => String(error))
    assert.ok(!told.includes(words.slice(0, 3).join(' ')))
  })
  await step('from then on nothing reminds her', async () => {
    const told = page.waitForResponse(answer => answer.url().includes('keys-api') && answer.request().postData().includes('"seed"'))
    await page.goto(box.url('/'))
    const { result } = await (await told).json()
    assert.equal(result.confirmed, true)
    await page.getByRole('heading', { level: 1 }).waitFor()
    assert.equal(await reminder.count(), 0)
  })
  await step('another user is not asked', async () => {
    const bob = await browser.person('bob')
    await signIn(bob, box, 'bob')
    await bob.page.getByRole('heading', { level: 1 }).waitFor()
    assert.equal(await bob.page.getByText('The recovery words are not on paper yet').count(), 0)
  })
})
