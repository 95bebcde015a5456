import assert from 'node:assert/strict'
import http from 'node:http'
import net from 'node:net'
import { after, before, test } from 'node:test'
import HyperDHT from 'hyperdht'
import createTestnet from 'hyperdht/testnet.js'
import { seedOf, Tunnel } from '../clients/connect/index.js'
import { Home, until } from './home.js'

let testnet, home, pages

before(async () => {
  testnet = await createTestnet(3)
  pages = http.createServer(async (request, response) => {
    let bytes = 0
    for await (const part of request) bytes += part.length
    response.end(`${request.headers.host} ${request.url} ${bytes}`)
  })
  pages.on('upgrade', (request, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n')
    socket.pipe(socket)
  })
  await new Promise(resolve => pages.listen(0, '127.0.0.1', resolve))
  home = await Home.open({ bootstrap: testnet.bootstrap, database: false, pages: pages.address().port })
})
after(async () => {
  await home.close()
  pages.close()
  pages.closeAllConnections()
  await testnet.destroy()
})

async function tunnel (t, link) {
  const made = new Tunnel(link, { bootstrap: testnet.bootstrap })
  made.dht.destroy({ force: true })
  made.dht = testnet.createNode()
  t.after(() => made.close())
  return { made, port: await made.listen(0) }
}

const get = (port, path, options = {}) => new Promise((resolve, reject) => {
  const request = http.request({ port, path, host: '127.0.0.1', agent: false, ...options }, async response => {
    let text = ''
    for await (const part of response) text += part
    resolve(text)
  })
  request.on('error', reject)
  request.end(options.body)
})

test('a paired device opens the box, with uploads and upgrades, until it is removed', async t => {
  const device = await home.call('pairDevice', [{ label: 'Laptop' }])
  assert.match(device.link, /^hs:\/\/s000[a-z0-9]{52}$/)
  assert.equal(await until(() => home.awake), true)
  const { made, port } = await tunnel(t, device.link)
  await until(() => made.check().then(() => true, () => false))
  assert.equal(await get(port, '/a?b', { headers: { host: 'notes.localhost' } }), 'notes.localhost /a?b 0')
  const upload = Buffer.alloc(8 << 20, 'x')
  assert.equal(await get(port, '/up', { method: 'POST', body: upload, headers: { 'content-length': upload.length, host: 'l' } }), `l /up ${8 << 20}`)
  const socket = net.connect(port, '127.0.0.1')
  socket.write('GET / HTTP/1.1\r\nHost: l\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n')
  let heard = ''
  socket.on('data', data => { heard += data })
  await until(() => heard.includes('101'))
  socket.write('ping')
  await until(() => heard.endsWith('ping'))

  const [listed] = await home.call('devices')
  assert.equal(listed.label, 'Laptop')
  assert.ok(listed.lastSeen && listed.inBytes > 8 << 20 && listed.connections >= 1)
  assert.equal(listed.link, undefined, 'the key is shown once')

  const cut = new Promise(resolve => socket.once('close', resolve))
  await home.call('unpairDevice', [device.id])
  await cut
  await assert.rejects(made.check())
  await assert.rejects(get(port, '/'))
})

test('who does not have the key is not let in, and learns nothing', async t => {
  const device = await home.call('pairDevice', [{}])
  const { publicKey } = HyperDHT.keyPair(seedOf(device.link))
  const stranger = testnet.createNode()
  t.after(() => stranger.destroy())
  const connection = stranger.connect(publicKey)
  const outcome = await new Promise(resolve => {
    connection.once('open', () => resolve('open'))
    connection.once('error', error => resolve(error.code))
  })
  assert.notEqual(outcome, 'open')
  // The record that is public says where a client listens by default, and nothing of the box.
  const { value } = await until(() => stranger.mutableGet(publicKey))
  assert.deepEqual(JSON.parse(value), { host: '127.0.0.1', port: 8989, udp: false })
  await home.call('unpairDevice', [device.id])
})

