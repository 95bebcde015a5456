'use strict'

const { EventEmitter } = require('events')
const { Duplex } = require('streamx')
const WebSocket = require('ws')

const API = 'atek.cloud/hypercore-api'

/** The URL of a path below the streams of the hypercore service. */
function url (below) {
  const port = process.env.ATEK_HOST_PORT
  if (!port) throw new Error('ATEK_HOST_PORT is not set: this runs in an app of Atek')
  return `ws://127.0.0.1:${port}/_atek/gateway/${below}?api=${encodeURIComponent(API)}`
}

function open (below) {
  const token = process.env.ATEK_HOST_BEARER_TOKEN
  const headers = token ? { authorization: `Bearer ${token}` } : {}
  return new WebSocket(url(below), { headers, perMessageDeflate: false, maxPayload: 16 << 20 })
}

module.exports = class Hyperswarm extends EventEmitter {
  constructor ({ keyPair, seed, maxPeers } = {}) {
    super()
    this.keyPair = keyPair || null
    this.connections = new Set()
    this.peers = new Map()
    this.connecting = 0
    this.destroyed = false
    this.listening = null
    this._topics = new Map()
    this._pending = new Map()
    this._next = 1
    this._socket = open('swarm')
    const hex = value => value && Buffer.from(value).toString('hex')
    this._opened = new Promise((resolve, reject) => {
      this._socket.once('open', () => this._socket.send(JSON.stringify({ open: { secretKey: hex(keyPair && keyPair.secretKey), seed: keyPair ? undefined : hex(seed), maxPeers } })))
      this._ready = resolve
      this._socket.once('error', reject)
      this._socket.once('close', () => reject(new Error('the hypercore service closed the swarm')))
    })
    this._opened.catch(() => {})
    this._socket.on('message', data => this._message(JSON.parse(data)))
    this._socket.on('error', error => { if (!this.destroyed && this.listenerCount('error')) this.emit('error', error) })
    this._socket.on('close', () => this._closed())
  }

  /** Resolves when the key pair is known. */
  ready () {
    return this._opened
  }

  join (topic, { server = true, client = true } = {}) {
    if (!topic || topic.length !== 32) throw new Error('Topic is required and must be a 32-byte buffer')
    const key = Buffer.from(topic).toString('hex')
    const joined = this._ask({ join: key, server, client })
    const discovery = {
      swarm: this,
      topic,
      isServer: server,
      isClient: client,
      destroyed: false,
      flushed: async () => { await joined; await this._ask({ flush: key }) },
      refresh: ({ server: s = server, client: c = client } = {}) => this._ask({ join: key, server: s, client: c }),
      destroy: () => this.leave(topic)
    }
    joined.catch(() => {})
    this._topics.set(key, discovery)
    return discovery
  }

  async leave (topic) {
    const key = Buffer.from(topic).toString('hex')
    const discovery = this._topics.get(key)
    if (!discovery) return
    discovery.destroyed = true
    this._topics.delete(key)
    await this._ask({ leave: key })
  }

  status (topic) {
    return this._topics.get(Buffer.from(topic).toString('hex')) || null
  }

  topics () {
    return this._topics.values()
  }

  joinPeer (publicKey) {
    this._ask({ joinPeer: Buffer.from(publicKey).toString('hex') }).catch(() => {})
  }

  leavePeer (publicKey) {
    this._ask({ leavePeer: Buffer.from(publicKey).toString('hex') }).catch(() => {})
  }

  listen () {
    this.listening = this.listening || this._ask({ listen: true })
    return this.listening
  }

  /** Resolves when what was joined is announced and looked up, and connections that were found are tried. */
  async flush () {
    await this._ask({ flush: null })
    return true
  }

  async clear () {
    await Promise.allSettled([...this._topics.values()].map(discovery => discovery.destroy()))
  }

  async destroy () {
    if (this.destroyed) return
    this.destroyed = true
    for (const connection of this.connections) connection.destroy()
    const closed = new Promise(resolve => this._socket.once('close', resolve))
    if (this._socket.readyState === WebSocket.CLOSED) return
    this._socket.close()
    await closed
  }

  async _ask (message) {
    await this._opened
    const id = this._next++
    return new Promise((resolve, reject) => {
      this._pending.set(id, { resolve, reject })
      this._socket.send(JSON.stringify({ id, ...message }))
    })
  }

  _message (message) {
    if (message.ready) {
      this.keyPair = this.keyPair || { publicKey: Buffer.from(message.ready.publicKey, 'hex'), secretKey: null }
      this._ready()
    } else if (message.connection) this._connection(message.connection)
    else if (message.done !== undefined || message.failed !== undefined) {
      const id = message.done ?? message.failed
      const pending = this._pending.get(id)
      this._pending.delete(id)
      if (!pending) return
      if (message.error) pending.reject(new Error(message.error))
      else pending.resolve()
    }
  }

  _connection (about) {
    const connection = new Connection(about)
    const info = { publicKey: connection.remotePublicKey, topics: about.topics.map(topic => Buffer.from(topic, 'hex')), client: about.isInitiator, prioritized: false, ban () {} }
    const key = about.remotePublicKey
    this.connections.add(connection)
    this.peers.set(key, info)
    connection.on('error', () => {})
    connection.once('close', () => {
      this.connections.delete(connection)
      this.peers.delete(key)
      this.emit('update')
    })
    this.emit('connection', connection, info)
    this.emit('update')
  }

  _closed () {
    for (const { reject } of this._pending.values()) reject(new Error('the hypercore service closed the swarm'))
    this._pending.clear()
    for (const connection of this.connections) connection.destroy()
    if (!this.destroyed) this.emit('close')
  }
}

