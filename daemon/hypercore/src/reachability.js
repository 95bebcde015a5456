/**
 * Sees to it that this home can be reached again when its network was away for a while, or has another address.
 *
 * HyperDHT alone takes up to five minutes for that: a server whose announcement finds no node waits for the next turn as one that was
 * announced; a node that counts as offline hears too little to count as online again in a small network; and a new address that the
 * router got from the provider is no change of this machine's interfaces. What HyperDHT does when those change is done here, too.
 */

import crypto from 'node:crypto'
import { sleep } from './loop.js'

/** How often is looked, and how long HyperDHT gets to announce what was told to be announced, in milliseconds. */
const CHECK = 1500
const ANNOUNCE = 5000
/** Questions at once while HyperDHT takes this home to be offline: fewer than four answers in five seconds count for nothing there. */
const QUESTIONS = 3

export class Reachability {
  /**
   * @param {import('hyperdht')} node
   * @param {(hasMoved: boolean) => void} onback the network is there again, or it is another one
   */
  constructor (node, onback) {
    this.node = node
    this.onback = onback
    /** The node that was asked for this home's address the last time, and what it said. */
    this.witness = null
    this.gone = new AbortController()
    this.done = this.run()
  }

  async run () {
    const { node } = this
    const { signal } = this.gone
    while (!signal.aborted) {
      await sleep(CHECK, signal)
      if (signal.aborted || !node.bootstrapped) continue
      const isWell = node.online && this.servers().every(server => this.isAnnounced(server))
      const isBack = await (isWell ? this.hasMoved() : this.answers())
      if (!isBack || signal.aborted) continue
      this.witness = null
      node.emit('network-change')
      this.onback(isWell)
      await sleep(ANNOUNCE, signal)
    }
  }

  servers () {
    return [...this.node.listening].filter(server => server.listening)
  }

  /** Whether another node knows where the server is; its own address alone is no such node. */
  isAnnounced (server) {
    return this.relaysOf(server).length > 0
  }

  relaysOf (server) {
    const own = this.node.remoteAddress()
    return server.relayAddresses.filter(({ host, port }) => host !== own?.host || port !== own.port)
  }

  /** Whether nodes answer. */
  async answers () {
    const queries = Array.from({ length: this.node.online ? 1 : QUESTIONS }, () => this.node.findNode(crypto.randomBytes(32), { retries: 1 }))
    await Promise.allSettled(queries.map(query => query.finished()))
    return this.node.online && queries.some(({ successes }) => successes > 0)
  }

  /** Whether a node that keeps this home's address sees another one than before. */
  async hasMoved () {
    const relay = this.servers().flatMap(server => this.relaysOf(server))[0]
    if (!relay) return false
    const asked = `${relay.host}:${relay.port}`
    const answer = await this.node.ping(relay).catch(() => null)
    if (!answer) return false
    const seen = `${answer.to.host}:${answer.to.port}`
    const before = this.witness
    this.witness = { asked, seen }
    return before !== null && before.asked === asked && before.seen !== seen
  }

  stop () {
    this.gone.abort()
  }
}
