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
