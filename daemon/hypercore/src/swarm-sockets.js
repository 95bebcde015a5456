/**
 * Hyperswarm for programs without a network of their own.
 *
 * A WebSocket at `swarm` is one swarm: it says `{open}` first, then what to do, and hears of connections.
 * Each connection is fetched by a WebSocket of its own at `connection/ID`, whose messages are those of the
 * encrypted stream: this service ends the encryption, with the key pair of the program.
 *
 * | to the service | answered by |
 * |---|---|
 * | {open: {seed?, secretKey?, maxPeers?}} | {ready: {publicKey}} |
 * | {id, join: TOPIC, server?, client?} · {id, leave: TOPIC} | {done: id} |
 * | {id, flush: TOPIC or null} | {done: id}: announced and looked up, connections are tried |
 * | {id, joinPeer: KEY} · {id, leavePeer: KEY} · {id, listen: true} | {done: id} |
 *
 * and `{connection: {id, publicKey, remotePublicKey, handshakeHash, isInitiator, topics}}`, `{closed: id}`.
 */

import crypto from 'node:crypto'
import HyperDHT from 'hyperdht'
import { ApiError, badParams, full } from './errors.js'
import * as check from './params.js'
import { derive } from './seed.js'
import { Seek } from './seek.js'
import { join } from './sockets.js'

/** Swarms and topics of one namespace; peers of one swarm. */
const MAX_SWARMS = 8
const MAX_TOPICS = 256
const MAX_PEERS = 64
/** The longest pause between two looks for peers of a topic, in milliseconds: that of a swarm itself. */
const LONGEST = 600_000
/** How long a connection waits to be fetched, in milliseconds. */
const FETCH = 10_000

export class SwarmSockets {
  /**
   * @param {import('./network.js').Network} network
   * @param {Buffer} seed
   */
  constructor (network, seed) {
    this.network = network
    this.seed = seed
    /** @type {Map<string, Set<SwarmSocket>>} by namespace */
    this.open = new Map()
    /** @type {Map<string, {stream: any, namespace: string, timer: any}>} connections that wait to be fetched */
    this.waiting = new Map()
  }

  /** A WebSocket that is a swarm. */
  control (socket, caller) {
    const own = this.open.get(caller.namespace) ?? new Set()
    if (own.size >= MAX_SWARMS) {
      socket.send(JSON.stringify({ error: `${MAX_SWARMS} swarms are open already: this is the most` }))
      return socket.close()
    }
    const swarm = new SwarmSocket(this, socket, caller.namespace)
    own.add(swarm)
    this.open.set(caller.namespace, own)
    socket.once('close', () => {
      own.delete(swarm)
      if (own.size === 0) this.open.delete(caller.namespace)
      swarm.close().catch(error => console.error('cannot leave a swarm:', error.message))
    })
  }

  /** A WebSocket that fetches a connection. */
  fetch (id, socket, caller) {
    const found = this.waiting.get(id)
    if (!found || found.namespace !== caller.namespace) return socket.close(4404, 'no such connection')
    this.waiting.delete(id)
    clearTimeout(found.timer)
    join(socket, found.stream)
  }

  wait (stream, namespace) {
    const id = crypto.randomBytes(16).toString('hex')
    const forget = () => {
      clearTimeout(timer)
      this.waiting.delete(id)
    }
    const timer = setTimeout(() => { forget(); stream.destroy() }, FETCH)
    stream.once('close', forget)
    this.waiting.set(id, { stream, namespace, timer })
    return id
  }
}

class SwarmSocket {
  constructor (all, socket, namespace) {
    this.all = all
    this.socket = socket
    this.namespace = namespace
    this.swarm = null
    /** @type {Map<string, {discovery: any, seek: Seek | null}>} by topic */
    this.topics = new Map()
    this.closed = false
    socket.on('message', (data, isBinary) => this.message(data, isBinary))
  }

  say (message) {
    if (this.socket.readyState === this.socket.OPEN) this.socket.send(JSON.stringify(message))
  }

  async message (data, isBinary) {
    let id = null
    try {
      if (isBinary || data.length > 4096) throw badParams('a message is JSON of at most 4096 bytes')
      const message = parse(data)
      id = message.id ?? null
      await this.act(message)
      if (id !== null) this.say({ done: id })
    } catch (error) {
      if (!(error instanceof ApiError)) console.error('a swarm of', this.namespace, 'failed:', error.message)
      this.say({ failed: id, error: error instanceof ApiError ? error.message : 'Internal error' })
    }
  }

