// The service as a process of its own, killed at any moment: what it acknowledged is there, and both homes agree.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import createTestnet from 'hyperdht/testnet.js'
import { Home, noDatabase, until } from './home.js'

const MAIN = fileURLToPath(new URL('../main.js', import.meta.url))
const ROUNDS = Number(process.env.KILLS ?? 8)

/** A home whose service is a process. */
async function separate (bootstrap) {
  const home = await Home.open({ bootstrap })
  await home.service.close()
  home.begin = async () => {
    home.child = spawn(process.execPath, [MAIN], { env: { ...process.env, ...home.env }, stdio: ['ignore', 'ignore', 'inherit'] })
    await until(() => home.call('status').then(() => true, () => false))
  }
  home.kill = async () => {
    const ended = new Promise(resolve => home.child.once('exit', resolve))
    home.child.kill('SIGKILL')
    await ended
  }
  await home.begin()
  return home
}

test('a service that is killed at any moment loses nothing that it acknowledged', { skip: noDatabase }, async t => {
  const testnet = await createTestnet(3)
  const homes = [await separate(testnet.bootstrap), await separate(testnet.bootstrap)]
  const [one, two] = homes
  t.after(async () => {
    for (const home of homes) { await home.kill(); await home.close() }
    await testnet.destroy()
  })
  // Killed at each step of becoming contacts and of sharing.
  const { link } = await one.call('inviteContact')
  await one.kill(); await one.begin()
  await two.call('addContact', [link])
  await two.kill(); await two.begin()
  const asks = await until(async () => (await one.call('contacts')).find(({ status }) => status === 'asks'))
  await one.kill(); await one.begin()
  await one.call('confirmContact', [asks.id])
  await one.kill(); await two.kill(); await one.begin(); await two.begin()
  const key = await until(async () => { const [contact] = await two.call('contacts'); return contact?.status === 'confirmed' && contact.key })
  const { id } = await one.call('createShared')
  const bob = await until(async () => (await one.call('contacts')).find(({ status }) => status === 'confirmed')?.key)
  await one.kill(); await one.begin()
  await one.call('inviteWriter', [id, bob])
  await one.kill(); await one.begin()
  await until(async () => (await two.call('sharedDatabases')).length)
  await two.call('joinShared', [id])
  await two.kill(); await two.begin()

  const acknowledged = new Map()
  for (let round = 0; round < ROUNDS; round++) {
    const home = homes[round % 2]
    const killed = new Promise(resolve => setTimeout(resolve, 50 + Math.random() * 600)).then(() => home.kill())
    for (let n = 0; n < 200; n++) {
      const at = `/r${round}/${n}`
      const done = await home.call('sharedPut', [id, at, { round, n }]).then(() => true, () => false)
      if (!done) break
      acknowledged.set(at, round)
    }
    await killed
    await home.begin()
  }
  assert.ok(acknowledged.size > ROUNDS, `${acknowledged.size} writes were acknowledged`)
  const list = async home => {
    const [{ dbId }] = await home.call('sharedDatabases')
    const found = new Map()
    let cursor = ''
    do {
      const page = await home.adb('recordList', [dbId, '/', { limit: 500, cursor }])
      for (const { path, value } of page.records) found.set(path, JSON.stringify(value))
      cursor = page.cursor
    } while (cursor)
    return found
  }
  await until(async () => {
    const [a, b] = await Promise.all(homes.map(list))
    return a.size === b.size && [...a].every(([path, value]) => b.get(path) === value) && [...acknowledged.keys()].every(path => a.has(path))
  })
  console.log(`${ROUNDS} kills while writing, ${acknowledged.size} acknowledged writes, all in both homes; contact ${key.slice(0, 8)}`)
})
