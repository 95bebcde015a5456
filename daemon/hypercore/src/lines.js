/**
 * The lines of the people of this box. Each person has a key pair, listens on it, and admits only the keys of people
 * that they know; before a key is proven nothing of the remote end is heard, and nothing of this home is told.
 */

import HyperDHT from 'hyperdht'
import { reached, short } from './bounds.js'
import { DIAL, dial } from './dial.js'
import { ApiError, CODE } from './errors.js'
import { Line } from './line.js'
import { derive } from './seed.js'
import { Seek } from './seek.js'

/** The longest pause between two attempts to reach a home that is wanted all the time, in milliseconds. */
const LONGEST = 60_000
/** Lines of one person. */
const MAX_LINES = 128
/** A line that is not wanted all the time ends when it was not used for so long, in milliseconds. */
const IDLE = 60_000
/** Two homes that call each other in this time have two lines, of which one is kept. */
const AT_ONCE = 2000

/**
 * The key pair of a person of this box.
 * @param {Buffer} seed
 * @param {string} user
 */
export function keyPairOf (seed, user) {
  return HyperDHT.keyPair(derive(seed, `person/${user}`))
}

export class Lines {
  /**
   * @param {object} deps
   * @param {Buffer} deps.seed
   * @param {import('./network.js').Network} deps.network
   */
  constructor ({ seed, network }) {
    this.seed = seed
    this.network = network
    /** @type {Map<string, Person>} by user */
    this.people = new Map()
    this.under = { bytes: 0 }
    /** Set by the contacts: whom a person admits, whom they want to reach, and what is answered. */
    this.admits = () => false
    this.wants = () => []
    this.answer = async () => null
    this.onopen = () => {}
    // Answers of the other homes go to the old address: they would be waited for until the lines' own time is over.
    network.on('back', hasMoved => {
      if (hasMoved) for (const person of this.people.values()) person.cut()
    })
  }

  keyOf (user) {
    return keyPairOf(this.seed, user).publicKey.toString('hex')
  }

  /** Brings what is open in step with whom a person admits and wants. */
  async update (user, isKnown) {
    let person = this.people.get(user)
    if (!isKnown) {
      this.people.delete(user)
      return person?.close()
    }
    if (!person) {
      person = new Person(this, user)
      this.people.set(user, person)
      await person.listen()
    }
    person.update()
  }

  /** An open line; made now if there is none. */
  async reach (user, key, wait) {
    const person = this.people.get(user)
    if (!person) throw new ApiError(CODE.notFound, 'there is no such contact')
    return person.reach(key, wait)
  }

  open (user, key) {
    return this.people.get(user)?.lines.get(key)
  }

  async close () {
    await Promise.allSettled([...this.people.values()].map(person => person.close()))
  }
}

class Person {
  constructor (all, user) {
    this.all = all
    this.user = user
    this.keyPair = keyPairOf(all.seed, user)
    this.own = this.keyPair.publicKey.toString('hex')
    this.closed = false
    /** @type {Map<string, Line>} by key */
    this.lines = new Map()
    /** @type {Map<string, Promise<Line>>} attempts under way */
    this.dialing = new Map()
    /** @type {Map<string, Seek>} whom this person wants to reach all the time */
    this.seeks = new Map()
    const { network } = all
    this.server = network.dht.createServer({
      // True refuses.
      firewall: remote => this.refuses(remote.toString('hex')),
      relayThrough: () => network.relayFor()
    }, stream => this.enter(stream))
    this.timer = setInterval(() => this.sweep(), IDLE / 4)
    this.timer.unref()
  }

  refuses (key) {
    if (this.closed) return true
    if (!this.admits(key)) {
      reached(`stranger ${this.user}`, `the key ${short(key)} is of no contact of ${this.user}: it is not let in`)
      return true
    }
    if (this.lines.size < MAX_LINES) return false
    reached(`lines ${this.user}`, `${this.user} is connected with ${MAX_LINES} people of other homes: the key ${short(key)} is not let in`)
    return true
  }

  admits (key) {
    return this.all.admits(this.user, key)
  }

  async listen () {
    try {
      await this.server.listen(this.keyPair)
    } catch (error) {
      console.error(`cannot listen for the contacts of a person: ${error.message}`)
    }
  }

  update () {
    for (const [key, line] of this.lines) if (!this.admits(key)) line.close()
    const wanted = new Set(this.all.wants(this.user))
    for (const [key, seek] of this.seeks) {
      if (wanted.has(key)) continue
      seek.stop()
      this.seeks.delete(key)
    }
    for (const key of wanted) {
      if (this.seeks.has(key)) continue
      const look = () => this.reach(key, DIAL)
      this.seeks.set(key, new Seek({ network: this.all.network, look, found: () => this.lines.has(key), longest: LONGEST }))
      look().catch(() => {})
    }
  }

  reach (key, wait = DIAL) {
    const open = this.lines.get(key)
    if (open) return Promise.resolve(open)
    let attempt = this.dialing.get(key)
    if (!attempt) {
      attempt = this.dial(key, wait).finally(() => this.dialing.delete(key))
      this.dialing.set(key, attempt)
    }
    return attempt
  }

  async dial (key, wait) {
    const { network } = this.all
    let stream
    try {
      stream = await dial(network, this.keyPair, Buffer.from(key, 'hex'), { wait })
    } catch (error) {
      // It may have reached this one in the same time.
      const open = this.lines.get(key)
      if (open) return open
      throw error
    }
    const line = this.enter(stream)
    if (!line) throw new ApiError(CODE.notFound, 'the other home is not a contact any more')
    return line
  }

  /** Takes up a connection; of two that were made at once, both ends keep the one that the lower key made. */
  enter (stream) {
    const key = stream.remotePublicKey.toString('hex')
    if (this.closed || !this.admits(key)) {
      stream.on('error', () => {})
      stream.destroy()
      return null
    }
    const old = this.lines.get(key)
    const byLower = this.own < key
    if (old && old.isInitiator !== stream.isInitiator && Date.now() - old.since < AT_ONCE && old.isInitiator === byLower) {
      stream.on('error', () => {})
      stream.destroy()
      return old
    }
    this.all.network.held.watch(stream, 'the person')
    const line = new Line(stream, {
      all: this.all.under,
      answer: (line, method, params, signal) => this.all.answer(this.user, line, method, params, signal),
      onclose: line => {
        if (this.lines.get(key) !== line) return
        this.lines.delete(key)
        this.seeks.get(key)?.lost()
      }
    })
    this.lines.set(key, line)
    old?.close()
    this.all.onopen(this.user, line)
    return line
  }

  /** Makes all lines again: the other ends do not know that this home moved, and would wait for its answers. */
  cut () {
    const lines = [...this.lines]
    this.lines.clear()
    for (const [key, line] of lines) {
      line.close()
      this.reach(key).catch(() => {})
    }
  }

  sweep () {
    const before = Date.now() - IDLE
    for (const [key, line] of this.lines) {
      if (!line.isBusy && line.lastUse < before && !this.seeks.has(key)) line.close()
    }
  }

  async close () {
    this.closed = true
    clearInterval(this.timer)
    for (const seek of this.seeks.values()) seek.stop()
    for (const line of this.lines.values()) line.close()
    await this.server.close()
  }
}
