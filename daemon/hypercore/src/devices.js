/**
 * Paired devices: for each one a key pair on which this home listens, and from which it is reached through any
 * NAT. The device knows the seed of the pair, and proves it: both ends have the same key (Holesail's private
 * mode). Its bytes go to the host as those of any browser; who is signed in there decides.
 */

import crypto from 'node:crypto'
import net from 'node:net'
import HyperDHT from 'hyperdht'
import z32 from 'z32'
import { reached, short } from './bounds.js'
import { denied, full, notFound } from './errors.js'
import * as check from './params.js'
import { derive } from './seed.js'

/** Devices of one user, and connections of one device. */
const MAX_DEVICES = 32
const MAX_CONNECTIONS = 128
/** How often the record that tells Holesail's clients a port is renewed, in milliseconds. */
const RENEW = 50 * 60_000
/** How long the host may take to accept a connection, in milliseconds. */
const CONNECT = 10_000
/** How long a device may go on after the host has ended the connection, in milliseconds. */
const LINGER = 5000
/** Bytes of the host's answer to CONNECT. */
const MAX_HEAD = 4096

export class Devices {
  constructor ({ settings, seed, state, network, onchange }) {
    this.settings = settings
    this.seed = seed
    this.state = state
    this.network = network
    this.onchange = onchange
    /** @type {Map<string, DeviceServer>} by id */
    this.open = new Map()
  }

  methods () {
    return {
      pairDevice: (caller, [options]) => this.pair(caller, check.options(options)),
      devices: caller => this.of(caller).map(device => this.describe(device)),
      unpairDevice: (caller, [id]) => this.unpair(caller, id)
    }
  }

  async resume () {
    await Promise.all(this.state.devices.map(device => this.listen(device)))
  }

  /** A device opens the whole box, so a person pairs it, and no app. */
  of (caller) {
    if (!caller.inPerson) throw denied('only a person can see, pair and remove devices')
    return this.state.devices.filter(device => device.user === caller.user)
  }

  async pair (caller, { label }) {
    const { state } = this
    if (this.of(caller).length >= MAX_DEVICES) throw full(`you have ${MAX_DEVICES} devices already: remove one first`)
    const device = { id: crypto.randomBytes(8).toString('hex'), label: check.label(label), user: caller.user, createdAt: new Date().toISOString(), inBytes: 0, outBytes: 0 }
    state.devices.push(device)
    state.save()
    await this.listen(device)
    this.onchange()
    // Shown once: the device keeps it, and this service can make it again, but shows it no second time.
    return { ...this.describe(device), link: `hs://s000${z32.encode(this.seedOf(device))}` }
  }

  describe (device) {
    const { id, label, createdAt, lastSeen, inBytes, outBytes } = device
    return { id, label, createdAt, ...(lastSeen && { lastSeen }), inBytes, outBytes, connections: this.open.get(id)?.connections.size ?? 0 }
  }

  seedOf (device) {
    return derive(this.seed, `device/${device.id}`)
  }

  async unpair (caller, id) {
    const device = this.of(caller).find(device => device.id === id)
    if (!device) throw notFound('there is no such device')
    this.state.devices = this.state.devices.filter(other => other !== device)
    this.state.save()
    const server = this.open.get(id)
    this.open.delete(id)
    await server?.close()
    this.onchange()
    return null
  }

  async listen (device) {
    const server = new DeviceServer(this, device)
    this.open.set(device.id, server)
    await server.listen()
  }

  async close () {
    await Promise.allSettled([...this.open.values()].map(server => server.close()))
  }
}

/** Listens for one device, on the key pair that it shares with this home. */
class DeviceServer {
  constructor (devices, device) {
    this.devices = devices
    this.device = device
    this.connections = new Set()
    this.closed = false
    this.keyPair = HyperDHT.keyPair(devices.seedOf(device))
    const { network } = devices
    this.server = network.dht.createServer({
      // True refuses. Before this nothing of the remote end was heard, and nothing of this home was told.
      firewall: remote => this.refuses(remote),
      reusableSocket: true,
      relayThrough: () => network.relayFor()
    }, connection => this.enter(connection))
    this.timer = null
  }

