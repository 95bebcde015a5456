// The nodes of the DHT go away for as long as an announcement is lost, and come back without any memory.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import HyperDHT from 'hyperdht'
import { Home, until } from './home.js'

/** What HyperDHT alone takes until it announces again is five minutes. */
const SOON = 60_000

async function nodes (ports) {
  const made = []
  for (const port of ports) {
    const node = new HyperDHT({ bootstrap: made.length ? [made[0].address()] : [], port: port || [0, 1], anyPort: !port, host: '127.0.0.1', ephemeral: false, firewalled: false })
    await node.fullyBootstrapped()
    made.push(node)
  }
  return made
}

test('a home whose network was away is found again at once, by who looks for it at once', async t => {
  let dht = await nodes([0, 0, 0])
  const ports = dht.map(node => node.address().port)
  const bootstrap = [{ host: '127.0.0.1', port: ports[0] }]
  const [one, two] = [await Home.open({ bootstrap, database: false }), await Home.open({ bootstrap, database: false })]
  t.after(async () => {
    for (const home of [one, two]) await home.close()
    for (const node of dht) await node.destroy({ force: true })
  })
  const { link } = await one.call('inviteContact')
  const servers = () => [...one.service.network.node.listening]
  const announced = () => servers().length > 0 && servers().every(({ relayAddresses }) => relayAddresses.length > 0)
  await until(announced)
  for (const node of dht) await node.destroy({ force: true })
  // The other home looks for it in the meantime, with growing pauses.
  await two.call('addContact', [link])
  await until(() => !announced())
  await until(async () => (await two.call('contacts'))[0].error)
  // And one is started before its router is.
  const three = await Home.open({ bootstrap, database: false })
  t.after(() => three.close())
  const late = await three.call('inviteContact')
  dht = await nodes(ports)
  const begin = Date.now()
  await until(async () => (await two.call('contacts'))[0].key, SOON)
  console.log(`met ${Date.now() - begin} ms after the nodes are back`)
  await two.call('addContact', [late.link])
  await until(async () => (await two.call('contacts'))[1].key, SOON)
  console.log(`who started without a network is met after ${Date.now() - begin} ms`)
  assert.equal((await one.call('contacts'))[0].status, 'asks')
})
