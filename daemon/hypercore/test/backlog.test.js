// A home that asks for blocks without end and reads no answer; and more homes than there is room for.

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

test('a home that asks for blocks and does not read them is cut off', options, async t => {
  const { testnet, home, share, connect } = await scene(t)
  const { store } = peer(t, testnet)
  const core = store.get({ key: Buffer.from(share.key, 'hex') })
  await core.ready()
  const connection = await until(connect)
  store.replicate(connection)
  const other = await until(() => core.core.replicator.peers.find(({ remoteOpened, remoteLength }) => remoteOpened && remoteLength > RECORDS))
  connection.pause()
  let asked = 0
  for (; asked < 100_000 && !connection.destroyed; asked++) {
    other.wireRequest.send({ id: 1000 + asked, fork: 0, block: { index: asked % other.remoteLength, nodes: 0 }, hash: null, seek: null, upgrade: null, manifest: false, priority: 0 })
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
  await until(async () => (await peers()) < 8)
  assert.equal(reader.swarm.connections.size, 1)
  const [connection] = reader.swarm.connections
  assert.ok(!connection.destroyed)
})
