// A kill between what the database does and what this service stores leaves no database that nothing knows.

import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import createTestnet from 'hyperdht/testnet.js'
import Hyperbee from 'hyperbee'
import { Home, noDatabase, peer } from './home.js'

const options = { skip: noDatabase }

async function scene (t) {
  const testnet = await createTestnet(3)
  const home = await Home.open({ bootstrap: testnet.bootstrap })
  t.after(async () => {
    await home.close()
    await testnet.destroy()
  })
  const { store, swarm } = peer(t, testnet)
  const core = store.get({ name: 'log' })
  await new Hyperbee(core, { keyEncoding: 'utf-8', valueEncoding: 'json' }).put('/a', { n: 1 })
  await swarm.join(core.discoveryKey, { server: true, client: false }).flushed()
  const key = core.key.toString('hex')
  const config = { owner: { userKey: 'alice', serviceKey: 'core.adb' }, follows: key }
  return { home, key, config }
}

const copies = home => home.adb('dbList').then(list => list.filter(({ follows }) => follows).map(({ dbId }) => dbId))
const asService = (home, method, params) => home.adb(method, params, 'core.hypercore', 'system')

/** Starts the service with what a kill had left in its state. */
async function restartWith (home, copies) {
  await home.service.close()
  const file = path.join(home.env.STATE_DIRECTORY, 'state.json')
  const state = fs.existsSync(file) ? JSON.parse(fs.readFileSync(file, 'utf8')) : {}
  fs.writeFileSync(file, JSON.stringify({ ...state, copies }))
  await home.restart()
}

test('a copy that was being made is gone after the next start, and one that is followed stays', options, async t => {
  const { home, key, config } = await scene(t)
  // Killed before the database was asked, and after it had answered.
  await restartWith(home, [{ make: config }])
  assert.deepEqual(await copies(home), [])
  const { dbId } = await asService(home, 'adminCreateDb', [config])
  assert.deepEqual(await copies(home), [dbId])
  await restartWith(home, [{ make: config }])
  assert.deepEqual(await copies(home), [])
  const follow = await home.call('follow', [key])
  await restartWith(home, [{ make: config }])
  assert.deepEqual(await copies(home), [follow.dbId])
})

test('a copy that was being removed or left to its owner is so after the next start', options, async t => {
  const { home, config } = await scene(t)
  const { dbId } = await asService(home, 'adminCreateDb', [config])
  await restartWith(home, [{ remove: dbId }])
  assert.deepEqual(await copies(home), [])
  await restartWith(home, [{ remove: dbId }])
  const { dbId: other } = await asService(home, 'adminCreateDb', [config])
  await restartWith(home, [{ remove: other, keeps: true }])
  assert.deepEqual(await copies(home), [])
  await home.adb('recordPut', [other, '/own', { n: 1 }])
})

test('who follows the same twice at once has one copy of it', options, async t => {
  const { home, key } = await scene(t)
  const [one, other] = await Promise.all([home.call('follow', [key]), home.call('follow', [key])])
  assert.equal(one.id, other.id)
  assert.deepEqual(await copies(home), [one.dbId])
  await home.call('unfollow', [one.id])
  assert.deepEqual(await copies(home), [])
  const { dbId } = await home.call('follow', [key])
  await home.call('unfollow', [dbId, { keep: true }])
  await home.adb('recordPut', [dbId, '/own', { n: 1 }])
})
