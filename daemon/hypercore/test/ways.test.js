// The host of one home reaches the pages of another one, by the link of a device that was paired there.

import assert from 'node:assert/strict'
import http from 'node:http'
import { after, before, test } from 'node:test'
import createTestnet from 'hyperdht/testnet.js'
import { Home, until } from './home.js'

let testnet, berta, anna, pages

before(async () => {
  testnet = await createTestnet(3)
  pages = http.createServer(async (request, response) => {
    let bytes = 0
    for await (const part of request) bytes += part.length
    response.end(`${request.url} ${bytes}`)
  })
  await new Promise(resolve => pages.listen(0, '127.0.0.1', resolve))
  berta = await Home.open({ bootstrap: testnet.bootstrap, database: false, pages: pages.address().port })
  anna = await Home.open({ bootstrap: testnet.bootstrap, database: false })
})
after(async () => {
  await anna.close()
  await berta.close()
  pages.close()
  pages.closeAllConnections()
  await testnet.destroy()
})

/** What the service answers to a caller: a connection, or why there is none. */
const way = (link, user = 'system', service = 'system') => new Promise((resolve, reject) => {
  const headers = { connection: 'upgrade', upgrade: 'atek-way', 'atek-auth-user': user, 'atek-auth-service': service, ...(link && { 'atek-link': link }) }
  const asked = http.request({ socketPath: anna.env.ATEK_ASSIGNED_SOCKET_FILE, path: '/_api/hypercore/way', headers, agent: false })
  asked.on('upgrade', (answer, socket) => resolve({ socket }))
  asked.on('response', answer => {
    answer.resume()
    resolve({ status: answer.statusCode, error: answer.headers['atek-error'] })
  })
  asked.on('error', reject)
  asked.end()
})

const post = (socket, body) => new Promise((resolve, reject) => {
  const request = http.request({ createConnection: () => socket, path: '/up', method: 'POST', headers: { host: 'localhost', connection: 'close', 'content-length': body.length } }, async response => {
    let text = ''
    for await (const part of response) text += part
    resolve(text)
  })
  request.on('error', reject)
  request.end(body)
})

test('the host comes to the other home until its device is removed there', async () => {
  const device = await berta.call('pairDevice', [{ label: 'backups of anna' }])
  const opened = await until(async () => {
    const { socket } = await way(device.link)
    return socket
  })
  assert.equal(await post(opened, Buffer.alloc(8 << 20, 'x')), `/up ${8 << 20}`)
  // A sleeping service would end what is under way: it is awake for as long as that.
  const second = await way(device.link)
  assert.equal(await until(() => anna.awake), true)
  second.socket.destroy()
  await until(() => anna.awake === false)
  await berta.call('unpairDevice', [device.id])
  const gone = await way(device.link)
  assert.equal(gone.status, 502)
  assert.match(gone.error, /the other home is not reached/)
})

test('no app and no person has such a way, and no other text is a link', async () => {
  const link = `hs://s000${'y'.repeat(52)}`
  for (const [user, service] of [['alice', 'app'], ['alice', 'core.hypercore'], ['system', 'app']]) {
    assert.equal((await way(link, user, service)).status, 404)
  }
  for (const wrong of [null, 'hs://s000', 'http://localhost', `hs://s000${'y'.repeat(51)}`]) {
    const refused = await way(wrong)
    assert.equal(refused.status, 502)
    assert.match(refused.error, /not the link of a device/)
  }
})
