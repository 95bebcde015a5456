import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import crypto from 'hypercore-crypto'
import HyperDHT from 'hyperdht'
import createTestnet from 'hyperdht/testnet.js'
import z32 from 'z32'
import { Line } from '../src/line.js'
import { keyPairOf } from '../src/lines.js'
import * as seeds from '../src/seed.js'
import { Home, until } from './home.js'

const API = 'example.test/feed-api'
const PERSON = 'core.hypercore'
let testnet, one, two

before(async () => {
  testnet = await createTestnet(3)
  one = await Home.open({ bootstrap: testnet.bootstrap, database: false })
  two = await Home.open({ bootstrap: testnet.bootstrap, database: false })
})
after(async () => {
  await one.close()
  await two.close()
  await testnet.destroy()
})

const bob = (method, params) => two.call(method, params, PERSON, 'bob')
const ofBob = (api, method, params) => two.remote(alice.key, api, method, params, 'app', 'bob')
const only = async home => (home === one ? await one.call('contacts') : await bob('contacts'))[0]
const becomes = (home, status) => until(async () => {
  const contact = await only(home)
  return contact?.status === status && contact
})
let alice

test('two people become contacts by a link, confirmed by both', async () => {
  const invitation = await one.call('inviteContact', [{ label: 'Bob', name: 'Alice' }])
  assert.match(invitation.link, /^atek:\/\/person\/\w{52}$/)
  assert.equal((await one.call('invitations'))[0].link, undefined)
  await bob('addContact', [invitation.link, { name: 'Robert' }])
  const asks = await becomes(one, 'asks')
  assert.deepEqual([asks.label, asks.theirName], ['Bob', 'Robert'])
  alice = await becomes(two, 'waiting')
  assert.equal(alice.label, 'Alice')
  assert.equal(alice.key, (await one.call('identity')).key)
  // Both see the same number, and no call goes before Alice has confirmed.
  assert.equal(asks.number, alice.number)
  await assert.rejects(ofBob(API, 'hello', []), /not confirmed by both/)
  await one.call('confirmContact', [asks.id])
  await becomes(two, 'confirmed')
  await becomes(one, 'confirmed')
  // The link is used up for all others, and its maker sees it until it is cancelled or runs out.
  await one.call('addContact', [invitation.link], PERSON, 'eve')
  await until(async () => /used by another person/.test((await one.call('contacts', [], PERSON, 'eve'))[0].error))
  await one.call('removeContact', [(await one.call('contacts', [], PERSON, 'eve'))[0].id], PERSON, 'eve')
})

test('an app calls an app of the other home, which hears whose key it is, as long as its owner lets it', async () => {
  const heard = []
  one.app = call => { heard.push(call); return { echo: call.params } }
  await assert.rejects(ofBob(API, 'hello', [1]), /does not let you call/)
  const { id } = await only(one)
  await one.call('allowContact', [id, API])
  assert.deepEqual(await ofBob(API, 'hello', [1]), { echo: [1] })
  assert.equal(heard.length, 1)
  const { key } = await bob('identity')
  assert.deepEqual([heard[0].api, heard[0].method, heard[0].user, heard[0].contact], [API, 'hello', 'alice', key])
  // Another API and the host's own stay closed.
  await assert.rejects(ofBob('example.test/other-api', 'hello', []), /does not let you call/)
  await assert.rejects(one.call('allowContact', [id, 'atek.cloud/adb-api']), /API of an app/)
  // An error of the app comes as it is.
  one.app = () => { throw Object.assign(new Error('no such post'), { code: -7 }) }
  await assert.rejects(ofBob(API, 'hello', []), { code: -7, message: 'no such post' })
  // By the other direction nothing is allowed.
  await assert.rejects(one.remote(key, API, 'hello', []), /does not let you call/)
})

test('a permission that is taken back ends what is under way, within a second', async () => {
  let began
  const running = new Promise(resolve => { began = resolve })
  one.app = async call => { began(); await call.gone; return 'too late' }
  const { id } = await only(one)
  const call = ofBob(API, 'wait', [])
  const refused = assert.rejects(call, /permission was taken back/)
  await running
  const begin = Date.now()
  await one.call('denyContact', [id, API])
  await refused
  assert.ok(Date.now() - begin < 1000, `${Date.now() - begin} ms`)
  await assert.rejects(ofBob(API, 'hello', []), /does not let you call/)
  await one.call('allowContact', [id, API])
})

test('contacts and permissions outlive a restart of either home', async () => {
  one.app = () => 'here'
  await one.restart()
  await two.restart()
  await until(() => ofBob(API, 'hello', []).then(said => said === 'here', () => false))
})

test('only a person sees and changes contacts; an app sees whom it can call', async () => {
  await assert.rejects(one.call('inviteContact', [], 'app'), /only a person/)
  await assert.rejects(one.call('allowContact', [(await only(one)).id, API], 'app'), /only a person/)
  await assert.rejects(one.call('removeContact', [(await only(one)).id], PERSON, 'eve'), /no such contact/)
  assert.deepEqual(await one.call('contacts', [], PERSON, 'eve'), [])
  const seen = await one.call('contacts', [], 'app')
  assert.deepEqual(Object.keys(seen[0]).sort(), ['connected', 'key', 'label'])
  await assert.rejects(one.call('addContact', ['atek://person/y'], PERSON), /begins with atek/)
})

