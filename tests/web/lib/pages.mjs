// Every page of the web home by its address, as its table of routes has them: a page that is added is looked at.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { looksRight } from './checks.mjs'
import { addUser, PASSWORD } from './words.mjs'

const ROUTES = new URL('../../../daemon/web/src/lonestar/routes.ts', import.meta.url)
const TABS = ['permissions', 'updates', 'logs', 'settings']
/** In whose words the pages are. */
const SIGN_IN = { 'en-GB': ['User name', 'Password', 'Sign in'], 'de-DE': ['Benutzername', 'Passwort', 'Anmelden'] }

/** Addresses of all pages, with `hello` for the app, and one that leads nowhere. */
async function addresses() {
  const text = await readFile(ROUTES, 'utf8')
  const patterns = [...text.matchAll(/^ {2}\{ path: '([^']+)', page/gm)].map(([, pattern]) => pattern)
  assert.ok(patterns.length > 15, `${patterns.length} routes in ${ROUTES}`)
  const found = patterns.flatMap(pattern => {
    const path = pattern.replace(':id', 'hello').replace(/\*$/, '')
    return path.includes(':tab') ? TABS.map(tab => path.replace(':tab', tab)) : [path]
  })
  return [...new Set(found.map(path => path.replace(/(.)\/$/, '$1'))), '/p/nowhere']
}

/** Opens every page in each language, as an administrator with an app, and looks at it as `variants` say. */
export async function everyPage({ box, browser, step }, locales, variants) {
  await addUser(box, 'alice', 'admin')
  await addUser(box, 'a-name-that-is-as-long-as-names-may-be')
  // One that is shown in a frame.
  await box.install('moody-node', 'alice', 'hello')
  for (const locale of locales) {
    const alice = await browser.person(`alice-${locale}`, { locale })
    const { page } = alice
    await step(`she signs in, ${locale}`, async () => {
      const [name, password, submit] = SIGN_IN[locale]
      await alice.open(box.url())
      await page.getByLabel(name).fill('alice')
      await page.getByLabel(password, { exact: true }).fill(PASSWORD)
      await page.getByRole('button', { name: submit }).click()
      await page.waitForURL(({ pathname }) => pathname === '/')
      await page.getByRole('navigation').first().waitFor()
    })
    for (const path of await addresses()) {
      await step(`${path}, ${locale}`, async () => {
        await page.goto(box.url(path))
        await page.getByRole('heading', { level: 1 }).first().waitFor()
        // Not the sign-in page in its place, and what the page fetches for itself is there.
        assert.ok(!new URL(page.url()).pathname.startsWith('/_atek/'), page.url())
        await page.locator('.loading').first().waitFor({ state: 'detached' })
        assert.equal(await page.locator('html').getAttribute('lang'), locale.slice(0, 2))
        const name = path === '/' ? 'home' : path.slice(1).replaceAll('/', '-')
        await looksRight(alice, `${name}-${locale}`, variants)
      })
    }
  }
}
