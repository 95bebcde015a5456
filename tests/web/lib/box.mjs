// The box of a story: where it is, and what its administrator does to it. The Rust side of the harness
// (tests/src/browser/) holds the machine; it is asked over standard output and answers on standard input,
// one JSON line each.

import { createInterface } from 'node:readline'
import { until } from './until.mjs'

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
let turn = Promise.resolve()

/** Tells the harness something: a step, a figure, the failure. */
export function tell(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`)
}

// One question at a time: answers carry no number.
function ask(question) {
  const answered = turn.then(async () => {
    tell(question)
    const { value, done } = await lines.next()
    if (done) throw new Error('the harness is gone')
    const answer = JSON.parse(value)
    if ('refused' in answer) throw new Error(`${question.ask}: ${answer.refused}`)
    return answer.answer
  })
  turn = answered.catch(() => {})
  return answered
}

/** Lets the process end: nothing reads the answers any more. */
export function hangUp() {
  process.stdin.destroy()
}

/** Where the pages of a box are. */
export class Pages {
  /** Its host name, under which it is found at NAME.local, and its address. */
  constructor({ name, address }) {
    Object.assign(this, { name, address })
  }

  get host() {
    return `${this.name}.local`
  }

  url(path = '/') {
    return `http://${this.host}${path}`
  }

  appUrl(id, path = '/') {
    return `http://${id}.${this.host}${path}`
  }
}

export class Box extends Pages {
  /** What the test prepared: the URLs of its git remotes by name. */
  remotes = JSON.parse(process.env.BOX_REMOTES ?? '{}')
  /** The box of another home, if the test has one: its pages alone. */
  other = process.env.BOX_OTHER ? new Pages(JSON.parse(process.env.BOX_OTHER)) : null

  constructor() {
    super({ name: process.env.BOX_NAME, address: process.env.BOX_ADDRESS })
  }

  /** Runs a command as root on the box, and returns what it printed. */
  run(...words) {
    return ask({ ask: 'run', words, input: '' })
  }

  /** The same, with something on its standard input: a password belongs there. */
  runWithInput(input, ...words) {
    return ask({ ask: 'run', words, input })
  }

  /** Calls a host API as the host itself, through the control socket. */
  call(api, method, ...params) {
    return ask({ ask: 'call', api: `atek.cloud/${api}`, method, params })
  }

  /** The claim code that a box without an owner shows on its screens: it is there a moment after the host is ready. */
  claimCode() {
    return until('the claim code', async () => (await this.run('sh', '-c', 'cat /run/atek/claim-code 2>/dev/null || :')).trim())
  }

  /** Puts a fixture app on the box, and returns its `file://` URL. */
  placeApp(app) {
    return ask({ ask: 'placeApp', app })
  }

  /** Installs a fixture app from a folder for a user, under its own name or another id. */
  async install(app, user, id = app) {
    return this.call('services-api', 'install', { sourceUrl: await this.placeApp(app), id, user })
  }

  /** The author of a remote publishes a fixture app as a version; `files` replace or add to it, `notes` is the tag's message. With a
   * signer, a name, it is signed with a key of that author's, whose fingerprint is returned. */
  publish(remote, tag, app, files = {}, notes = tag, signer = null) {
    return ask({ ask: 'publish', remote, tag, app, files, notes, signer })
  }

  async cutPower() {
    this.relay?.cut()
    await ask({ ask: 'cutPower' })
  }

  /** Boots it again, and returns when the host is ready. */
  async powerOn() {
    this.address = await ask({ ask: 'powerOn' })
    this.relay?.mend()
  }

  /** Waits until the box has turned itself off. */
  async isOff() {
    await ask({ ask: 'turnedOff' })
    this.relay?.cut()
  }

  /** Waits until the host says that it is ready. */
  ready() {
    return ask({ ask: 'ready' })
  }
}
