// Debian's Firefox, driven by WebDriver BiDi (https://w3c.github.io/webdriver-bidi/): what has to hold in a second
// engine, too.

import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import WebSocket from 'ws'
import { until } from './until.mjs'

/** How long Firefox may take to start on a machine that has much else to do. */
const START = 120_000

export class Firefox {
  #process
  #profile
  #socket
  #asked = new Map()
  #next = 1

  static async start() {
    const started = new Firefox()
    started.#profile = await mkdtemp(join(tmpdir(), 'atek-firefox-'))
    const options = ['--headless', '--no-remote', '--profile', started.#profile, '--remote-debugging-port', '0']
    started.#process = spawn(process.env.FIREFOX, options, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, HOME: started.#profile }
    })
    const address = await started.#listening()
    started.#socket = new WebSocket(`${address}/session`)
    await new Promise((resolve, reject) => started.#socket.once('open', resolve).once('error', reject))
    started.#socket.on('message', text => started.#heard(JSON.parse(text)))
    await started.ask('session.new', { capabilities: {} })
    return started
  }

  #listening() {
    const lines = createInterface({ input: this.#process.stderr })
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => reject(new Error(`Firefox did not start within ${START} ms`)), START)
      lines.on('line', line => {
        const [, address] = /WebDriver BiDi listening on (ws:\S+)/.exec(line) ?? []
        if (!address) return
        clearTimeout(late)
        resolve(address)
      })
      this.#process.once('exit', code => reject(new Error(`Firefox ended with ${code}`)))
    })
  }

  #heard({ id, type, result, error, message }) {
    const asked = this.#asked.get(id)
    this.#asked.delete(id)
    if (type === 'success') asked?.resolve(result)
    else asked?.reject(new Error(`${asked.method}: ${error}: ${message}`))
  }

  /** Sends a command of the protocol, and returns its result. */
  ask(method, params) {
    const id = this.#next++
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { method, resolve, reject })
      this.#socket.send(JSON.stringify({ id, method, params }))
    })
  }

  async newTab() {
    const { context } = await this.ask('browsingContext.create', { type: 'tab' })
    return new Tab(this, context)
  }

  async close() {
    this.#socket?.terminate()
    this.#process.kill('SIGKILL')
    await rm(this.#profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 })
  }
}

class Tab {
  constructor(firefox, context) {
    this.firefox = firefox
    this.context = context
  }

  open(url) {
    return this.firefox.ask('browsingContext.navigate', { context: this.context, url, wait: 'complete' })
  }

  /** The browser's Back. */
  back() {
    return this.firefox.ask('browsingContext.traverseHistory', { context: this.context, delta: -1 })
  }

  /** The value of an expression in the page: text, a number or a truth. */
  async value(expression) {
    const target = { context: this.context }
    const asked = { expression, target, awaitPromise: true }
    const { type, result, exceptionDetails } = await this.firefox.ask('script.evaluate', asked)
    if (type !== 'success') throw new Error(exceptionDetails.text)
    return result.value
  }

  /** What a person can read, with the title. */
  text() {
    return this.value('document.title + "\\n" + (document.body?.innerText ?? "")')
  }

  /** Waits until the page has something. While it is left for another one it cannot be asked. */
  has(what, expression) {
    return until(what, () => this.value(expression).catch(() => false))
  }

  /** Types into the field of this name, as a person would: with keys. */
  async type(name, text) {
    await this.has(`the field ${name}`, `!!document.querySelector('input[name=${name}]')`)
    await this.value(`document.querySelector('input[name=${name}]').focus()`)
    await this.#keys([...text])
  }

  /** Presses Enter. */
  enter() {
    return this.#keys(['\uE007'])
  }

  #keys(values) {
    const actions = values.flatMap(value => [
      { type: 'keyDown', value },
      { type: 'keyUp', value }
    ])
    const keyboard = { type: 'key', id: 'keyboard', actions }
    return this.firefox.ask('input.performActions', { context: this.context, actions: [keyboard] })
  }
}
