// An app goes and another one gets its name: what the first one left in a browser is not there for the second.

import assert from 'node:assert/strict'
import { story } from '../lib/story.mjs'
import { addUser, signIn } from '../lib/words.mjs'

const EVERYTHING = { storage: 'mine', session: 'mine', databases: ['mine'], cookies: ['planted', 'secret'], kept: 'by the first app' }

story(async ({ box, browser, step }) => {
  await addUser(box, 'alice', 'admin')
  const alice = await browser.person('alice')
  const { page, context } = alice
  const url = box.appUrl('notes')

  const plant = async () => {
    await alice.open(box.appUrl('notes', `/toss?cookie=${encodeURIComponent('secret=mine; HttpOnly')}&domain=${box.host}`))
    await page.evaluate(async () => {
      localStorage.setItem('planted', 'mine')
      sessionStorage.setItem('planted', 'mine')
      document.cookie = 'planted=mine; path=/; max-age=3600'
      await new Promise((resolve, reject) => {
        const request = indexedDB.open('mine')
        request.onsuccess = () => resolve(request.result.close())
        request.onerror = reject
      })
      await (await fetch('/kept')).text()
    })
  }
  const found = async () => {
    const inPage = await page.evaluate(async () => ({
      storage: localStorage.getItem('planted'),
      session: sessionStorage.getItem('planted'),
      databases: (await indexedDB.databases()).map(({ name }) => name),
      kept: await (await fetch('/kept')).text()
    }))
    const cookies = (await context.cookies(url)).map(({ name }) => name).filter(name => ['planted', 'secret'].includes(name))
    return { ...inPage, cookies: cookies.sort() }
  }

  await step('an app stores what a browser can hold', async () => {
    await box.install('hostile-web', 'alice', 'notes')
    await signIn(alice, box)
    await plant()
    assert.deepEqual(await found(), EVERYTHING)
  })
  await step('it finds that again after another sign-in', async () => {
    await context.clearCookies({ name: 'atek-session' })
    await alice.open(url)
    await page.getByRole('heading', { name: 'evil' }).waitFor()
    assert.deepEqual(await found(), EVERYTHING)
  })
  await step('the next app of that name finds nothing', async () => {
    await box.call('services-api', 'uninstall', 'notes', { keepData: false })
    await box.install('hello-node', 'alice', 'notes')
    alice.expect(/\/kept 404$|404 \(Not Found\)/)
    await alice.open(url)
    const { kept, ...rest } = await found()
    assert.deepEqual(rest, { storage: null, session: null, databases: [], cookies: [] })
    assert.notEqual(kept, EVERYTHING.kept, 'a file that the browser kept is the old one')
  })
  await step('and keeps its own', async () => {
    await page.evaluate(() => localStorage.setItem('own', 'yes'))
    await context.clearCookies({ name: 'atek-session' })
    await alice.open(url)
    assert.equal(await page.evaluate(() => localStorage.getItem('own')), 'yes')
  })
})
