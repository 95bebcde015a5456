// A hostile home, with the npm modules of the real one: hostile.mjs MODULES SOCKET BOOTSTRAP. It says `ready`, and is
// told what to do by POST on a socket file, which is reached from any network namespace: {attack, …}. It answers what came of it.
import fs from 'node:fs'
import http from 'node:http'
import path from 'node:path'
import nodeCrypto from 'node:crypto'
import { createRequire } from 'node:module'

const [modules, socket, bootstrap] = process.argv.slice(2)
const require = createRequire(`${modules}/`)
const HyperDHT = require('hyperdht')
const Hyperswarm = require('hyperswarm')
const Corestore = require('corestore')
const Hyperbee = require('hyperbee')
const messages = require('hyperbee/lib/messages.js')
const crypto = require('hypercore-crypto')
const Protomux = require('protomux')
const z32 = require('z32')
const { Line } = await import(path.join(modules, 'src/line.js'))

const nodes = bootstrap.split(',').map(node => ({ host: node.split(':')[0], port: Number(node.split(':')[1]) }))
const dht = new HyperDHT({ bootstrap: nodes })
// In the folder of the test, which goes with it.
const folder = path.join(path.dirname(socket), 'hostile')
fs.mkdirSync(folder, { recursive: true })
const store = new Corestore(path.join(folder, 'one'))
const swarm = new Hyperswarm({ dht: new HyperDHT({ bootstrap: nodes }) })
const second = new Corestore(path.join(folder, 'two'))
let given = store
swarm.on('connection', connection => { connection.on('error', () => {}); given.replicate(connection) })
const mallory = HyperDHT.keyPair(nodeCrypto.randomBytes(32))
/** What is held open until the next attack. */
const held = []
const errors = {}
const lines = []

const later = milliseconds => new Promise(resolve => setTimeout(resolve, milliseconds))
const pairOf = link => HyperDHT.keyPair(Buffer.from(z32.decode(link.replace(/^(hs:\/\/s000|atek:\/\/person\/)/, ''))).subarray(0, 32))
const hex = text => Buffer.from(text, 'hex')

/** A connection, or null if it is not let in. */
function connect (publicKey, keyPair, patience = 1500) {
  const stream = dht.connect(publicKey, { keyPair })
  stream.on('error', error => { errors[error.code ?? error.message] = (errors[error.code ?? error.message] ?? 0) + 1 })
  return new Promise(resolve => {
    // The other end may have given it up all the same: its first bytes show that it has not.
    stream.once('open', () => {
      if (stream.rawStream.bytesReceived > 0) return resolve(stream)
      const timer = setTimeout(() => { stream.destroy(); resolve(null) }, patience)
      stream.rawStream.once('data', () => { clearTimeout(timer); resolve(stream) })
    })
    stream.once('close', () => resolve(null))
  })
}

/** As many connections as are let in at once, and how many those were. */
async function crowd (publicKey, keyPair, batches) {
  const open = []
  let most = 0
  for (let n = 0; n < batches; n++) {
    const late = later(3000).then(() => null)
    const come = await Promise.all(Array.from({ length: 16 }, () => Promise.race([connect(publicKey, keyPair(), 3000), late])))
    open.push(...come.filter(Boolean))
    most = Math.max(most, open.filter(({ destroyed }) => !destroyed).length)
    if (!come.some(Boolean)) break
  }
  return { open, most }
}

async function connected (publicKey, keyPair) {
  for (let attempt = 0; attempt < 20; attempt++) {
    const stream = await connect(publicKey, keyPair)
    if (stream) return stream
    await later(100)
  }
  throw new Error('not connected')
}

/** A line as the person whom a home has confirmed. */
async function line (identity) {
  const stream = await connected(hex(identity), mallory)
  return new Line(stream, { answer: async () => new Promise(() => {}), onclose: () => {} })
}

/** The key on which a home exchanges a database, found as all who know its key find it. */
async function homeOf (key) {
  for (let attempt = 0; attempt < 50; attempt++) {
    for await (const { peers } of dht.lookup(crypto.discoveryKey(hex(key)))) if (peers.length) return peers[0].publicKey
    await later(200)
  }
  throw new Error('nobody has this core')
}