/** One connection with a peer: its messages keep their bounds, as those of `@hyperswarm/secret-stream`. */
class Connection extends Duplex {
  constructor (about) {
    super({ mapWritable: data => (typeof data === 'string' ? Buffer.from(data) : data) })
    this.noiseStream = this
    this.rawStream = this
    this.userData = null
    this.keepAlive = 0
    this.timeout = 0
    this.isInitiator = about.isInitiator
    this.publicKey = Buffer.from(about.publicKey, 'hex')
    this.remotePublicKey = Buffer.from(about.remotePublicKey, 'hex')
    this.handshakeHash = Buffer.from(about.handshakeHash, 'hex')
    this.connected = false
    this.opened = new Promise(resolve => { this._isOpened = resolve })
    this._socket = open(`connection/${about.id}`)
    this._socket.binaryType = 'nodebuffer'
    this._socket.on('message', data => { if (!this.push(data)) this._socket.pause() })
    this._socket.on('error', error => this.destroy(error))
    this._socket.once('close', () => { this.push(null); this.end() })
    // The hypercore service keeps the connection alive.
  }

  setKeepAlive (milliseconds) {
    this.keepAlive = milliseconds
  }

  setTimeout (milliseconds) {
    this.timeout = milliseconds
  }

  sendKeepAlive () {}

  alloc (length) {
    return Buffer.allocUnsafe(length)
  }

  toJSON () {
    return { isInitiator: this.isInitiator, publicKey: this.publicKey.toString('hex'), remotePublicKey: this.remotePublicKey.toString('hex') }
  }

  _open (done) {
    const finish = error => {
      this.connected = !error
      this._isOpened(!error)
      if (!error) this.emit('connect')
      if (!error) this.emit('open')
      done(error)
    }
    if (this._socket.readyState === WebSocket.OPEN) return finish(null)
    this._socket.once('open', () => finish(null))
    this._socket.once('close', () => { if (!this.connected) finish(new Error('the connection is gone')) })
  }

  _read (done) {
    this._socket.resume()
    done(null)
  }

  _write (data, done) {
    this._socket.send(data, { binary: true }, done)
  }

  _final (done) {
    this._socket.close()
    done(null)
  }

  _destroy (done) {
    this._socket.terminate()
    done(null)
  }
}
