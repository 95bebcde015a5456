import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import createTestnet from 'hyperdht/testnet.js'
import { Home, meet, peer, until } from './home.js'

const text = block => Buffer.from(block, 'base64').toString()
const block = text => Buffer.from(text).toString('base64')
let testnet, home

before(async () => {
  testnet = await createTestnet(3)
  home = await Home.open({ bootstrap: testnet.bootstrap, database: false })
})
after(async () => {
  await home.close()
  await testnet.destroy()
})

test('nothing is on the network before something is shared', async () => {
  assert.deepEqual(await home.call('status').then(({ online, peers }) => ({ online, peers })), { online: false, peers: 0 })
})

test('an app makes a core, appends, reads, truncates and clears', async () => {
  const call = (method, ...params) => home.call(method, params, 'notes')
  const made = await call('createCore', 'log')
  assert.equal(made.length, 0)
  assert.deepEqual(await call('append', 'log', ['a', 'b', 'c'].map(block)), { length: 3 })
  assert.equal(text(await call('get', 'log', 1)), 'b')
  const range = await call('range', { key: made.key }, { start: 1 })
  assert.deepEqual(range.blocks.map(text), ['b', 'c'])
  assert.equal((await call('truncate', 'log', 2)).length, 2)
  await call('clear', 'log', 0, 1)
  await assert.rejects(call('get', 'log', 0, { timeout: 0 }), /not here/)
  assert.equal((await call('info', 'log')).byteLength, 2)
})

test('the same name of two apps is two cores', async () => {
  const [one, two] = await Promise.all(['one', 'two'].map(app => home.call('createCore', ['log'], app)))
  assert.notEqual(one.key, two.key)
})

test('bad parameters are refused with the place', async () => {
  for (const [method, params, words] of [
    ['createCore', [''], /name must be a text/],
    ['createCore', ['a'.repeat(64)], /must not look like a key/],
    ['append', ['log', ['%']], /must be Base64/],
    ['append', ['log', []], /1 to 1000/],
    ['get', ['log', -1], /whole number/],
    ['get', [{ key: 'x' }, 0], /64 hexadecimal/],
    ['setReplication', ['log', 'yes'], /true or false/],
    ['follow', ['https://example.org'], /not a link/],
    ['toString', [], /Method not found/],
    ['constructor', [], /Method not found/]
  ]) await assert.rejects(home.call(method, params, 'notes'), words, `${method} ${JSON.stringify(params)}`)
})

test('an app has a quota', async () => {
  const large = Buffer.alloc(1 << 20).toString('base64')
  await assert.rejects(async () => {
    for (let call = 0; call < 100; call++) await home.call('append', ['large', [large, large, large]], 'hog')
  }, error => /may have/.test(error.message) && error.data.quota > 0)
  await home.call('truncate', ['large', 0], 'hog')
  assert.deepEqual(await home.call('append', ['large', [block('x')]], 'hog'), { length: 1 })
})

test('a core that is replicated is read by a bare hyperswarm, live, and not after it is switched off', async t => {
  const call = (method, ...params) => home.call(method, params, 'notes')
  const { key, discoveryKey } = await call('createCore', 'shared')
  await call('append', 'shared', [block('first')])
  await call('setReplication', 'shared', true)
  assert.equal(await until(() => home.awake), true)

  const { store, swarm } = peer(t, testnet)
  const core = store.get({ key: Buffer.from(key, 'hex') })
  await core.ready()
  await meet(swarm, Buffer.from(discoveryKey, 'hex'), () => core.length === 1)
  assert.equal((await core.get(0)).toString(), 'first')
  await call('append', 'shared', [block('second')])
  assert.equal((await core.get(1)).toString(), 'second')
  assert.equal((await call('peers', 'shared')).length, 1)

  // A core that its owner did not let go out is not sent, even to those who know its key: what is asked for later comes.
  const hidden = await call('createCore', 'hidden')
  await call('append', 'hidden', [block('mine')])
  const own = store.get({ key: Buffer.from(hidden.key, 'hex') })
  await own.ready()
  const asked = own.get(0, { timeout: 0 }).then(() => 'came', () => 'did not come')
  const next = async text => {
    const { length } = await call('append', 'other', [block(text)])
    assert.equal((await other.get(length - 1)).toString(), text)
  }
  const { key: otherKey, discoveryKey: otherTopic } = await call('createCore', 'other')
  await call('setReplication', 'other', true)
  const other = store.get({ key: Buffer.from(otherKey, 'hex') })
  await other.ready()
  await meet(swarm, Buffer.from(otherTopic, 'hex'), () => other.peers.length > 0)
  await next('third')
  assert.equal(own.length, 0)

  // Switched off, it is not sent either to a peer that asks for a new channel on the same connection, while it is read here.
  const reader = home.socket('follow/shared', 'notes')
  const read = []
  reader.on('message', message => read.push(message))
  await until(() => read.length === 2)
  const stale = core.get(2).then(() => 'came', () => 'did not come')
  await call('setReplication', 'shared', false)
  await until(() => core.peers.length === 0)
  for (const connection of swarm.connections) core.replicate(connection)
  await call('append', 'shared', [block('secret')])
  await until(() => read.length === 3)
  await next('fourth')
  await next('fifth')
  assert.equal(core.length, 2)
  assert.deepEqual(await call('peers', 'shared'), [])
  reader.close()
  await call('setReplication', 'other', false)
  assert.equal(await until(() => home.awake === false), true)
  await Promise.all([own.close(), core.close()])
  assert.deepEqual(await Promise.all([asked, stale]), ['did not come', 'did not come'])
})

test('what was replicated is again after a restart', async () => {
  await home.call('setReplication', ['kept', true], 'notes')
  const before = await home.call('info', ['kept'], 'notes')
  await home.restart()
  const now = await home.call('info', ['kept'], 'notes')
  assert.equal(now.key, before.key)
  assert.equal(now.replicated, true)
})

test('a core is followed as a stream, from where the reader wants', async () => {
  await home.call('append', ['stream', ['a', 'b'].map(block)], 'app')
  const socket = home.socket('follow/stream?from=1')
  const seen = []
  socket.on('message', message => seen.push(JSON.parse(message)))
  await until(() => seen.length === 1)
  await home.call('append', ['stream', [block('c')]], 'app')
  await until(() => seen.length === 2)
  assert.deepEqual(seen.map(({ index, block }) => [index, text(block)]), [[1, 'b'], [2, 'c']])
  socket.close()
})

test('a hyperspace client of 2021 is told why it is not served, and what to use', async () => {
  // What it opens is the API itself, and what it sends first is its own protocol of binary messages.
  const socket = home.socket('')
  socket.on('open', () => socket.send(Buffer.from([0, 0, 0, 1, 0])))
  const [code, reason] = await new Promise(resolve => socket.once('close', (...how) => resolve(how)))
  assert.equal(code, 4404)
  assert.match(reason.toString(), /hyperspace of 2021 is not spoken.*corestore.*@atek\/hyperswarm/)
})