const closed = (stream, wait = 10_000) => new Promise(resolve => {
  if (stream.destroyed) return resolve(true)
  const timer = setTimeout(resolve, wait, false)
  stream.once('close', () => { clearTimeout(timer); resolve(true) })
})
const sum = list => list.reduce((all, one) => all + Number(one), 0)

/** A channel for a core as another home opens it; what comes is not read. */
async function channel (connection, key) {
  const core = store.get({ key: hex(key) })
  await core.ready()
  core.replicate(connection)
  for (let attempt = 0; attempt < 100; attempt++) {
    const [peer] = core.core.replicator.peers.filter(({ stream }) => stream === connection)
    if (peer?.remoteOpened && peer.remoteLength > 0) return peer
    await later(50)
  }
  throw new Error('the core is not exchanged')
}

const attacks = {
  /** Becomes a contact by an invitation, as anybody whom a person trusted once. */
  async befriend ({ link }) {
    const pair = pairOf(link)
    const stream = await connected(pair.publicKey, pair)
    const line = new Line(stream, { answer: async () => null, onclose: () => {} })
    const signed = Buffer.concat([Buffer.from('atek contact v1 guest '), stream.handshakeHash])
    await line.request('meet', { key: mallory.publicKey.toString('hex'), name: 'Mallory', signature: crypto.sign(signed, mallory.secretKey).toString('hex') })
    line.close()
    return { key: mallory.publicKey.toString('hex') }
  },

  /** Knocks with keys of its own at a device, an invitation and a person, whose public keys it has seen; and says another's key. */
  async wrongKey ({ links, identity, count }) {
    const doors = [...links.map(link => pairOf(link).publicKey), hex(identity)]
    const attempts = await Promise.all(doors.flatMap(door => Array.from({ length: count }, () => connect(door, HyperDHT.keyPair()))))
    const opened = attempts.filter(Boolean).length
    const pair = pairOf(links.find(link => link.startsWith('atek:')))
    const stream = await connected(pair.publicKey, pair)
    const line = new Line(stream, { answer: async () => null, onclose: () => {} })
    const forged = { key: identity, name: 'Alice', signature: crypto.sign(stream.handshakeHash, mallory.secretKey).toString('hex') }
    const said = await line.request('meet', forged).then(() => 'taken', error => error.message)
    line.close()
    return { knocked: doors.length * count, opened, forged: said }
  },

  /** Bytes that are nothing: in packets, in streams, in channels, and in messages. */
  async garbage ({ identity, device, core }) {
    const ended = []
    const noise = bytes => nodeCrypto.randomBytes(bytes)
    for (const say of [
      line => line.messages.send(Buffer.from('not JSON')),
      line => line.messages.send(Buffer.from('{"method":"call"}')),
      line => line.messages.send(noise(1 << 20)),
      line => line.messages.send(Buffer.alloc((1 << 20) + 4096, 32)),
      line => line.stream.write(noise(100_000)),
      line => { line.stream.write(Buffer.from([0, 0, 1, 255, 255, 255, 255])) }
    ]) {
      const one = await line(identity)
      say(one)
      ended.push(await closed(one.stream, 2000))
    }
    const home = await homeOf(core)
    for (const say of [
      connection => connection.write(noise(200_000)),
      connection => {
        const mux = Protomux.from(connection)
        const channel = mux.createChannel({ protocol: 'hypercore/alpha', id: crypto.discoveryKey(hex(core)) })
        const types = Array.from({ length: 10 }, () => channel.addMessage({ encoding: require('compact-encoding').raw }))
        channel.open(noise(64))
        for (let n = 0; n < 500; n++) types[n % 10].send(noise(300))
      }
    ]) {
      const connection = await connected(home, HyperDHT.keyPair())
      say(connection)
      ended.push(await closed(connection, 2000))
    }
    const pair = pairOf(device)
    const http = await connected(pair.publicKey, pair)
    http.resume()
    http.write(noise(1 << 20))
    ended.push(await closed(http, 2000))
    // Under the streams: packets to the port that the router has opened for an honest stream.
    const connection = await connected(home, HyperDHT.keyPair())
    const { remoteHost, remotePort, socket } = connection.rawStream
    let packets = 0
    for (; packets < 20_000; packets++) {
      socket.trySend(noise(1 + packets % 1200), remotePort, remoteHost)
      if (packets % 500 === 0) await later(5)
    }
    connection.destroy()
    // Noise below the messages may mean nothing, and is passed over then.
    return { messages: ended.slice(0, 4), noise: ended.slice(4), packets }
  },

  /** More than anybody needs: messages, connections, channels. */
  async flood ({ identity, device, core }) {
    const ended = []
    for (let n = 0; n < 5; n++) {
      const one = await line(identity)
      for (let id = 0; id < 3000; id++) one.messages.send(Buffer.from(JSON.stringify({ id, method: n % 2 ? 'group' : 'call', params: { api: 'example.test/hello', method: 'hello' } })))
      ended.push(await closed(one.stream))
    }
    const home = await homeOf(core)
    const many = await connected(home, HyperDHT.keyPair())
    const mux = Protomux.from(many)
    for (let n = 0; n < 50_000 && !many.destroyed; n++) {
      mux.createChannel({ protocol: `x${n}` })?.open()
      if (n % 1000 === 0) await later(1)
    }
    many.destroy()
    const pair = pairOf(device)
    const devices = await crowd(pair.publicKey, () => pair, 10)
    for (const one of devices.open) one.destroy()
    const homes = await crowd(home, () => HyperDHT.keyPair(), 6)
    held.push(...homes.open)
    return { ended: sum(ended), of: ended.length, devices: devices.most, homes: homes.most, errors }
  },

  /** Lets go of what earlier attacks hold. */
  async release () {
    const still = held.filter(({ destroyed }) => !destroyed).length
    for (const one of held.splice(0)) one.destroy()
    return { still }
  },

  /** Logs that are made to mislead; the key of each by its name. */
  async lies () {
    const keys = {}
    for (const [name, blocks] of Object.entries(lies())) {
      const core = store.get({ name })
      await core.ready()
      await core.append(blocks)
      keys[name] = await offer(core)
    }
    keys['blocks that were not signed'] = await offer(await giant('wrong', 4, { isFalse: true }))
    keys['two logs under one key'] = await twice()
    return keys
  },

  /** Gives the second of two logs from now on, or the first one again. */
  async tell ({ other }) {
    given = other ? second : store
    for (const connection of swarm.connections) connection.destroy()
    return {}
  },

  /** 10 GiB in blocks of 1 MiB: signed, and given or not; and in blocks that are longer than one may be. */
  async giants () {
    const blocks = 10 * 1024
    const claimed = await giant('claimed', blocks)
    await claimed.clear(0, blocks)
    return { given: await offer(await giant('given', blocks)), claimed: await offer(claimed), wrong: await offer(await giant('false', blocks, { isFalse: true })), long: await offer(await giant('long', 1280, { size: 8 << 20 })) }
  },

  /** A log that is announced and of which nothing is given. */
  async stalledLog () {
    const core = store.get({ name: 'stalls' })
    await core.ready()
    await core.append([HEADER, block('/a', leaf(1)), block('/b', leaf(2))])
    await core.clear(0, 3)
    return { key: await offer(core) }
  },

  /** Asks, and reads no answer: as a home that has a database, as a person, and as a device. */
  async stall ({ identity, device, core }) {
    const home = await homeOf(core)
    const connection = await connected(home, HyperDHT.keyPair())
    const peer = await channel(connection, core)
    connection.pause()
    let asked = 0
    for (; asked < 300_000 && !connection.destroyed; asked++) {
      peer.wireRequest.send({ id: 1000 + asked, fork: 0, block: { index: asked % peer.remoteLength, nodes: 0 }, hash: null, seek: null, upgrade: null, manifest: false, priority: 0 })
      if (asked % 500 === 0) await later(5)
    }
    const isCut = await closed(connection, 5000)
    // The line on which it was called and does not answer.
    const one = lines.at(-1)
    one.stream.pause()
    const params = { api: 'example.test/hello', method: 'hello', params: ['x'.repeat(200_000)] }
    let calls = 0
    for (; calls < 200 && !one.stream.destroyed; calls++) {
      one.messages.send(Buffer.from(JSON.stringify({ id: calls, method: 'call', params })))
      await later(25)
    }
    const isPersonCut = await closed(one.stream, 20_000)
    const pair = pairOf(device)
    const http = await connected(pair.publicKey, pair)
    http.pause()
    for (let n = 0; n < 2000; n++) http.write('GET /_atek/login HTTP/1.1\r\nHost: localhost:8989\r\n\r\n')
    held.push(http)
    return { asked, isCut, calls, isPersonCut, errors }
  },

  /** A line on which calls of the other home are never answered. */
  async listens ({ identity }) {
    lines.push(await line(identity))
    return {}
  }
}

