// What the service needs in memory when it has nothing to do, as a process of its own with the environment that the host gives it.

import assert from 'node:assert/strict'
import fs from 'node:fs'
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import createTestnet from 'hyperdht/testnet.js'
import { Home, noDatabase, peer, until } from './home.js'

const MAIN = fileURLToPath(new URL('../main.js', import.meta.url))
const MOST = 100 << 20
const RECORDS = 5000
const DATABASES = 100
const PEERS = 50
const options = { skip: noDatabase }

async function separate (t, bootstrap) {
  const home = await Home.open({ bootstrap })
  await home.service.close()
  const child = spawn(process.execPath, [MAIN], { env: { ...process.env, MALLOC_ARENA_MAX: '2', NODE_OPTIONS: '--max-semi-space-size=1', ...home.env }, stdio: ['ignore', 'ignore', 'inherit'] })
  home.child = child
  t.after(async () => {
    if (child.exitCode === null) {
      const ended = new Promise(resolve => child.once('exit', resolve))
      child.kill('SIGKILL')
      await ended
    }
    await home.close()
  })
  await until(() => home.call('status').then(() => true, () => false))
  return home
}

async function fill (home, dbId, count) {
  for (let at = 0; at < count; at += 500) {
    const operations = Array.from({ length: Math.min(500, count - at) }, (_, n) => ({ type: 'put', path: `/r/${at + n}`, value: { n: at + n, text: 'x'.repeat(100) } }))
    await home.adb('recordBatch', [dbId, operations])
  }
}

/** Bytes that it had at the most since its start. */
const most = home => Number(/VmHWM:\s+(\d+)/.exec(fs.readFileSync(`/proc/${home.child.pid}/status`, 'utf8'))[1]) * 1024

/** It collects what it does not need when it has nothing to do (src/memory.js). */
async function settles (home, what) {
  let memory
  const isSmall = async () => { ({ memory } = await home.call('status')); return memory < MOST }
  await until(isSmall, 60_000, 1000).catch(() => {})
  assert.ok(memory < MOST, `${what}: ${memory >> 20} MiB`)
  console.log(`${what}: ${memory >> 20} MiB`)
}

test('a home that shares 5,000 records and one that follows them need less than 100 MiB', options, async t => {
  const testnet = await createTestnet(3)
  t.after(() => testnet.destroy())
  const [one, two] = [await separate(t, testnet.bootstrap), await separate(t, testnet.bootstrap)]
  const { dbId } = await one.adb('dbCreate', [{ replicated: true }])
  await fill(one, dbId, RECORDS)
  const { link } = await one.call('share', [dbId])
  const copy = await two.call('follow', [link])
  const last = await until(() => two.adb('recordGet', [copy.dbId, `/r/${RECORDS - 1}`]).catch(() => null))
  assert.equal(last.value.n, RECORDS - 1)
  for (const [home, what] of [[one, 'shares'], [two, 'follows']]) {
    assert.ok(most(home) < MOST, `${what}: at most ${most(home) >> 20} MiB`)
    console.log(`${what}: at most ${most(home) >> 20} MiB`)
    await settles(home, what)
  }
})

test('a home with 100 shared databases and 50 homes that have them needs less than 100 MiB', options, async t => {
  const testnet = await createTestnet(3)
  t.after(() => testnet.destroy())
  const home = await separate(t, testnet.bootstrap)
  const keys = []
  for (let n = 0; n < DATABASES; n++) {
    const { dbId } = await home.adb('dbCreate', [{ access: 'public' }])
    await fill(home, dbId, 20)
    keys.push((await home.call('share', [dbId, { access: 'public' }])).key)
  }
  await until(async () => (await home.call('shares')).every(({ length }) => length > 20))
  const role = { server: false, client: true }
  const cores = []
  for (let at = 0; at < PEERS; at++) {
    const { store, swarm } = peer(t, testnet)
    for (const key of [keys[at], keys[at + PEERS]]) {
      const core = store.get({ key: Buffer.from(key, 'hex') })
      await core.ready()
      core.download({ start: 0, end: -1 })
      cores.push({ core, discovery: swarm.join(core.discoveryKey, role) })
    }
  }
  const isHere = ({ core }) => core.contiguousLength > 20
  await until(async () => {
    await Promise.allSettled(cores.filter(one => !isHere(one)).map(({ discovery }) => discovery.refresh(role)))
    return cores.every(isHere)
  }, undefined, 200)
  assert.equal((await home.call('status')).peers, PEERS)
  console.log(`at most ${most(home) >> 20} MiB until then`)
  await settles(home, `${DATABASES} databases, ${PEERS} homes`)
})

test('what fails outside of any promise while the service ends does not keep it from ending in order', async t => {
  const home = await Home.open({ bootstrap: [], database: false })
  await home.service.close()
  // As HyperDHT does with a question that is open when its node ends.
  const fails = "process.on('SIGTERM', () => setImmediate(() => Promise.reject(Object.assign(new Error('Request destroyed'), { code: 'REQUEST_DESTROYED' }))))"
  const child = spawn(process.execPath, ['--import', `data:text/javascript,${encodeURIComponent(fails)}`, MAIN], { env: { ...process.env, ...home.env }, stdio: ['ignore', 'ignore', 'ignore'] })
  t.after(() => home.close())
  await until(() => home.call('status').then(() => true, () => false))
  const ended = new Promise(resolve => child.once('exit', (...how) => resolve(how)))
  child.kill('SIGTERM')
  assert.deepEqual(await ended, [0, null])
})
