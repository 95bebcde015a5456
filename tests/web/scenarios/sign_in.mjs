// A person opens the box, mistypes, signs in, and is at home; who guesses has to wait.

import assert from 'node:assert/strict'
import { looksRight } from '../lib/checks.mjs'
import { story } from '../lib/story.mjs'
import { until } from '../lib/until.mjs'
import { PASSWORD, addUser, atHome, callInPage, giveNameAndPassword } from '../lib/words.mjs'

/** Seconds of a wait that outlasts the checks during it, also on a busy machine. Waits double: the fifth is that long. */
const LONG = 12

story(async ({ box, browser, step }) => {
  await addUser(box, 'alice', 'admin')
  await addUser(box, 'bob')
  await box.install('hello-node', 'alice')
  const alice = await browser.person('alice')
  const problem = async person => (await person.page.getByRole('alert').first().textContent()).trim()

  await step('alice opens the box and is asked who she is', async () => {
    await alice.open(box.url())
    await alice.page.waitForURL(/\/_atek\/login/)
    await alice.page.getByRole('heading', { name: 'Sign in' }).waitFor()
    await looksRight(alice, 'sign-in')
  })
  await step('an empty form says what is missing, and sends nothing', async () => {
    await alice.page.getByRole('button', { name: 'Sign in' }).click()
    await alice.page.getByText('Enter your user name.').waitFor()
  })
  await step('a wrong password and an unknown name are answered alike', async () => {
    await giveNameAndPassword(alice, 'nobody', 'guess guess')
    const unknown = await problem(alice)
    await alice.page.reload()
    await giveNameAndPassword(alice, 'alice', 'guess guess')
    assert.equal(await problem(alice), unknown)
    await looksRight(alice, 'sign-in-wrong')
  })
  await step('the right one brings her home', async () => {
    await giveNameAndPassword(alice, 'alice')
    await alice.page.waitForURL(box.url())
    await atHome(alice)
  })
  await step('her session outlives the browser, unless she says that the computer is not hers', async () => {
    const session = async person => (await person.context.cookies(box.url())).find(({ name }) => name === 'session')
    const days = ((await session(alice)).expires - Date.now() / 1000) / 86_400
    assert.ok(days > 80, `${days} days`)
    const carol = await browser.person('carol')
    await carol.open(box.url())
    await carol.page.getByLabel('Keep me signed in').uncheck()
    await giveNameAndPassword(carol, 'bob')
    await atHome(carol)
    assert.equal((await session(carol)).expires, -1)
    // A page renews the cookie: still without a time.
    await carol.open(box.url('/p/account'))
    await carol.page.getByRole('heading', { level: 1, name: 'Your account' }).waitFor()
    assert.equal((await session(carol)).expires, -1)
    await carol.leave()
  })
  await step('the browser takes the manifest of the web app, and finds its icons', async () => {
    const session = await alice.context.newCDPSession(alice.page)
    const { url, errors } = await session.send('Page.getAppManifest')
    assert.match(url, /atek\.webmanifest$/)
    assert.deepEqual(errors, [])
    const icons = await alice.page.evaluate(async () => {
      const { icons } = await (await fetch(document.querySelector('link[rel=manifest]').href)).json()
      const all = [...icons.map(({ src }) => src), document.querySelector('link[rel=apple-touch-icon]').href]
      return Promise.all(all.map(async src => (await fetch(src)).headers.get('content-type')))
    })
    assert.deepEqual(icons, ['image/svg+xml', 'image/png', 'image/png'])
  })
  await step('after signing out, nothing of hers is shown: not by Back, and not in another tab', async () => {
    const { page } = alice
    await alice.open(box.url('/p/account'))
    await page.getByRole('heading', { level: 1, name: 'Your account' }).waitFor()
    const other = await alice.context.newPage()
    await other.goto(box.url('/p/account'))
    await other.getByRole('heading', { level: 1, name: 'Your account' }).waitFor()
    await page.getByRole('button', { name: 'Sign out' }).first().click()
    // Not for the address: a page that hears of it while it leaves by itself goes there twice.
    for (const tab of [page, other]) {
      await tab.getByLabel('User name').waitFor()
      assert.match(tab.url(), /\/_atek\/login/)
    }
    // Before her pages the other tab was empty; this one showed more of them.
    await page.goBack()
    await page.waitForURL(/\/_atek\/login/)
    await page.getByLabel('User name').waitFor()
    await other.goBack()
    await other.waitForURL('about:blank')
    for (const tab of [page, other]) assert.equal(await tab.getByText('alice').count(), 0)
    await other.close()
    await alice.open(box.url())
    await giveNameAndPassword(alice, 'alice')
    await atHome(alice)
  })
  await step('nor does Back show what an app showed her', async () => {
    const tab = await alice.context.newPage()
    await tab.goto(box.appUrl('hello-node'))
    await tab.getByText('hello').waitFor()
    await tab.goto(box.url('/_atek/ui/atek.svg'))
    await alice.page.getByRole('button', { name: 'Sign out' }).first().click()
    await alice.page.waitForURL(/\/_atek\/login/)
    await tab.goBack()
    await tab.waitForURL(/\/_atek\/login/)
    await tab.getByLabel('User name').waitFor()
    await tab.close()
    await giveNameAndPassword(alice, 'alice')
    await atHome(alice)
  })
  await step('signing out ends the session', async () => {
    const [cookie] = await alice.context.cookies(box.url())
    assert.ok(cookie.httpOnly && cookie.sameSite !== 'None', JSON.stringify({ ...cookie, value: '' }))
    await alice.page.getByRole('button', { name: 'Sign out' }).first().click()
    await alice.page.waitForURL(/\/_atek\/login/)
    await alice.context.addCookies([cookie])
    await alice.open(box.url('/p/account'))
    await alice.page.waitForURL(/\/_atek\/login/)
  })
  await step('after signing in she is where she wanted to go', async () => {
    await giveNameAndPassword(alice, 'alice')
    await alice.page.waitForURL(box.url('/p/account'))
  })
  await step('a link to the sign-in page does not lead to another site', async () => {
    for (const redirect of ['http://evil.example/', '//evil.example/', '/\\evil.example', 'javascript:alert(1)']) {
      const eve = await browser.person('eve')
      await eve.open(box.url(`/_atek/login?redirect=${encodeURIComponent(redirect)}`))
      await giveNameAndPassword(eve, 'bob')
      await eve.page.waitForURL(url => !url.pathname.startsWith('/_atek/login'))
      assert.equal(new URL(eve.page.url()).origin, new URL(box.url()).origin)
      await atHome(eve)
      await eve.leave()
    }
  })
  await step('who guesses has to wait, even with the right password', async () => {
    const mallory = await browser.person('mallory')
    mallory.expect(/user-sessions-api 429$/)
    await mallory.open(box.url('/_atek/login'))
    await mallory.page.getByRole('heading', { name: 'Sign in' }).waitFor()
    // The first waits are of a second or two, and may be over before the next line: she goes on until she is told a long one.
    const wrong = [{ username: 'bob', password: 'a guess' }]
    const guess = () => callInPage(mallory, 'user-sessions-api', 'login', wrong)
    await until('a long wait', async () => (await guess()).error.data?.retryAfterSecs >= LONG)
    const right = await callInPage(mallory, 'user-sessions-api', 'login', [{ username: 'bob', password: PASSWORD }])
    assert.equal(right.error?.code, -32005, JSON.stringify(right))
    await giveNameAndPassword(mallory, 'bob')
    await mallory.page.getByText(/Too many wrong attempts/).first().waitFor()
    assert.ok(await mallory.page.getByRole('button', { name: 'Sign in' }).isDisabled())
    await looksRight(mallory, 'sign-in-throttled')
  })
  await step('who waits and knows it is let in', async () => {
    const bob = await browser.person('bob')
    await bob.open(box.url('/_atek/login'))
    const right = [{ username: 'bob', password: PASSWORD }]
    await until('the end of the wait', async () => (await callInPage(bob, 'user-sessions-api', 'login', right)).result?.isActive)
  })
})