const HEADER = messages.Header.encode({ protocol: 'hyperbee' })
const leaf = seq => ({ keys: [seq], children: [] })
const block = (key, ...levels) => messages.Node.encode({ key: Buffer.from(key), value: Buffer.from('{"n":1}'), index: messages.YoloIndex.encode({ levels }) })
const lies = () => ({
  'a node that is its own child': [HEADER, block('/a', { keys: [1], children: [1, 0, 1, 0] })],
  'one subtree 2^60 times': [HEADER, block('/a', leaf(1)), ...Array.from({ length: 60 }, (_, n) => block('/a', { keys: [n + 1], children: [n + 1, 0, n + 1, 0] }))],
  'keys out of order': [HEADER, block('/b', leaf(1)), block('/a', { keys: [1, 2], children: [] })],
  'a node of 10,000 keys': [HEADER, block('/a', { keys: Array.from({ length: 10_000 }, () => 1), children: [] })],
  'no tree at all': [Buffer.from('no header'), nodeCrypto.randomBytes(1000)]
})

async function offer (core) {
  await swarm.join(core.discoveryKey, { server: true, client: false }).flushed()
  return core.key.toString('hex')
}

/** A log of many equal blocks, of which one is stored; `isFalse`: what is given is not what was signed. */
async function giant (name, blocks, { isFalse = false, size = 1 << 20 } = {}) {
  const honest = Buffer.alloc(size, 7)
  const told = isFalse ? Buffer.alloc(size, 1) : honest
  const core = store.get({ name })
  await core.ready()
  const stored = Buffer.from(name)
  for (const storage of new Set([core.state.storage, core.core.storage])) {
    const [write, read] = [storage.write, storage.read]
    storage.write = (...how) => wrap(write.apply(storage, how), 'putBlock', put => (index, data) => put(index, data === told ? stored : data))
    storage.read = (...how) => wrap(read.apply(storage, how), 'getBlock', get => index => get(index).then(data => data?.equals(stored) ? told : data))
  }
  const { data } = crypto
  const hash = data(honest)
  crypto.data = bytes => bytes === told ? hash : data(bytes)
  try {
    await core.append(Array.from({ length: blocks }, () => told))
  } finally {
    crypto.data = data
  }
  return core
}

function wrap (made, name, how) {
  made[name] = how(made[name].bind(made))
  return made
}

/** Two logs that the same key has signed; the second one is longer, and in another store. */
async function twice () {
  const keyPair = crypto.keyPair()
  let core
  for (const [which, words, records] of [[second, 'other', 30], [store, 'one', 20]]) {
    core = which.get({ keyPair })
    await core.ready()
    const bee = new Hyperbee(core, { keyEncoding: 'utf-8', valueEncoding: 'json' })
    for (let n = 0; n < records; n++) await bee.put(`/${words}/${n}`, { words, n })
  }
  return offer(core)
}

// What fails here is no fault of the box.
process.on('unhandledRejection', () => {})
process.on('uncaughtException', () => {})
fs.rmSync(socket, { force: true })
http.createServer(async (request, response) => {
  let text = ''
  for await (const part of request) text += part
  const { attack, ...how } = JSON.parse(text)
  const answer = await attacks[attack](how).catch(error => ({ error: error.stack }))
  response.setHeader('content-type', 'application/json')
  response.end(JSON.stringify(answer))
}).listen(socket, () => console.log('ready'))
