// An attacker on the way records everything that passes between homes and devices, down to the packets, and sends it again: at once,
// after a restart, and after the device and the contact were removed. In a network namespace of its own, which needs root.

import assert from 'node:assert/strict'
import dgram from 'node:dgram'
import fs from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import os from 'node:os'
import path from 'node:path'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import HyperDHT from 'hyperdht'
import createTestnet from 'hyperdht/testnet.js'
import z32 from 'z32'
import { Tunnel } from '../clients/connect/index.js'
import { Line } from '../src/line.js'
import { Home, noDatabase, until } from './home.js'

const API = 'example.test/orders-api'
const WIRE = fileURLToPath(new URL('../../../tests/homes/wire.py', import.meta.url))
const canUnshare = process.getuid() === 0 && spawnSync('unshare', ['--net', 'python3', '--version']).status === 0
const skip = noDatabase || (!canUnshare && 'a network namespace needs root, and Python for packets as they are')

/** Records until `end`; `again` sends it once more. */
async function recorder () {
  const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'atek-wire-')), 'packets')
  const child = spawn('python3', [WIRE, 'record', 'lo', file], { stdio: ['pipe', 'pipe', 'inherit'] })
  await new Promise(resolve => child.stdout.once('data', resolve))
  return {
    end: () => new Promise(resolve => { child.once('exit', resolve); child.stdin.end() }),
    again: () => new Promise((resolve, reject) => spawn('python3', [WIRE, 'replay', 'lo', file], { stdio: 'inherit' }).once('exit', code => code === 0 ? resolve() : reject(new Error(`replay ended with ${code}`)))),
    size: () => fs.statSync(file).size
  }
}

