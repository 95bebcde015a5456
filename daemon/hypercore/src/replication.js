/** Which cores are exchanged with peers: those that were admitted, and no other core of the store. */

import Hypercore from 'hypercore'
import { reached, short } from './bounds.js'
import { Seek } from './seek.js'

/** The longest pause between two looks for the home that writes a core, in milliseconds. */
const LONGEST = 60_000
/** How long a home may be connected and exchange nothing when others wait for its place, in milliseconds; how often is looked. */
const IDLE = 10_000
const LOOK = 2000
/** Errors of the network, and not of what a peer says. */
const ORDINARY = /^(E[A-Z]+|STREAM_DESTROYED|PEER_|CANNOT_|HOLEPUNCH_|SERVER_|RELAY|DUPLICATE|REMOTE_)/

const hex = buffer => buffer.toString('hex')

export class Replication {
  /**
   * @param {import('./network.js').Network} network
   * @param {import('./questions.js').Questions} questions
   */
  constructor (network, questions) {
    this.network = network
    this.questions = questions
    /** @type {Map<string, {core: Hypercore, seek: Seek | null}>} by discovery key */
    this.admitted = new Map()
    /** @type {Map<any, number>} connections, and since when */
    this.streams = new Map()
    this.timer = setInterval(() => this.sweep(), LOOK)
    this.timer.unref()
  }

  /** For each connection of the swarm. */
  accept (connection) {
    Hypercore.createProtocolStream(connection, {
      ondiscoverykey: key => this.give(this.admitted.get(hex(key)), connection)
    })
    this.streams.set(connection, Date.now())
    connection.on('error', error => this.ended(connection, error))
    connection.once('close', () => this.streams.delete(connection))
    // Of what this home only gives away the other end says that it knows it: it hears of no other database, and a channel for each would
    // take the most memory of all.
    for (const found of this.admitted.values()) if (found.seek) this.give(found, connection)
  }

  give (found, connection) {
    if (found?.core.core) this.questions.replicate(found.core, connection)
  }

  ended (connection, error) {
    if (ORDINARY.test(error.code ?? '')) return
    reached(`garbage ${error.message}`, `the home ${short(connection.remotePublicKey)} sends what is no message (${error.message}): its connection is ended`)
  }

  /** When as many homes are connected as may be, those that exchange nothing make room. */
  sweep () {
    const { network } = this
    if (!network.isFull) return
    const busy = new Set()
    for (const { core } of this.admitted.values()) for (const peer of core.core?.replicator.peers ?? []) busy.add(peer.protomux.stream)
    const before = Date.now() - IDLE
    const idle = [...this.streams].filter(([connection, since]) => since < before && !busy.has(connection))
    reached('homes', `${this.streams.size} other homes are connected, and more are refused; ${idle.length} of them exchange nothing and are cut off`)
    for (const [connection] of idle) connection.destroy()
  }

  /**
   * Exchanges a core with all who know its key.
   * @param {Hypercore} core open
   * @param {{server: boolean, client: boolean}} role
   */
  admit (core, role) {
    const key = hex(core.discoveryKey)
    if (this.admitted.has(key)) return
    const discovery = this.network.swarm.join(core.discoveryKey, role)
    const look = () => discovery.refresh(role)
    // The core itself and no session of it: who admitted it first may end before others.
    const { replicator } = core.core
    const seek = role.client ? new Seek({ network: this.network, look, found: () => replicator.peers.length > 0, longest: LONGEST }) : null
    this.admitted.set(key, { core, seek })
    for (const connection of this.streams.keys()) this.questions.replicate(core, connection)
  }

  /** Ends it, also on connections that exist: a peer is sent nothing more of this core. */
  async dismiss (core) {
    const key = hex(core.discoveryKey)
    const found = this.admitted.get(key)
    if (!found) return
    this.admitted.delete(key)
    found.seek?.stop()
    // Detached first, so that these connections open no new channel for it.
    const { replicator } = core.core
    for (const connection of this.streams.keys()) replicator.detachFrom(connection.userData)
    for (const peer of [...replicator.peers]) peer.channel.close()
    await this.network.swarm.leave(core.discoveryKey).catch(() => {})
  }

  close () {
    clearInterval(this.timer)
    for (const { seek } of this.admitted.values()) seek?.stop()
  }

  isAdmitted (core) {
    return this.admitted.has(hex(core.discoveryKey))
  }
}
