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
const CHECK = 1000
const ANNOUNCE = 5000
/** A look that is later than it should be by this was held up with the whole machine, in milliseconds. */
const SUSPENDED = 4000
/** A home asks four nodes how its router translates addresses. With less than this it looks for more, and how often, in milliseconds. */
const ENOUGH_NODES = 8
const LOOK = 5000
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
    /** The node that is asked for this home's address, and what it said the last time. */
    this.witness = null
    /** When more nodes were looked for. */
    this.looked = 0
    this.gone = new AbortController()
    this.done = this.run()
  }

  async run () {
    const { node } = this
    const { signal } = this.gone
    while (!signal.aborted) {
      const begin = Date.now()
      await sleep(CHECK, signal)
      if (signal.aborted || !node.bootstrapped) continue
      this.lookForNodes()
      const wasSuspended = Date.now() - begin > CHECK + SUSPENDED
      const isWell = node.online && this.servers().every(server => this.isAnnounced(server))
      const isBack = await (isWell ? this.hasMoved() : this.answers()) || wasSuspended
      if (!isBack || signal.aborted) continue
      this.announce()
      this.onback(isWell || wasSuspended)
      if (!isWell) await sleep(ANNOUNCE, signal)
    }
  }

  /** Every server is announced again, now. */
  announce () {
    this.node.emit('network-change')
    // Each one sleeps for up to three seconds before it sees that; HyperDHT has nothing else to wake it.
    for (const server of this.servers()) server._announcer?._sleeper.resume()
  }

  /** Nodes that a busy machine or network did not hear in time are forgotten; HyperDHT looks for others after five minutes. */
  lookForNodes () {
    if (this.node.toArray({ limit: ENOUGH_NODES }).length >= ENOUGH_NODES || Date.now() - this.looked < LOOK) return
    this.looked = Date.now()
    this.node.refresh()
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

  /**
   * Whether a node that keeps this home's address sees another one than before. The same is asked as long as it answers; at the first look
   * it is compared with the address that was announced to it.
   */
  async hasMoved () {
    const { witness } = this
    const asked = witness?.asked ?? this.servers().flatMap(server => this.relaysOf(server))[0]
    if (!asked) return false
    const { socket } = this.node
    const answer = await this.node.ping(asked).catch(() => null)
    const seen = answer && `${answer.to.host}:${answer.to.port}`
    this.witness = seen && { asked, seen, socket }
    if (!seen) return false
    if (!witness) return this.announcedTo(asked).some(({ host }) => host !== answer.to.host)
    // A home that turns out to be open asks from another socket.
    return witness.socket === socket && witness.seen !== seen
  }

  /** The addresses of this home that a node keeps. */
  announcedTo ({ host, port }) {
    const relays = this.servers().flatMap(server => server._announcer?.relays ?? [])
    return relays.filter(({ relayAddress }) => relayAddress.host === host && relayAddress.port === port).map(({ peerAddress }) => peerAddress)
  }

  stop () {
    this.gone.abort()
  }
}