  act (message) {
    if (message.open) return this.begin(message.open)
    const { swarm } = this
    if (!swarm) throw badParams('the first message must be {open}')
    if (message.join !== undefined) this.join(check.key(message.join, 'the topic'), { server: message.server !== false, client: message.client !== false })
    else if (message.leave !== undefined) return this.leave(check.key(message.leave, 'the topic'))
    else if (message.flush === null) return swarm.flush()
    else if (message.flush !== undefined) return swarm.status(check.key(message.flush, 'the topic'))?.flushed()
    else if (message.joinPeer !== undefined) {
      if (swarm.explicitPeers.size >= MAX_TOPICS) throw full(`${MAX_TOPICS} peers are joined already: this is the most`)
      swarm.joinPeer(check.key(message.joinPeer, 'the peer'))
    } else if (message.leavePeer !== undefined) swarm.leavePeer(check.key(message.leavePeer, 'the peer'))
    else if (message.listen) return swarm.listen()
    else throw badParams('the message asks for nothing that is known')
  }

  begin (given) {
    if (this.swarm) throw badParams('this swarm is open already')
    const { seed, secretKey, maxPeers } = check.options(given)
    const { network } = this.all
    let keyPair
    if (secretKey !== undefined) {
      const secret = Buffer.from(String(secretKey), 'hex')
      if (secret.length !== 64) throw badParams('secretKey must be 128 hexadecimal digits')
      // The second half is the public key; a pair that does not belong together is refused.
      keyPair = HyperDHT.keyPair(secret.subarray(0, 32))
      if (!keyPair.secretKey.equals(secret)) throw badParams('secretKey is not a key of Ed25519')
    } else keyPair = HyperDHT.keyPair(seed === undefined ? derive(this.all.seed, `swarm/${this.namespace}`) : check.key(seed, 'seed'))
    this.swarm = network.swarmWith(keyPair, Math.min(check.count(maxPeers, 'maxPeers', MAX_PEERS), MAX_PEERS))
    this.swarm.on('connection', (stream, info) => this.connection(stream, info))
    this.say({ ready: { publicKey: keyPair.publicKey.toString('hex') } })
  }

  join (topic, role) {
    const { swarm, topics } = this
    if (!role.server && !role.client) throw badParams('a topic is joined as server, as client or as both')
    const key = topic.toString('hex')
    const known = topics.get(key)
    if (!known && topics.size >= MAX_TOPICS) throw full(`${MAX_TOPICS} topics are joined already: this is the most`)
    known?.seek?.stop()
    const discovery = known?.discovery ?? swarm.join(topic, role)
    if (known) discovery.refresh(role).catch(() => {})
    const look = () => discovery.refresh(role)
    const found = () => [...swarm.connections].some(({ remotePublicKey }) => swarm.peers.get(remotePublicKey.toString('hex'))?.topics.some(other => other.equals(topic)))
    topics.set(key, { discovery, seek: role.client ? new Seek({ network: this.all.network, look, found, longest: LONGEST }) : null })
  }

  leave (topic) {
    const key = topic.toString('hex')
    this.topics.get(key)?.seek?.stop()
    this.topics.delete(key)
    return this.swarm.leave(topic)
  }

  connection (stream, info) {
    stream.on('error', () => {})
    if (this.closed) return stream.destroy()
    const id = this.all.wait(stream, this.namespace)
    stream.once('close', () => this.say({ closed: id }))
    this.say({
      connection: {
        id,
        publicKey: stream.publicKey.toString('hex'),
        remotePublicKey: stream.remotePublicKey.toString('hex'),
        handshakeHash: stream.handshakeHash.toString('hex'),
        isInitiator: stream.isInitiator,
        topics: info.topics.map(topic => topic.toString('hex'))
      }
    })
  }

  async close () {
    this.closed = true
    for (const { seek } of this.topics.values()) seek?.stop()
    if (this.swarm) await this.all.network.leave(this.swarm)
  }
}

function parse (data) {
  let message
  try {
    message = JSON.parse(data)
  } catch {
    throw badParams('a message must be JSON')
  }
  if (typeof message !== 'object' || message === null) throw badParams('a message must be an object')
  return message
}
