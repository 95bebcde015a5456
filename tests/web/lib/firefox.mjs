// Debian's Firefox over WebDriver BiDi: just enough for the story that must hold in a second browser.

import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { until } from './until.mjs'

/** How long Firefox may take to start on a machine that has much else to do. */
const START = 120_000

/** No page but the box's: Firefox's own services stay silent. */
const PREFS = {
  'app.update.enabled': false,
  'browser.shell.checkDefaultBrowser': false,
  'datareporting.policy.dataSubmissionEnabled': false,
  'extensions.update.enabled': false,
  'network.captive-portal-service.enabled': false,
  'network.connectivity-service.enabled': false,
  'remote.active-protocols': 1
}

export class Firefox {
  #next = 1
  #waiting = new Map()

  static async start() {
    const started = new Firefox()
    started.profile = await mkdtemp(join(tmpdir(), 'atek-firefox-'))
    const prefs = Object.entries(PREFS).map(([name, value]) => `user_pref(${JSON.stringify(name)}, ${JSON.stringify(value)});`)
    await writeFile(join(started.profile, 'user.js'), prefs.join('\n'))
    const args = ['--headless', '--no-remote', '--profile', started.profile, '--remote-debugging-port', '0', 'about:blank']
    started.process = spawn('/usr/bin/firefox-esr', args, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, HOME: started.profile } })
    const url = await address(started.process)
    started.socket = new WebSocket(`${url}/session`)
    await new Promise((resolve, reject) => {
      started.socket.addEventListener('open', resolve)
      started.socket.addEventListener('error', () => reject(new Error('Firefox does not answer')))
    })
    started.socket.addEventListener('message', ({ data }) => started.#heard(JSON.parse(data)))
    await started.send('session.new', { capabilities: {} })
    return started
  }

  /** Sends a command of the protocol; its result. */
  send(method, params) {
    const id = this.#next++
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.socket.send(JSON.stringify({ id, method, params }))
    })
  }

  #heard({ id, result, error, message }) {
    const waiting = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (error) waiting?.reject(new Error(`${error}: ${message}`))
    else waiting?.resolve(result)
  }

  /** A new tab. */
  async tab() {
    const { context } = await this.send('browsingContext.create', { type: 'tab' })
    return new Tab(this, context)
  }

  async close() {
    this.socket?.close()
    const ended = new Promise(resolve => this.process.once('exit', resolve))
    this.process.kill('SIGKILL')
    await ended
    await rm(this.profile, { recursive: true, force: true })
  }
}

class Tab {
  constructor(firefox, context) {
    this.firefox = firefox
    this.context = context
  }

  open(url) {
    return this.firefox.send('browsingContext.navigate', { context: this.context, url, wait: 'complete' })
  }

  back() {
    return this.firefox.send('browsingContext.traverseHistory', { context: this.context, delta: -1 })
  }

  /** The value of an expression in the page: text, a number or a truth value. */
  async value(expression) {
    const target = { context: this.context }
    const answer = await this.firefox.send('script.evaluate', { expression, target, awaitPromise: true })
    if (answer.type === 'exception') throw new Error(answer.exceptionDetails.text)
    return answer.result.value
  }

  text() {
    return this.value('document.body?.innerText ?? ""')
  }

  /** Waits until the page, which may be on its way to another, says this. */
  says(words) {
    return until(words, async () => (await this.text().catch(() => '')).includes(words))
  }

  /** Types a text into the field with this name, as far as the page can tell. */
  fill(name, text) {
    const field = `document.querySelector(${JSON.stringify(`input[name="${name}"]`)})`
    return this.value(`(() => { const field = ${field}; field.value = ${JSON.stringify(text)}; field.dispatchEvent(new Event('input', { bubbles: true })) })()`)
  }

  click(words) {
    const named = `[...document.querySelectorAll('button')].find(one => one.innerText.trim() === ${JSON.stringify(words)})`
    return this.value(`${named}.click()`)
  }
}

// The line on which Firefox says where it listens.
async function address(firefox) {
  const lines = createInterface({ input: firefox.stderr })
  const said = []
  const found = new Promise((resolve, reject) => {
    lines.on('line', line => {
      said.push(line)
      const [, url] = /WebDriver BiDi listening on (\S+)/.exec(line) ?? []
      if (url) resolve(url)
    })
    firefox.once('exit', code => reject(new Error(`Firefox ended with ${code}: ${said.join('\n')}`)))
  })
  let timer
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Firefox did not start: ${said.join('\n')}`)), START)
  })
  return Promise.race([found, late]).finally(() => clearTimeout(timer))
}