if (process.env.ATEK_REPLAY) {
  test('what was recorded of a device, of contacts and of databases is of no use', async t => {
    execFileSync('ip', ['link', 'set', 'lo', 'up'])
    // What comes from outside may say that it is from here.
    for (const name of ['route_localnet', 'accept_local']) fs.writeFileSync(`/proc/sys/net/ipv4/conf/lo/${name}`, '1')
    const orders = []
    const pages = http.createServer(async (request, response) => {
      let text = ''
      for await (const part of request) text += part
      orders.push(`${request.method} ${request.url} ${text}`)
      response.end('ordered')
    })
    await new Promise(resolve => pages.listen(0, '127.0.0.1', resolve))
    const testnet = await createTestnet(3)
    const { bootstrap } = testnet
    const [one, two] = [await Home.open({ bootstrap, pages: pages.address().port }), await Home.open({ bootstrap })]
    // Shows that what is sent again arrives.
    let heard = 0
    const control = dgram.createSocket('udp4').on('message', () => { heard++ })
    await new Promise(resolve => control.bind(0, '127.0.0.1', resolve))
    const device = await one.call('pairDevice', [{}])
    const tunnel = new Tunnel(device.link, { bootstrap })
    t.after(async () => {
      await tunnel.close()
      control.close()
      pages.close()
      pages.closeAllConnections()
      for (const home of [one, two]) await home.close()
      await testnet.destroy()
    })
    const port = await tunnel.listen(0)
    const order = text => new Promise((resolve, reject) => {
      const request = http.request({ port, host: '127.0.0.1', agent: false, method: 'POST', path: '/order' }, response => response.resume().once('end', resolve))
      request.once('error', reject)
      request.end(text)
    })
    const calls = []
    one.app = ({ params }) => { calls.push(params[0]); return 'ordered' }

    const recorded = await recorder()
    await order('one pizza')
    const { link } = await one.call('inviteContact')
    await two.call('addContact', [link])
    const asks = await until(async () => (await one.call('contacts')).find(({ status }) => status === 'asks'))
    await one.call('confirmContact', [asks.id])
    const { key } = await until(async () => { const [contact] = await two.call('contacts'); return contact.status === 'confirmed' && contact })
    await one.call('allowContact', [asks.id, API])
    await two.remote(key, API, 'order', ['two pizzas'])
    const { id, dbId } = await one.call('createShared')
    await one.call('inviteWriter', [id, asks.key])
    await until(async () => (await two.call('sharedDatabases')).length)
    await two.call('joinShared', [id])
    const record = () => one.adb('recordGet', [dbId, '/mine']).then(({ value }) => value.n, () => null)
    for (const n of [1, 2]) {
      await two.call('sharedPut', [id, '/mine', { n }])
      await until(async () => (await record()) === n)
    }
    control.send('control', control.address().port, '127.0.0.1')
    await until(() => heard === 1)
    await recorded.end()

    // A connection of the device that is open at that time goes on.
    const open = net.connect(port, '127.0.0.1')
    open.write('POST /order HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nco')
    await until(async () => (await one.call('devices'))[0].connections > 0)
    const expected = { orders: ['POST /order one pizza'], calls: ['two pizzas'] }
    const unchanged = async () => {
      assert.deepEqual({ orders, calls }, expected)
      assert.equal(await record(), 2)
      assert.equal((await one.call('invitations')).length, 1)
    }
    const again = async () => {
      const before = heard
      await recorded.again()
      await until(() => heard > before)
      await unchanged()
    }
    await again()
    const answered = new Promise(resolve => open.once('data', resolve))
    open.write('ke')
    assert.match((await answered).toString(), /200 OK/)
    open.destroy()
    expected.orders.push('POST /order coke')
    // What is meant is done once more.
    await order('a beer')
    await two.remote(key, API, 'order', ['a wine'])
    expected.orders.push('POST /order a beer')
    expected.calls.push('a wine')
    await unchanged()

    await one.restart()
    await two.restart()
    await again()
    await unchanged()
    // Packets of before lead nodes of the DHT to the address of before, until the home announces itself again: every five minutes, or
    // when it starts. Who can send them could as well keep those of now back.
    await one.restart()
    await until(() => two.remote(key, API, 'order', ['bread']).then(() => true, () => false))
    expected.calls.push('bread')
    await until(() => order('milk').then(() => true, () => false))
    expected.orders.push('POST /order milk')
    await unchanged()

    await one.call('unpairDevice', [device.id])
    await one.call('removeContact', [asks.id])
    await again()
    assert.deepEqual(await one.call('devices'), [])
    assert.deepEqual(await one.call('contacts'), [])
    await assert.rejects(order('nothing'))
    await assert.rejects(two.remote(key, API, 'order', ['nothing']))
    await unchanged()
    console.log(`${recorded.size()} bytes of packets, sent again three times: nothing was done twice`)
  })

  test('the word by which a person proves a key at one home is refused at another', async t => {
    const testnet = await createTestnet(3)
    const { bootstrap } = testnet
    const homes = [await Home.open({ bootstrap, database: false }), await Home.open({ bootstrap, database: false })]
    const [alice, bob] = homes
    const node = testnet.createNode()
    t.after(async () => {
      await node.destroy({ force: true })
      for (const home of homes) await home.close()
      await testnet.destroy()
    })
    // Mallory invites Bob, and keeps what he says.
    const pair = HyperDHT.keyPair()
    const seed = pair.secretKey.subarray(0, 32)
    const said = new Promise(resolve => {
      const server = node.createServer(stream => new Line(stream, { answer: async (line, method, params) => { resolve(params); return null }, onclose: () => {} }))
      server.listen(pair)
    })
    await bob.call('addContact', [`atek://person/${z32.encode(seed)}`])
    const word = await said
    assert.equal(word.key, (await bob.call('identity')).key)
    // She has a link of Alice's, too, and says Bob's word there.
    const { link } = await alice.call('inviteContact')
    const invited = HyperDHT.keyPair(Buffer.from(z32.decode(link.slice('atek://person/'.length))).subarray(0, 32))
    const line = await until(async () => {
      const stream = node.connect(invited.publicKey, { keyPair: invited })
      stream.on('error', () => {})
      const opened = await new Promise(resolve => stream.once('open', () => resolve(true)).once('close', () => resolve(false)))
      return opened && new Line(stream, { answer: async () => null, onclose: () => {} })
    })
    await assert.rejects(line.request('meet', word), /not proven/)
    assert.deepEqual(await alice.call('contacts'), [])
    line.close()
  })
} else {
  test('replay, in a network of its own', { skip }, () => {
    const run = spawnSync('unshare', ['--net', process.execPath, '--test', '--test-force-exit', '--test-reporter=tap', fileURLToPath(import.meta.url)], {
      env: { ...process.env, ATEK_REPLAY: '1', NODE_TEST_CONTEXT: undefined }, encoding: 'utf8', timeout: 400_000
    })
    console.log(run.stdout)
    assert.equal(run.status, 0, run.stdout + run.stderr)
  })
}