test('an app pairs and sees no devices, and a person only their own', async () => {
  const device = await home.call('pairDevice', [{ label: 'Mine' }])
  for (const method of ['pairDevice', 'devices']) await assert.rejects(home.call(method, [], 'app'), /only a person/)
  assert.deepEqual(await home.call('devices', [], 'core.hypercore', 'bob'), [])
  await assert.rejects(home.call('unpairDevice', [device.id], 'core.hypercore', 'bob'), /no such device/)
  await assert.rejects(home.call('pairDevice', [{ label: 'a\nb' }]), /one line/)
  await home.call('unpairDevice', [device.id])
})

test('the command line names the person for whom it acts, and no other caller can', async () => {
  const asAlice = { asUser: 'alice' }
  const device = await home.call('pairDevice', [{ label: 'Phone' }, asAlice], 'system', 'system')
  assert.deepEqual((await home.call('devices')).map(({ label }) => label), ['Phone'])
  assert.equal((await home.call('devices', [asAlice], 'system', 'system')).length, 1)
  await assert.rejects(home.call('devices', [], 'system', 'system'), /only a person/)
  await assert.rejects(home.call('devices', [{ asUser: 'system' }], 'system', 'system'), /key of a user/)
  for (const [service, user] of [['app', 'alice'], ['core.other', 'system'], ['system', 'bob']]) {
    await assert.rejects(home.call('devices', [asAlice], service, user), /only a person/)
  }
  assert.deepEqual(await home.call('devices', [asAlice], 'core.hypercore', 'bob'), [])
  await home.call('unpairDevice', [device.id, asAlice], 'system', 'system')
  assert.deepEqual(await home.call('devices'), [])
})

test('a device is let in after a restart of the service', async t => {
  const device = await home.call('pairDevice', [{}])
  await home.restart()
  const { made, port } = await tunnel(t, device.link)
  await until(() => made.check().then(() => true, () => false))
  assert.equal(await get(port, '/', { headers: { host: 'x' } }), 'x / 0')
  await home.call('unpairDevice', [device.id])
})

test('a connection that Holesail makes is a paired device', async t => {
  // What its client does: the key pair of the seed at both ends, one connection for each of TCP, no framing.
  const device = await home.call('pairDevice', [{}])
  const keyPair = HyperDHT.keyPair(seedOf(device.link))
  const node = testnet.createNode()
  t.after(() => node.destroy())
  const attempt = () => new Promise(resolve => {
    const connection = node.connect(keyPair.publicKey, { reusableSocket: true, keyPair })
    connection.once('open', () => resolve(connection))
    connection.once('error', () => resolve(null))
  })
  const connection = await until(attempt)
  connection.write('GET /phone HTTP/1.1\r\nHost: localhost:8989\r\nConnection: close\r\n\r\n')
  let heard = ''
  connection.on('data', data => { heard += data })
  await new Promise(resolve => connection.once('end', resolve))
  connection.end()
  assert.ok(heard.startsWith('HTTP/1.1 200') && heard.includes('localhost:8989 /phone 0'), heard)
  await home.call('unpairDevice', [device.id])
})

test('a flood of connections is bounded', async t => {
  const device = await home.call('pairDevice', [{}])
  const { made, port } = await tunnel(t, device.link)
  await until(() => made.check().then(() => true, () => false))
  const sockets = Array.from({ length: 200 }, () => net.connect(port, '127.0.0.1').on('error', () => {}))
  await until(async () => (await home.call('devices')).find(({ id }) => id === device.id).connections >= 100)
  const [{ connections }] = await home.call('devices')
  assert.ok(connections <= 128, connections)
  for (const socket of sockets) socket.destroy()
  await until(async () => (await home.call('devices'))[0].connections === 0)
  assert.equal(await get(port, '/', { headers: { host: 'x' } }), 'x / 0')
  await home.call('unpairDevice', [device.id])
})