  refuses (remote) {
    const { id } = this.device
    if (this.closed) return true
    if (!remote.equals(this.keyPair.publicKey)) {
      reached(`key ${id}`, `the key ${short(remote)} is not that of device ${id}: it is not let in`)
      return true
    }
    if (this.connections.size < MAX_CONNECTIONS) return false
    reached(`connections ${id}`, `device ${id} has ${MAX_CONNECTIONS} connections: more are refused`)
    return true
  }

  async listen () {
    try {
      await this.server.listen(this.keyPair)
    } catch (error) {
      console.error(`cannot listen for device ${this.device.id}: ${error.message}`)
    }
    this.announce()
    this.timer = setInterval(() => this.announce(), RENEW)
    this.timer.unref()
  }

  /** The record that Holesail's clients read: where their end listens by default. */
  announce () {
    const record = Buffer.from(JSON.stringify({ host: '127.0.0.1', port: 8989, udp: false }))
    this.devices.network.dht.mutablePut(this.keyPair, record, { seq: Math.floor(Date.now() / 1000) }).catch(() => {})
  }

  enter (connection) {
    connection.on('error', () => {})
    // Its handshake had begun before the device was removed, or beside those of others.
    if (this.closed || this.connections.size >= MAX_CONNECTIONS) return connection.destroy()
    this.connections.add(connection)
    this.devices.network.held.watch(connection, `device ${this.device.id} with the key`)
    this.device.lastSeen = new Date().toISOString()
    this.devices.state.saveSoon()
    connection.setKeepAlive(5000)
    connection.once('close', () => {
      this.connections.delete(connection)
      this.devices.state.saveSoon()
    })
    toHost(this.devices.settings, this.device.id).then(host => this.join(connection, host), error => {
      console.error(`device ${this.device.id} is not let in by the host: ${error.message}`)
      connection.destroy()
    })
  }

  join (connection, host) {
    const { device } = this
    if (connection.destroyed) return host.destroy()
    connection.on('data', data => {
      device.inBytes += data.length
      if (!host.write(data)) {
        connection.pause()
        host.once('drain', () => connection.resume())
      }
    })
    host.on('data', data => {
      device.outBytes += data.length
      if (!connection.write(data)) {
        host.pause()
        connection.once('drain', () => host.resume())
      }
    })
    connection.once('end', () => host.end())
    host.once('end', () => connection.end())
    connection.once('close', () => host.destroy())
    host.once('close', () => {
      connection.end()
      // A device that does not end its half is not waited for.
      setTimeout(() => connection.destroy(), LINGER).unref()
    })
    host.on('error', () => connection.destroy())
    host.resume()
  }

  async close () {
    this.closed = true
    clearInterval(this.timer)
    for (const connection of this.connections) connection.destroy()
    await this.server.close()
  }
}

/**
 * A connection to the host's own pages: a tunnel (RFC 9110, section 9.3.6) that the gateway opens to itself.
 * @param {import('./settings.js').Settings} settings
 * @param {string} device
 * @returns {Promise<net.Socket>} paused
 */
export function toHost (settings, device) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(settings.hostPort, '127.0.0.1')
    const timer = setTimeout(() => socket.destroy(new Error('the host did not answer in time')), CONNECT)
    const target = `${device}.device.atek:80`
    const token = settings.token ? `Authorization: Bearer ${settings.token}\r\n` : ''
    socket.once('connect', () => socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: ${target}\r\n${token}\r\n`))
    socket.once('error', reject)
    socket.once('close', () => { clearTimeout(timer); reject(new Error('the host closed the connection')) })
    let head = Buffer.alloc(0)
    socket.on('data', function look (data) {
      head = Buffer.concat([head, data])
      const end = head.indexOf('\r\n\r\n')
      if (end < 0 && head.length < MAX_HEAD) return
      clearTimeout(timer)
      socket.off('data', look)
      socket.pause()
      const status = /^HTTP\/1\.1 (\d{3})/.exec(head.subarray(0, 32).toString('latin1'))?.[1]
      if (status !== '200') return socket.destroy(new Error(`the host answered with status ${status ?? 'of no HTTP'}`))
      const rest = head.subarray(end + 4)
      if (rest.length) socket.unshift(rest)
      socket.removeAllListeners('close')
      resolve(socket)
    })
  })
}
