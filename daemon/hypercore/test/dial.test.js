// Connections that look open at one end only.

import assert from 'node:assert/strict'
import HyperDHT from 'hyperdht'
import createTestnet from 'hyperdht/testnet.js'
import z32 from 'z32'
import { after, before, test } from 'node:test'
import { Tunnel } from '../clients/connect/index.js'
import { dial } from '../src/dial.js'

let testnet, keyPair, node, refused, entered

before(async () => {
  testnet = await createTestnet(3)
  const seed = Buffer.alloc(32, 7)
  keyPair = HyperDHT.keyPair(seed)
  node = new HyperDHT({ bootstrap: testnet.bootstrap, host: '127.0.0.1' })
  // The other end gives up as many connections as `refused` says after it has answered the handshake.
  const make = node.createRawStream.bind(node)
  node.createRawStream = options => refused-- > 0 ? make({ ...options, firewall: () => true }) : make(options)
  await node.createServer({ firewall: () => false }, stream => {
    entered++
    stream.on('error', () => {})
  }).listen(keyPair)
})
after(async () => {
  await node.destroy()
  await testnet.destroy()
})

test('a home that gave up the first connection is dialled again', async t => {
  const dht = new HyperDHT({ bootstrap: testnet.bootstrap, host: '127.0.0.1' })
  let opened = 0
  const connect = dht.connect.bind(dht)
  dht.connect = (...args) => connect(...args).once('open', () => opened++)
  t.after(() => dht.destroy({ force: true }))
  refused = 1
  entered = 0
  const stream = await dial({ dht, relayFor: () => null }, keyPair, keyPair.publicKey)
  assert.ok(stream.rawStream?.bytesReceived > 0)
  assert.deepEqual({ opened, entered }, { opened: 2, entered: 1 })
  stream.destroy()
})

test('a home that gives up every connection is not reached', async t => {
  const dht = new HyperDHT({ bootstrap: testnet.bootstrap, host: '127.0.0.1' })
  t.after(() => dht.destroy({ force: true }))
  refused = Infinity
  await assert.rejects(dial({ dht, relayFor: () => null }, keyPair, keyPair.publicKey, { wait: 2000 }), /the other home is not reached/)
})

test('atek-connect opens the box after a connection that the box gave up', async t => {
  const tunnel = new Tunnel(`hs://s000${z32.encode(Buffer.alloc(32, 7))}`, { bootstrap: testnet.bootstrap })
  t.after(() => tunnel.close())
  refused = 1
  entered = 0
  await tunnel.check()
  assert.equal(entered, 1)
})

/** A server that is open to the internet, with an end to it. */
async function openServer (seed) {
  const dht = new HyperDHT({ bootstrap: testnet.bootstrap, host: '127.0.0.1', firewalled: false, ephemeral: false })
  await dht.fullyBootstrapped()
  await dht.createServer({ reusableSocket: true }, stream => {
    stream.on('error', () => {})
    stream.resume().once('end', () => stream.end())
  }).listen(HyperDHT.keyPair(seed))
  assert.ok(dht.remoteAddress(), 'it is open')
  return dht
}

const ended = stream => new Promise(resolve => { stream.resume().once('close', resolve); stream.end() })

test('a home that was open to the internet and is gone is said to be gone, and ends nothing else', async t => {
  const seed = Buffer.alloc(32, 8)
  const { publicKey } = HyperDHT.keyPair(seed)
  const server = await openServer(seed)
  const dht = new HyperDHT({ bootstrap: testnet.bootstrap, host: '127.0.0.1' })
  const tunnel = new Tunnel(`hs://s000${z32.encode(seed)}`, { bootstrap: testnet.bootstrap })
  t.after(async () => { await tunnel.close(); await dht.destroy({ force: true }) })
  const network = { dht, relayFor: () => null }
  await ended(await dial(network, keyPair, publicKey))
  await ended(await tunnel.reach())
  await server.destroy({ force: true })
  // HyperDHT fails outside of any promise where a way is remembered, and this file with it.
  await Promise.all([
    assert.rejects(dial(network, keyPair, publicKey), /the other home is not reached/),
    assert.rejects(tunnel.attempt())
  ])
})
