/**
 * A connection between two people of two homes: requests and answers in JSON, over an encrypted stream on which both
 * ends have proven their keys. Cores that both share are exchanged over it, too.
 */

import { setMaxListeners } from 'node:events'
import c from 'compact-encoding'
import Protomux from 'protomux'
import { reached, short } from './bounds.js'
import { ApiError, CODE } from './errors.js'

/** Bytes of one message. */
const MAX_MESSAGE = 1 << 20
/** Requests of one end that the other works on at a time. */
const MAX_OPEN = 16
/** Bytes that wait for the other end to read: the answers to as many requests. */
const MAX_UNREAD = MAX_OPEN * MAX_MESSAGE
/** Bytes of requests that all other homes may have under way together. */
const MAX_ALL = 16 << 20
/** Requests that one end may make at once, and for each second in the long run; more end the line. */
const BURST = 400
const RATE = 100
/** How long an answer is waited for, in milliseconds. */
const ANSWER = 30_000

export class Line {
  /**
   * @param {any} stream an open stream of HyperDHT
   * @param {object} how
   * @param {(line: Line, method: string, params: any, signal: AbortSignal) => Promise<any>} how.answer
   * @param {(line: Line) => void} how.onclose
   * @param {{bytes: number}} [how.all] what lines that share it have under way
   */
  constructor (stream, { answer, onclose, all = { bytes: 0 } }) {
    this.stream = stream
    this.key = stream.remotePublicKey.toString('hex')
    this.isInitiator = stream.isInitiator
    this.since = Date.now()
    this.lastUse = this.since
    this.answer = answer
    this.all = all
    this.closed = false
    this.gone = new AbortController()
    setMaxListeners(2 * MAX_OPEN, this.gone.signal)
    this.nextId = 0
    /** @type {Map<number, {resolve: Function, reject: Function, cleanUp: () => void}>} requests of this end */
    this.asked = new Map()
    this.working = 0
    this.unread = 0
    this.tokens = BURST
    this.refilled = this.since
    stream.on('error', () => {})
    stream.setKeepAlive(5000)
    // Without an answer to these for so long, the other end is gone.
    stream.setTimeout(15_000)
    stream.once('close', () => { this.end(); onclose(this) })
    this.mux = Protomux.from(stream)
    this.channel = this.mux.createChannel({ protocol: 'atek/person', ondrain: () => { this.unread = 0 }, onclose: () => this.close() })
    this.messages = this.channel.addMessage({ encoding: c.raw, onmessage: data => this.receive(data) })
    this.channel.open()
  }

  /**
   * @param {string} method
   * @param {any} params
   * @param {AbortSignal} [signal]
   */
  request (method, params, signal) {
    const id = this.nextId++
    return new Promise((resolve, reject) => {
      if (this.closed) return reject(lost())
      if (this.asked.size >= MAX_OPEN) return reject(new ApiError(CODE.full, `${MAX_OPEN} calls of this home are under way already`))
      const abort = () => this.settle(id, 'reject', new ApiError(CODE.notFound, 'the call was given up'))
      const timer = setTimeout(() => this.settle(id, 'reject', new ApiError(CODE.notFound, 'the other home did not answer in time')), ANSWER)
      const cleanUp = () => { clearTimeout(timer); signal?.removeEventListener('abort', abort) }
      signal?.addEventListener('abort', abort)
      this.asked.set(id, { resolve, reject, cleanUp })
      try {
        this.send({ id, method, params })
      } catch (error) {
        this.settle(id, 'reject', error)
      }
    })
  }

  send (message) {
    const data = Buffer.from(JSON.stringify(message))
    if (data.length > MAX_MESSAGE) throw new ApiError(CODE.params, `a call between homes has at most ${MAX_MESSAGE} bytes`)
    this.lastUse = Date.now()
    if (this.messages.send(data)) {
      this.unread = 0
      return
    }
    this.unread += data.length
    if (this.unread > MAX_UNREAD) this.endFor('unread', `does not read ${MAX_UNREAD} bytes of answers`)
  }

  settle (id, how, value) {
    const asked = this.asked.get(id)
    if (!asked) return
    this.asked.delete(id)
    asked.cleanUp()
    asked[how](value)
  }

  /** What the other end sends is hostile until it is checked. */
  receive (data) {
    if (this.closed) return
    const message = parse(data)
    const isAwaited = message && typeof message.method !== 'string' && this.asked.has(message.id)
    if (!message) return this.endFor('garbage', 'sends what is no message')
    if (!isAwaited && !this.mayCome()) return this.endFor('flood', `sends more than ${BURST} messages at once, and ${RATE} a second`)
    this.lastUse = Date.now()
    if (typeof message.method === 'string') return this.work(message, data.length)
    if (message.error !== undefined) this.settle(message.id, 'reject', errorOf(message.error))
    else this.settle(message.id, 'resolve', message.result ?? null)
  }

  mayCome () {
    const now = Date.now()
    this.tokens = Math.min(BURST, this.tokens + (now - this.refilled) * RATE / 1000)
    this.refilled = now
    return --this.tokens >= 0
  }

  async work ({ id, method, params }, bytes) {
    const answer = {}
    const { all } = this
    const isFull = all.bytes + bytes > MAX_ALL
    if (this.working >= MAX_OPEN || isFull) {
      answer.error = { code: CODE.full, message: isFull ? 'too many calls are under way' : `${MAX_OPEN} calls are under way already` }
      if (isFull) reached('calls', `other homes have calls of ${MAX_ALL} bytes under way: one of the person ${short(this.key)} is refused`)
      else reached(`calls ${this.key}`, `the person ${short(this.key)} of another home has ${MAX_OPEN} calls under way: more are refused`)
    } else {
      this.working++
      all.bytes += bytes
      try {
        answer.result = await this.answer(this, method, params, this.gone.signal) ?? null
      } catch (error) {
        answer.error = shown(error)
      } finally {
        this.working--
        all.bytes -= bytes
      }
    }
    try {
      if (!this.closed) this.send({ id, ...answer })
    } catch (error) {
      this.send({ id, error: shown(error) })
    }
  }

  /** Whether a call is under way. */
  get isBusy () {
    return this.asked.size + this.working > 0
  }

  /** Ends it for what the other end does. */
  endFor (bound, what) {
    reached(`${bound} ${this.key}`, `the person ${short(this.key)} of another home ${what}: their connection is ended`)
    this.close()
  }

  close () {
    this.end()
    this.stream.destroy()
  }

  end () {
    if (this.closed) return
    this.closed = true
    this.gone.abort()
    for (const id of [...this.asked.keys()]) this.settle(id, 'reject', lost())
  }
}

const lost = () => new ApiError(CODE.notFound, 'the connection to the other home ended')

function parse (data) {
  if (data.length > MAX_MESSAGE + 1024) return null
  try {
    const message = JSON.parse(data)
    return typeof message === 'object' && message !== null && Number.isSafeInteger(message.id) ? message : null
  } catch {
    return null
  }
}

/** An error of the other end: its text is data. */
function errorOf (error) {
  const code = Number.isSafeInteger(error?.code) ? error.code : CODE.internal
  const message = typeof error?.message === 'string' ? error.message.slice(0, 2000) : 'the other home refused'
  return new ApiError(code, message, error?.data)
}

function shown (error) {
  if (error instanceof ApiError) return { code: error.code, message: error.message, ...(error.data !== undefined && { data: error.data }) }
  console.error('a call of another home failed:', error.message)
  return { code: CODE.internal, message: 'Internal error at the other home' }
}
