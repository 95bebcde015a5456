// A person with no apps yet finds one in the catalogue, on a box without a network.

import assert from 'node:assert/strict'
import { looksRight } from '../lib/checks.mjs'
import { story } from '../lib/story.mjs'
import { addUser, openPage, signIn } from '../lib/words.mjs'

story(async ({ box, browser, step }) => {
  await addUser(box, 'alice', 'admin')
  const alice = await browser.person('alice')
  const { page } = alice
  const cards = () => page.getByRole('article')
  const search = () => page.getByLabel('Find an app in the catalogue')

  await step('the empty home shows the catalogue with its pictures', async () => {
    await signIn(alice, box)
    await page.getByRole('heading', { name: 'No apps yet' }).waitFor()
    await cards().filter({ hasText: 'TiddlyWiki' }).waitFor()
    assert.ok((await cards().count()) >= 15)
    const picture = cards().filter({ hasText: 'TiddlyWiki' }).locator('img')
    await picture.scrollIntoViewIfNeeded()
    await page.waitForFunction(image => image.complete && image.naturalWidth > 0, await picture.elementHandle())
  })
  await step('it is searched by words and by category', async () => {
    await openPage(alice, box, '/p/catalogue', 'Catalogue')
    await search().fill('notebook')
    await page.getByRole('status').filter({ hasText: '1 app found' }).waitFor()
    await cards().filter({ hasText: 'TiddlyWiki' }).waitFor()
    await search().fill('')
    await page.getByRole('button', { name: 'Automation' }).click()
    await cards().filter({ hasText: 'Node-RED' }).waitFor()
    assert.equal(await cards().filter({ hasText: 'TiddlyWiki' }).count(), 0)
    await search().fill('nothing like this')
    await page.getByRole('heading', { name: 'No apps found' }).waitFor()
    await page.getByRole('button', { name: 'All' }).click()
    await search().fill('')
    await looksRight(alice, 'catalogue')
  })
  await step('an app is looked at, and shows what it asks for before it is installed', async () => {
    await page.getByRole('link', { name: 'Install TiddlyWiki' }).click()
    await page.getByText('5.3.6').first().waitFor()
    await page.getByRole('button', { name: 'Install', exact: true }).waitFor()
    await looksRight(alice, 'catalogue-install')
  })
})
