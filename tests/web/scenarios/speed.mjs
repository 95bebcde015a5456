// How fast the pages are there, and how much of them travels. Times are printed and never judged; a size is judged.

import assert from 'node:assert/strict'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { tell } from '../lib/box.mjs'
import { story } from '../lib/story.mjs'
import { addUser, atHome, giveNameAndPassword, openPage, signIn } from '../lib/words.mjs'

const KB = 1000
/** All of a bundle that one person fetches, compressed as it travels. */
const LARGEST = 130 * KB
const PAGES = {
  home: ['/', 'Your apps'],
  install: ['/p/install', 'Install an app'],
  system: ['/p/system', 'System']
}

const kb = bytes => `${(bytes / KB).toFixed(1)} kB`
const ms = time => `${Math.round(time)} ms`
const figure = (name, value) => tell({ figure: name, value })

story(async ({ box, browser, step }) => {
  await addUser(box, 'alice', 'admin')
  for (let app = 1; app <= 3; app += 1) await box.install('hello-node', 'alice', `app-${app}`)

  await step('each bundle fits', async () => {
    for (const bundle of ['host', 'lonestar']) {
      const size = await compressed(new URL(`../../../daemon/web/dist/${bundle}`, import.meta.url).pathname)
      figure(`bundle ${bundle}, all of it with one language, gzipped`, kb(size))
      assert.ok(size <= LARGEST, `${bundle} has ${kb(size)}, at most ${kb(LARGEST)} are wanted`)
    }
  })
  await step('the sign-in page is measured', async () => {
    const stranger = await browser.person('stranger')
    const seen = await watch(stranger)
    await stranger.open(box.url('/_atek/login'))
    await stranger.page.getByRole('heading', { name: 'Sign in' }).waitFor()
    figure('sign-in, first visit', await told(stranger, seen))
    await giveNameAndPassword(stranger, 'alice')
    await atHome(stranger)
    await stranger.leave()
  })
  const alice = await browser.person('alice')
  await signIn(alice, box)
  await step('the launcher is measured, with an empty cache and with a full one', async () => {
    for (const visit of ['first visit', 'next visit']) {
      const seen = await watch(alice, visit === 'first visit')
      await openPage(alice, box, '/', 'Your apps')
      await alice.page.getByRole('link', { name: 'Hello' }).first().waitFor()
      await alice.page.keyboard.press('/')
      await alice.page.keyboard.type('h')
      await alice.page.waitForFunction(() => document.querySelector('input[type=search]')?.value === 'h')
      figure(`launcher, ${visit}`, await told(alice, seen))
    }
  })
  await step('the other pages are measured', async () => {
    for (const [name, [path, heading]] of Object.entries(PAGES)) {
      const seen = await watch(alice)
      await openPage(alice, box, path, heading)
      figure(`${name}, next visit`, await told(alice, seen))
    }
  })
})

async function compressed(folder) {
  const names = await readdir(folder, { recursive: true, withFileTypes: true })
  const files = names.filter(one => one.isFile() && !one.name.startsWith('.')).map(one => join(one.parentPath, one.name))
  // The compressed copy is what travels; pictures have none.
  const travel = files.filter(file => file.endsWith('.gz') || !files.includes(`${file}.gz`))
  const sizes = await Promise.all(travel.map(async file => ({ isLanguage: file.includes('/language-'), size: (await stat(file)).size })))
  const languages = sizes.filter(({ isLanguage }) => isLanguage).map(({ size }) => size)
  assert.ok(languages.length >= 2, 'the texts are not a file for each language')
  // A browser fetches one language.
  return sizes.reduce((sum, { isLanguage, size }) => sum + (isLanguage ? 0 : size), Math.max(...languages))
}

// Counts what travels; and, in each page, notes long tasks, the first heading, and when the page handled a key.
async function watch(person, empty = false) {
  const session = await person.context.newCDPSession(person.page)
  await session.send('Network.enable')
  if (empty) await session.send('Network.clearBrowserCache')
  const seen = { bytes: 0, requests: 0 }
  session.on('Network.loadingFinished', ({ encodedDataLength }) => {
    seen.bytes += encodedDataLength
    seen.requests += 1
  })
  await person.page.addInitScript(() => {
    const seen = (globalThis.seen ??= { long: 0, longest: 0 })
    new PerformanceObserver(list => {
      for (const { duration } of list.getEntries()) {
        seen.long += 1
        seen.longest = Math.max(seen.longest, duration)
      }
    }).observe({ type: 'longtask', buffered: true })
    new MutationObserver(() => {
      if (document.querySelector('h1')) seen.heading ??= performance.now()
      if (document.querySelector('a[data-tile]')) seen.tiles ??= performance.now()
    }).observe(document, { childList: true, subtree: true })
    addEventListener('input', () => (seen.handled ??= performance.now()))
  })
  return seen
}

async function told({ page }, { bytes, requests }) {
  const { seen, paint } = await page.evaluate(() => ({
    seen: globalThis.seen,
    paint: performance.getEntriesByName('first-contentful-paint')[0]?.startTime
  }))
  const times = Object.entries({ 'first paint': paint, heading: seen.heading, tiles: seen.tiles, 'first input handled': seen.handled })
  return [
    ...times.filter(([, time]) => time !== undefined).map(([name, time]) => `${name} ${ms(time)}`),
    `${kb(bytes)} in ${requests} answers`,
    seen.long ? `${seen.long} long tasks, longest ${ms(seen.longest)}` : 'no long task'
  ].join(', ')
}
