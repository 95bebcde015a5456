/** Which cores are exchanged with peers: those that were admitted, and no other core of the store. */

import Hypercore from 'hypercore'
import { Seek } from './seek.js'

/** The longest pause between two looks for the home that writes a core, in milliseconds. */
const LONGEST = 60_000

const hex = buffer => buffer.toString('hex')

export class Replication {
  /** @param {import('./network.js').Network} network */
  constructor (network) {
    this.network = network
    /** @type {Map<string, {core: Hypercore, seek: Seek | null}>} by discovery key */
    this.admitted = new Map()
    /** @type {Map<any, any>} connection to its stream */
    this.streams = new Map()
  }

  /** For each connection of the swarm. */
  accept (connection) {
    const stream = Hypercore.createProtocolStream(connection, {
      ondiscoverykey: key => this.admitted.get(hex(key))?.core.replicate(connection)
    })
    this.streams.set(connection, stream)
    connection.on('error', () => {})
    connection.once('close', () => this.streams.delete(connection))
    for (const { core } of this.admitted.values()) core.replicate(connection)
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
    for (const connection of this.streams.keys()) core.replicate(connection)
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
    for (const { seek } of this.admitted.values()) seek?.stop()
  }

  isAdmitted (core) {
    return this.admitted.has(hex(core.discoveryKey))
  }
}
