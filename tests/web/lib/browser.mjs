// Chromium and the people who sit before it.

import { chromium } from 'playwright-core'
import { relay } from './relay.mjs'
import { Watch } from './watch.mjs'

export const PHONE = { width: 360, height: 800 }
export const DESKTOP = { width: 1440, height: 900 }
export const WALL = { width: 3840, height: 2160 }

/** How long a page may take to do what it was asked to, on a machine that has much else to do. */
const SOON = 45_000

// Names of the box lead to the machine, every other name nowhere: the box of these stories has no internet,
// and neither has the browser.
function flags(box, way) {
  const { other } = box
  const to = ['localhost', '*.localhost', box.host, `*.${box.host}`].map(name => `MAP ${name} ${way}`)
  if (other) to.push(...[other.host, `*.${other.host}`].map(name => `MAP ${name} ${other.address}`))
  return [
    '--no-sandbox',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-default-apps',
    '--disable-gpu',
    '--disable-sync',
    '--no-first-run',
    `--host-resolver-rules=${[...to, 'MAP * ~NOTFOUND', `EXCLUDE ${box.address}`].join(', ')}`
  ]
}

export class Browser {
  people = []

  /** With `relayed`, names of the box lead to its port 80 wherever it is: for stories that cut the power. */
  static async start(box, { relayed = false } = {}) {
    const started = new Browser()
    started.box = box
    started.relay = box.relay = relayed ? await relay(box) : null
    started.chromium = await chromium.launch({
      executablePath: process.env.CHROMIUM,
      args: flags(box, started.relay?.to ?? box.address),
      timeout: 120_000
    })
    return started
  }

  /** A person with a browser profile of their own, at this box or the one of another home (`at`). What a page does wrong is held against
   * `name`. */
  async person(name, wishes = {}) {
    const { viewport = DESKTOP, colorScheme = 'light', reducedMotion = 'reduce', locale = 'en-GB', at = this.box, ...rest } = wishes
    const context = await this.chromium.newContext({ viewport, colorScheme, reducedMotion, locale, ...rest })
    context.setDefaultTimeout(SOON)
    context.setDefaultNavigationTimeout(SOON)
    const person = new Person(name, context, new Watch(name, context, at))
    this.people.push(person)
    person.page = await context.newPage()
    return person
  }

  async close() {
    await this.chromium.close()
    this.relay?.close()
  }
}

export class Person {
  constructor(name, context, watch) {
    this.name = name
    this.context = context
    this.watch = watch
  }

  /** From now on this is no failure: console text, or `METHOD URL STATUS` of an answer, that matches. */
  expect(pattern) {
    this.watch.expected.push(pattern)
  }

  /** Opens a page. The one that first removes what another app left at a site is no more than a moment. */
  async open(url) {
    await this.page.goto(url)
    await this.page.locator('body[data-to]').waitFor({ state: 'detached' })
  }

  async leave() {
    this.watch.gone = true
    await this.context.close()
  }
}
