// Every page on every screen: a small phone, a phone on its side, a wall; in German, whose words are long; and still
// for people whom motion makes sick.

import assert from 'node:assert/strict'
import { join } from 'node:path'
import { DESKTOP, PHONE, WALL } from '../lib/browser.mjs'
import { fitsItsWidth, isAccessible } from '../lib/checks.mjs'
import { out, story } from '../lib/story.mjs'
import { addUser, openPage, signIn } from '../lib/words.mjs'

const SIDEWAYS = { width: 800, height: 360 }
const PATHS = ['/', '/p/catalogue', '/p/install', '/p/apps/hello-node', '/p/apps/hello-node/logs', '/p/apps/hello-node/settings', '/p/apps/hello-node/permissions', '/p/apps/hello-node/updates', '/p/permissions', '/p/activity', '/p/updates', '/p/backups', '/p/sharing', '/p/devices', '/p/users', '/p/databases', '/p/system', '/p/account', '/p/nowhere']

story(async ({ box, browser, step }) => {
  await addUser(box, 'alice', 'admin')
  await box.install('hello-node', 'alice')
  const alice = await browser.person('alice')
  const { page } = alice
  const open = async path => {
    await alice.open(box.url(path))
    await page.getByRole('heading', { level: 1 }).or(page.getByRole('main').getByRole('heading', { level: 2 })).first().waitFor()
    await loaded(page)
  }
  const nameOf = path => path.replaceAll('/', '-').replace(/^-$/, '-home')

  await step('no page is too wide for any screen', async () => {
    await signIn(alice, box)
    for (const path of PATHS) {
      await open(path)
      for (const [name, viewport] of Object.entries({ phone: PHONE, sideways: SIDEWAYS, wall: WALL })) {
        await page.setViewportSize(viewport)
        await fitsItsWidth(page)
        if (name === 'wall' && (path === '/' || path === '/p/system')) await page.screenshot({ path: join(out, `wall${nameOf(path)}.png`) })
      }
      const widest = await page.evaluate(() => Math.max(0, ...[...document.querySelectorAll('main p')].map(one => one.getBoundingClientRect().width)))
      assert.ok(widest < 1600, `${path}: a paragraph is ${widest} px wide on a wall`)
    }
    await page.setViewportSize(DESKTOP)
  })
  await step('no page speaks half a language, and none is too wide or shuts anybody out in German', async () => {
    const berta = await browser.person('berta', { locale: 'de-DE', viewport: PHONE })
    await berta.context.addCookies(await alice.context.cookies(box.url()))
    await berta.page.addInitScript(() => {
      const seen = (globalThis.navigationsSeen = new Set())
      new MutationObserver(() => {
        for (const one of document.querySelectorAll('nav')) seen.add(one.innerText)
      }).observe(document, { childList: true, subtree: true, characterData: true })
    })
    for (const path of PATHS) {
      await berta.open(box.url(path))
      await berta.page.getByRole('navigation').getByText('Konto').waitFor()
      await loaded(berta.page)
      await fitsItsWidth(berta.page)
      await isAccessible(berta.page)
      await berta.page.screenshot({ path: join(out, `german${nameOf(path)}.png`), fullPage: true })
      const { seen, fetched } = await berta.page.evaluate(() => ({
        seen: [...globalThis.navigationsSeen].join(),
        fetched: performance.getEntriesByType('resource').flatMap(({ name }) => /language-(\w+)-/.exec(name)?.[1] ?? [])
      }))
      assert.match(seen, /Konto/)
      assert.doesNotMatch(seen, /Account/, `${path} was shown in English first`)
      assert.deepEqual(fetched, ['de'], 'texts of a language that is not shown were fetched')
    }
    await berta.leave()
  })
  await step('nothing moves for who asked for that', async () => {
    const longest = async reducedMotion => {
      await page.emulateMedia({ reducedMotion })
      await openPage(alice, box, '/p/users', 'Users')
      await page.getByRole('button', { name: 'Add a person' }).click()
      await page.getByRole('dialog').getByLabel('Name', { exact: true }).waitFor()
      const seconds = await page.evaluate(() =>
        [...document.querySelectorAll('*')].flatMap(one => {
          const { animationDuration, animationName, transitionDuration } = getComputedStyle(one)
          return [animationName === 'none' ? 0 : parseFloat(animationDuration), ...transitionDuration.split(',').map(parseFloat)]
        })
      )
      return Math.max(...seconds)
    }
    assert.ok((await longest('no-preference')) >= 0.1, 'nothing moves for anybody')
    assert.ok((await longest('reduce')) <= 0.001)
  })
})

// Nothing is awaited any more (a log that is followed never ends).
function loaded(page) {
  return page.waitForFunction(() => document.querySelector('main h1, main h2') && !document.querySelector('main .loading'))
}
