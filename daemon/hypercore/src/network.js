/** The node of the DHT and the swarm of this home: made when something needs them, not before. */

import EventEmitter from 'node:events'
import HyperDHT from 'hyperdht'
import Hyperswarm from 'hyperswarm'
import { Held } from './held.js'
import { Reachability } from './reachability.js'
import { renewConnections } from './renew.js'
import { derive } from './seed.js'

/** Peers of the swarm of shared databases, at most. */
const MAX_PEERS = 64

/** Says `back` when the network is there again after it was away, or (true) this home is seen under another address. */
export class Network extends EventEmitter {
  /**
   * @param {object} deps
   * @param {import('./settings.js').Settings} deps.settings
   * @param {Buffer} deps.seed
   * @param {(connection: any, info: any) => void} deps.onconnection of the swarm of shared databases
   */
  constructor ({ settings, seed, onconnection }) {
    super()
    this.setMaxListeners(0)
    this.settings = settings
    this.seed = seed
    this.onconnection = onconnection
    this.node = null
    this.reachability = null
    this.ownSwarm = null
    this.held = new Held()
    /** @type {Set<Hyperswarm>} swarms of services */
    this.swarms = new Set()
  }

  /** The node of the DHT, shared by all. */
  get dht () {
    if (!this.node) {
      this.node = new HyperDHT({ bootstrap: this.settings.bootstrap, host: this.settings.bind, keyPair: this.keyPair('home') })
      this.reachability = new Reachability(this.node, hasMoved => this.back(hasMoved))
    }
    return this.node
  }

  /** The swarm in which shared databases are exchanged. Its key says nothing of the box or of its users. */
  get swarm () {
    if (!this.ownSwarm) {
      this.ownSwarm = this.swarmWith(this.keyPair('swarm'), MAX_PEERS)
      this.ownSwarm.on('connection', this.onconnection)
      // Also a home that follows and shares nothing: another one whose address changed reaches its followers by that.
      this.ownSwarm.listen().catch(error => console.error(`cannot listen for other homes: ${error.message}`))
    }
    return this.ownSwarm
  }

  /** Whether no more homes may come to exchange databases. */
  get isFull () {
    return this.ownSwarm !== null && this.ownSwarm.connections.size >= MAX_PEERS
  }

  back (hasMoved) {
    if (hasMoved) for (const swarm of this.swarms) renewConnections(swarm)
    this.emit('back', hasMoved)
  }

  /**
   * A swarm with a key pair of its own.
   * @param {{publicKey: Buffer, secretKey: Buffer}} keyPair
   * @param {number} maxPeers
   */
  swarmWith (keyPair, maxPeers) {
    const swarm = new Hyperswarm({ dht: this.dht, keyPair, maxPeers, maxServerConnections: maxPeers, relayThrough: force => this.relayFor(force) })
    // Hyperswarm lets in as many as come. Its own firewall remembers for ever whom it refused.
    const { server } = swarm
    const refuses = server.firewall
    server.firewall = (...who) => swarm.connections.size >= maxPeers || refuses(...who)
    // Those that came in the same moment.
    swarm.on('connection', connection => {
      connection.on('error', () => {})
      this.held.watch(connection, 'the home')
      if (swarm.connections.size > maxPeers) connection.destroy()
    })
    this.swarms.add(swarm)
    return swarm
  }

  /** Ends a swarm of a service; the node of the DHT goes on. */
  async leave (swarm) {
    if (!this.swarms.delete(swarm)) return
    await swarm.clear()
    // A swarm ends the node that it was given, and this one is not its own.
    swarm.dht = { destroy: async () => {} }
    await swarm.destroy({ force: true })
    for (const connection of swarm.connections) connection.destroy()
  }

  /** The relay for a connection; null: none is configured, or none is needed, as this home can be reached. */
  relayFor (force = false) {
    return force || this.node?.randomized ? this.settings.relay : null
  }

  /** @param {string} purpose */
  keyPair (purpose) {
    return HyperDHT.keyPair(derive(this.seed, `key/${purpose}`))
  }

  describe () {
    const { node, ownSwarm } = this
    if (!node) return { online: false, peers: 0 }
    return {
      online: node.online,
      peers: ownSwarm?.connections.size ?? 0,
      firewalled: node.firewalled,
      symmetricNat: node.randomized,
      // Of everything that this service sends and gets, since its start.
      traffic: { sent: node.udx.bytesTransmitted, received: node.udx.bytesReceived },
      relay: this.settings.relay?.toString('hex') ?? null
    }
  }

  async close () {
    this.held.close()
    this.reachability?.stop()
    for (const swarm of this.swarms) await this.leave(swarm).catch(() => {})
    await this.node?.destroy({ force: true }).catch(() => {})
  }
}
