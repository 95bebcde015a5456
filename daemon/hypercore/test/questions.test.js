// Homes that ask for blocks without end and read no answer, that begin messages and do not end them, and more homes than there is room for.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import HyperDHT from 'hyperdht'
import createTestnet from 'hyperdht/testnet.js'
import { Home, noDatabase, peer, until } from './home.js'

const options = { skip: noDatabase }
const RECORDS = 40
/** Homes that may be connected to exchange databases (src/network.js). */
const MOST = 64

async function scene (t) {
  const testnet = await createTestnet(3)
  const home = await Home.open({ bootstrap: testnet.bootstrap })
  const node = testnet.createNode()
  t.after(async () => {
    await node.destroy({ force: true })
    await home.close()
    await testnet.destroy()
  })
  const { dbId } = await home.adb('dbCreate', [{ access: 'public' }])
  for (let n = 0; n < RECORDS; n++) await home.adb('recordPut', [dbId, `/r/${n}`, { text: 'x'.repeat(20_000) }])
  const share = await home.call('share', [dbId, { access: 'public' }])
  await until(async () => (await home.call('shares'))[0].length > RECORDS)
  const { publicKey } = home.service.network.swarm.keyPair
  const connect = async () => {
    const connection = node.connect(publicKey, { keyPair: HyperDHT.keyPair() })
    connection.on('error', () => {})
    return new Promise(resolve => {
      connection.once('open', () => resolve(connection))
      connection.once('close', () => resolve(null))
    })
  }
  return { testnet, home, share, connect }
}

/** A home that asks for blocks of a core and reads no answer. */
async function asker (store, key, connection) {
  const core = store.get({ key: Buffer.from(key, 'hex') })
  await core.ready()
  store.replicate(connection)
  const peer = await until(() => core.core.replicator.peers.find(({ stream, remoteOpened, remoteLength }) => stream === connection && remoteOpened && remoteLength > RECORDS))
  connection.pause()
  const ask = id => peer.wireRequest.send({ id: 1000 + id, fork: 0, block: { index: id % peer.remoteLength, nodes: 0 }, hash: null, seek: null, upgrade: null, manifest: false, priority: 0 })
  return { connection, core, ask, mux: peer.protomux }
}

test('a home that asks for blocks and does not read them is cut off', options, async t => {
  const { testnet, home, share, connect } = await scene(t)
  const { connection, core, ask } = await asker(peer(t, testnet).store, share.key, await until(connect))
  let asked = 0
  for (; asked < 100_000 && !connection.destroyed; asked++) {
    ask(asked)
    if (asked % 500 === 0) await new Promise(resolve => setTimeout(resolve, 5))
  }
  await until(() => connection.destroyed)
  console.log(`${asked} blocks were asked for`)
  // Who reads gets it, as before.
  const reader = peer(t, testnet)
  const copy = reader.store.get({ key: core.key })
  await copy.ready()
  reader.swarm.join(copy.discoveryKey, { server: false, client: true })
  await until(() => copy.length > RECORDS)
  await copy.download({ start: 0, end: copy.length }).done()
  assert.equal((await home.call('status')).peers, 1)
})

test('no more homes are connected than there is room for, and those that exchange nothing make room', options, async t => {
  const { testnet, home, share, connect } = await scene(t)
  const peers = async () => (await home.call('status')).peers
  const reader = peer(t, testnet)
  const copy = reader.store.get({ key: Buffer.from(share.key, 'hex') })
  await copy.ready()
  reader.swarm.join(copy.discoveryKey, { server: false, client: true })
  await until(() => copy.length > RECORDS)
  const strangers = (await Promise.all(Array.from({ length: MOST + 16 }, connect))).filter(Boolean)
  assert.ok(await peers() <= MOST, `${await peers()} homes are connected`)
  assert.ok(strangers.length > MOST / 2)
  // Those that came last may stay: there is room then.
  await until(async () => (await peers()) < MOST / 2)
  assert.equal(reader.swarm.connections.size, 1)
  const [connection] = reader.swarm.connections
  assert.ok(!connection.destroyed)
})

test('of homes that ask for too many blocks together those that ask for the most are cut off', options, async t => {
  const { testnet, home, share, connect } = await scene(t)
  const askers = []
  for (let n = 0; n < 6; n++) askers.push(await asker(peer(t, testnet).store, share.key, await until(connect)))
  // Each by itself may ask for so many.
  for (const { ask, mux } of askers) {
    mux.cork()
    for (let n = 0; n < 4000; n++) ask(n)
    mux.uncork()
  }
  await until(() => askers.some(({ connection }) => connection.destroyed))
  assert.ok(askers.some(({ connection }) => !connection.destroyed))
  await home.call('status')
})

test('connections whose messages do not end hold no more than all may together', options, async t => {
  const { home, connect } = await scene(t)
  const connections = await Promise.all(Array.from({ length: 4 }, () => until(connect)))
  for (const [n, { rawStream }] of connections.entries()) {
    // 16 MiB less one byte are announced; the first one brings the most of it.
    rawStream.write(Buffer.from([255, 255, 255]))
    rawStream.write(Buffer.alloc(n === 0 ? 15 << 20 : 9 << 20))
  }
  await until(() => connections[0].destroyed)
  assert.deepEqual(connections.map(({ destroyed }) => destroyed), [true, false, false, false])
  await home.call('status')
})
