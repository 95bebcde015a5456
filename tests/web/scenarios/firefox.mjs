// What a person leaves behind in Firefox after a sign-out: nothing, neither for Back nor in another tab. Chromium is
// asked the same in sign_in.mjs; the two keep pages that were left in different ways.

import assert from 'node:assert/strict'
import { Firefox } from '../lib/firefox.mjs'
import { story } from '../lib/story.mjs'
import { until } from '../lib/until.mjs'
import { PASSWORD, addUser } from '../lib/words.mjs'

story(async ({ box, step }) => {
  await addUser(box, 'alice', 'admin')
  await box.install('hello-node', 'alice')
  const port = await until('the port of the app', async () => (await box.call('services-api', 'get', 'hello-node')).addresses.port)
  const main = `http://${box.address}`
  const app = `http://${box.address}:${port}/`
  const firefox = await Firefox.start()
  const isAt = path => `location.pathname === '${path}' && document.readyState === 'complete'`
  const isLoggedOut = `location.pathname.startsWith('/_atek/login') && !!document.querySelector('input[name=username]')`
  try {
    const tab = await firefox.newTab()
    const other = await firefox.newTab()
    const third = await firefox.newTab()
    let shownByApp

    await step('alice signs in', async () => {
      await tab.open(`${main}/_atek/login?redirect=/p/account`)
      await tab.type('username', 'alice')
      await tab.type('password', PASSWORD)
      await tab.enter()
      await tab.has('her account', `${isAt('/p/account')} && document.body.innerText.includes('alice')`)
      await tab.open(`${main}/p/users`)
      await tab.has('the people', `${isAt('/p/users')} && document.body.innerText.includes('alice')`)
    })
    await step('she has another page open, and an app', async () => {
      await other.open(`${main}/p/system`)
      await other.has('the page of the box', `!!document.querySelector('h1')`)
      await third.open(app)
      await third.has('the app', `location.port === '${port}' && document.body.innerText !== ''`)
      shownByApp = await third.value('document.body.innerText')
      await third.open(`${main}/_atek/ui/atek.svg`)
    })
    await step('after she has signed out, no tab shows anything of her', async () => {
      await tab.value(`[...document.querySelectorAll('button')].find(one => one.innerText.trim() === 'Sign out').click()`)
      await tab.has('the sign-in page', isLoggedOut)
      await other.has('the sign-in page in the other tab', isLoggedOut)
      for (const one of [tab, other]) assert.doesNotMatch(await one.text(), /alice/)
    })
    await step('and Back brings nothing of her, nor of her app', async () => {
      await tab.back()
      await tab.has('the sign-in page', isLoggedOut)
      assert.doesNotMatch(await tab.text(), /alice/)
      await third.back()
      await third.has('a page that is not the app', `document.readyState === 'complete' && document.body?.innerText !== ${JSON.stringify(shownByApp)}`)
      await third.has('the sign-in page in place of the app', isLoggedOut)
    })
  } finally {
    await firefox.close()
  }
})
