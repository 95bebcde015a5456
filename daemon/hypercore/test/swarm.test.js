import assert from 'node:assert/strict'
import crypto from 'node:crypto'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import Corestore from 'corestore'
import Hyperbee from 'hyperbee'
import createTestnet from 'hyperdht/testnet.js'
import Hyperswarm from 'hyperswarm'
import StandIn from '../clients/hyperswarm/index.js'
import { Home, meet, peer, until } from './home.js'

let testnet, one

before(async () => {
  testnet = await createTestnet(3)
  one = await Home.open({ bootstrap: testnet.bootstrap, database: false })
})
after(async () => {
  await one.close()
  await testnet.destroy()
})

/** A swarm of an app of this home. */
function appSwarm (t, home, options) {
  process.env.ATEK_HOST_PORT = home.env.ATEK_HOST_PORT
  const swarm = new StandIn(options)
  t.after(() => swarm.destroy())
  return swarm
}

function storeFor (t) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'atek-app-'))
  const store = new Corestore(folder)
  t.after(async () => {
    await store.close()
    fs.rmSync(folder, { recursive: true, force: true })
  })
  return store
}

test('an app without a network replicates its own corestore and hyperbee with a bare hyperswarm', async t => {
  const mine = storeFor(t)
  const bee = new Hyperbee(mine.get({ name: 'bee' }), { keyEncoding: 'utf-8', valueEncoding: 'json' })
  await bee.put('greeting', { text: 'hello' })
  const swarm = appSwarm(t, one)
  swarm.on('connection', connection => mine.replicate(connection))
  await swarm.join(bee.core.discoveryKey).flushed()

  const { store: theirs, swarm: bare } = peer(t, testnet)
  const copy = new Hyperbee(theirs.get({ key: bee.core.key }), { keyEncoding: 'utf-8', valueEncoding: 'json' })
  await copy.ready()
  await meet(bare, copy.core.discoveryKey, () => copy.core.peers.length > 0)
  assert.equal((await until(() => copy.get('greeting'))).value.text, 'hello')
  // Live, and large enough for messages to wait for each other.
  const batch = bee.batch()
  for (let n = 0; n < 2000; n++) await batch.put(`n/${n}`, { text: 'x'.repeat(500) })
  await batch.flush()
  await until(async () => (await copy.get('n/1999'))?.value.text.length === 500)
  let found = 0
  for await (const { value } of copy.createReadStream({ gt: 'n/', lt: 'n0' })) found += value.text.length
  assert.equal(found, 2000 * 500)
})

test('an app keeps its key pair, and uses one of its own if it has one', async t => {
  const first = appSwarm(t, one)
  await first.ready()
  const key = first.keyPair.publicKey
  await first.destroy()
  const again = appSwarm(t, one)
  await again.ready()
  assert.deepEqual(again.keyPair.publicKey, key)
  const seed = crypto.randomBytes(32)
  const seeded = appSwarm(t, one, { seed })
  await seeded.ready()
  assert.notDeepEqual(seeded.keyPair.publicKey, key)
})

test('two apps talk by messages that keep their bounds, and see each other leave', async t => {
  const topic = crypto.randomBytes(32)
  const server = appSwarm(t, one, { seed: crypto.randomBytes(32) })
  const heard = []
  server.on('connection', connection => connection.on('data', data => {
    heard.push(data.length)
    connection.write(Buffer.from(`got ${data.length}`))
  }))
  await server.join(topic, { server: true, client: false }).flushed()
  const client = new Hyperswarm({ dht: testnet.createNode() })
  t.after(() => client.destroy())
  const [connection] = await meet(client, topic, () => client.connections.size && [...client.connections])
  connection.on('error', () => {})
  const answers = []
  connection.on('data', data => answers.push(data.toString()))
  for (const size of [1, 65_536, 3, 1_000_000]) connection.write(Buffer.alloc(size))
  await until(() => answers.length === 4)
  assert.deepEqual(heard, [1, 65_536, 3, 1_000_000])
  const closed = new Promise(resolve => connection.once('close', resolve))
  await server.destroy()
  await closed
})

test('what is no message of a swarm is answered, and ends nothing', async () => {
  const socket = one.socket('swarm')
  const answers = []
  socket.on('message', message => answers.push(JSON.parse(message)))
  await new Promise(resolve => socket.once('open', resolve))
  const said = ['{', '[]', 'null', '{"join":"x"}', '{"open":{"secretKey":"00"}}', '{"open":{"seed":5}}', '{"open":{"maxPeers":-1}}', `{"x":"${'y'.repeat(5000)}"}`]
  for (const text of said) socket.send(text)
  await until(() => answers.length === said.length)
  assert.ok(answers.every(answer => answer.error && answer.error !== 'Internal error'), JSON.stringify(answers))
  socket.send('{"open":{}}')
  await until(() => answers.at(-1).ready)
  socket.close()
})

test('a connection is fetched by the app that it is for, and by no other', async t => {
  const topic = crypto.randomBytes(32)
  const socket = one.socket('swarm', 'app')
  const told = []
  socket.on('message', message => told.push(JSON.parse(message)))
  await new Promise(resolve => socket.once('open', resolve))
  socket.send('{"open":{}}')
  socket.send(JSON.stringify({ id: 1, join: topic.toString('hex') }))
  socket.send(JSON.stringify({ id: 2, flush: topic.toString('hex') }))
  await until(() => told.some(message => message.done === 2))
  const client = new Hyperswarm({ dht: testnet.createNode() })
  client.on('connection', connection => connection.on('error', () => {}))
  t.after(() => client.destroy())
  const { connection } = await meet(client, topic, () => told.find(message => message.connection))
  const thief = one.socket(`connection/${connection.id}`, 'thief')
  assert.equal(await new Promise(resolve => thief.once('close', resolve)), 4404)
  const own = one.socket(`connection/${connection.id}`, 'app')
  await new Promise(resolve => own.once('open', resolve))
  assert.equal(own.readyState, own.OPEN)
  own.close()
  socket.close()
})

test('an app has a bound of swarms', async () => {
  const sockets = Array.from({ length: 9 }, () => one.socket('swarm', 'many'))
  const closed = await Promise.race(sockets.map(socket => new Promise(resolve => socket.once('close', () => resolve(true)))))
  assert.equal(closed, true)
  for (const socket of sockets) socket.terminate()
})
