// What pages did wrong unseen: errors on the console, violations of the content security policy,
// requests that failed or were refused, and requests to anybody but the box.

// An aborted request is one that its page gave up: a stream that is no longer followed, a page that was left.
const GIVEN_UP = 'net::ERR_ABORTED'

// Over plain HTTP a browser heeds this header on localhost only, and says so.
const NOT_HEEDED = /The Cross-Origin-Opener-Policy header has been ignored, because the URL's origin was untrustworthy/

export class Watch {
  expected = []
  troubles = []
  console = []
  gone = false

  constructor(name, context, box) {
    this.name = name
    this.box = box
    context.on('console', message => this.#heard(message))
    context.on('weberror', error => this.#trouble(`uncaught: ${error.error().stack ?? error.error()}`))
    context.on('request', request => this.#asked(request))
    context.on('requestfailed', request => this.#failed(request))
    context.on('response', response => this.#answered(response))
  }

  /** What went wrong since the last call. */
  take() {
    return this.troubles.splice(0)
  }

  #trouble(text) {
    if (this.gone || this.expected.some(pattern => pattern.test(text))) return
    this.troubles.push(`${this.name}: ${text}`)
  }

  #heard(message) {
    const text = `console ${message.type()}: ${message.text()} (${message.location().url})`
    this.console.push(`${this.name}: ${text}`)
    // The browser's own line about a status says less than the answer itself, which is judged below.
    if (/^Failed to load resource/.test(message.text()) || NOT_HEEDED.test(message.text())) return
    if (message.type() === 'error' || message.type() === 'warning') this.#trouble(text)
  }

  #asked(request) {
    const url = new URL(request.url())
    if (url.protocol === 'data:' || url.protocol === 'blob:') return
    const host = url.hostname
    const own = [this.box.host, 'localhost', this.box.address]
    if (!own.some(name => host === name || host.endsWith(`.${name}`))) {
      this.#trouble(`asked another host: ${request.method()} ${request.url()}`)
    }
  }

  #failed(request) {
    const { errorText } = request.failure() ?? {}
    if (errorText !== GIVEN_UP) this.#trouble(`${request.method()} ${request.url()} failed: ${errorText}`)
  }

  #answered(response) {
    if (response.status() < 400) return
    const answer = `${response.request().method()} ${response.url()} ${response.status()}`
    this.#trouble(answer)
  }
}