/** A node of a stranger, and a connection of it to a person of the first home. */
async function stranger (t, keyPair = HyperDHT.keyPair(), remote = undefined) {
  const dht = testnet.createNode()
  t.after(() => dht.destroy({ force: true }))
  const { key } = await one.call('identity')
  const stream = dht.connect(remote ?? Buffer.from(key, 'hex'), { keyPair })
  stream.on('error', () => {})
  const opened = await new Promise(resolve => {
    stream.once('open', () => resolve(true))
    stream.once('close', () => resolve(false))
  })
  return { stream, opened }
}

/** The line of Bob's key, held by an attacker. */
async function asBob (t) {
  const seed = seeds.stored(two.env.STATE_DIRECTORY)
  const { stream, opened } = await stranger(t, keyPairOf(seed, 'bob'))
  assert.ok(opened)
  const line = new Line(stream, { answer: async () => null, onclose: () => {} })
  return line
}

test('a stranger is not let in, and an invitation needs a proven key', async t => {
  assert.equal((await stranger(t)).opened, false)
  const { link, id } = await one.call('inviteContact')
  const pair = HyperDHT.keyPair(Buffer.from(z32.decode(link.slice('atek://person/'.length))).subarray(0, 32))
  assert.equal((await stranger(t, HyperDHT.keyPair(), pair.publicKey)).opened, false)
  // With the link, but with the key of another person.
  const { stream } = await stranger(t, pair, pair.publicKey)
  const line = new Line(stream, { answer: async () => null, onclose: () => {} })
  const mallory = HyperDHT.keyPair()
  const { key } = await bob('identity')
  const signature = crypto.sign(stream.handshakeHash, mallory.secretKey).toString('hex')
  const before = (await one.call('contacts')).length
  for (const said of [{ key, signature }, { key }, { key: 'x', signature }, null, [], { key: mallory.publicKey.toString('hex'), signature, name: 'M' }]) {
    await assert.rejects(line.request('meet', said), /not proven|must be/)
  }
  assert.equal((await one.call('contacts')).length, before)
  await one.call('cancelInvitation', [id])
  assert.equal((await stranger(t, pair, pair.publicKey)).opened, false)
})

test('garbage, floods and giants of a contact end its line, and no other', async t => {
  one.app = () => 'here'
  for (const hostile of [
    line => line.messages.send(Buffer.from('not JSON')),
    line => line.messages.send(Buffer.from('[]')),
    line => line.messages.send(Buffer.from('{"method":"call"}')),
    line => line.messages.send(Buffer.alloc((1 << 20) + 4096, 32)),
    line => { for (let id = 0; id < 2000; id++) line.messages.send(Buffer.from(JSON.stringify({ id, method: 'call', params: {} }))) },
    line => { for (let id = 0; id < 2000; id++) line.messages.send(Buffer.from(JSON.stringify({ id, result: 1 }))) },
    line => line.stream.write(Buffer.alloc(100_000, 0xff)),
    // A channel after the other.
    line => { for (let n = 0; n < 100_000 && !line.closed; n++) line.mux.createChannel({ protocol: `x${n}` })?.open() }
  ]) {
    const line = await asBob(t)
    const ended = new Promise(resolve => line.stream.once('close', resolve))
    hostile(line)
    if (!hostile.toString().includes('createChannel')) await ended
    else line.stream.destroy()
  }
  for (const params of [{}, { api: API }, { api: API, method: 7 }, { api: '../../x', method: 'x' }, { api: 'atek.cloud/adb-api', method: 'x' }, { api: API, method: 'x', params: 'text' }]) {
    const line = await asBob(t)
    await assert.rejects(line.request('call', params))
    await assert.rejects(line.request('shutdown', params), /no such method/)
    line.close()
  }
  await until(() => ofBob(API, 'hello', []).then(said => said === 'here', () => false))
})

test('a contact that stalls holds no more than its own calls', async t => {
  const line = await asBob(t)
  one.app = call => call.method === 'wait' ? call.gone.then(() => null) : 'here'
  const waiting = Array.from({ length: 16 }, () => line.request('call', { api: API, method: 'wait' }).catch(error => error))
  await until(async () => (await only(one)).calls > 0)
  line.close()
  assert.equal((await Promise.all(waiting)).length, 16)
  await until(() => ofBob(API, 'hello', []).then(said => said === 'here', () => false))
})

test('a contact that asks and does not read the answers is cut off before they fill the memory', async t => {
  const line = await asBob(t)
  one.app = () => 'x'.repeat(900_000)
  line.stream.pause()
  const ended = new Promise(resolve => line.stream.once('close', resolve))
  let asked = 0
  for (; asked < 80 && !line.stream.destroyed; asked++) {
    line.messages.send(Buffer.from(JSON.stringify({ id: asked, method: 'call', params: { api: API, method: 'hello', params: ['x'.repeat(900_000)] } })))
    await new Promise(resolve => setTimeout(resolve, 50))
  }
  await ended
  assert.ok(asked > 16, `cut off after ${asked} calls`)
  one.app = () => 'here'
  await until(() => ofBob(API, 'hello', []).then(said => said === 'here', () => false))
})

test('a removed contact is cut off at once and stays out', async t => {
  const line = await asBob(t)
  const ended = new Promise(resolve => line.stream.once('close', resolve))
  await one.call('removeContact', [(await only(one)).id])
  await ended
  assert.equal((await stranger(t, keyPairOf(seeds.stored(two.env.STATE_DIRECTORY), 'bob'))).opened, false)
  await assert.rejects(ofBob(API, 'hello', []), /not reached|ended/)
  await until(() => one.awake === true)
  for (const { id } of await one.call('invitations')) await one.call('cancelInvitation', [id])
  await until(() => one.awake === false)
})
