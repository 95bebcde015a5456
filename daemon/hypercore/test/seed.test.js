// Where the keys come from: the key service of the box, by the host; and a seed of its own on a box that has no words.

import assert from 'node:assert/strict'
import fs from 'node:fs'
import path from 'node:path'
import { after, before, test } from 'node:test'
import createTestnet from 'hyperdht/testnet.js'
import { start } from '../src/service.js'
import { Home } from './home.js'

const [WORDS, OTHER] = ['a7'.repeat(32), 'b8'.repeat(32)]
let testnet

before(async () => { testnet = await createTestnet(1) })
after(() => testnet.destroy())

const open = seed => Home.open({ bootstrap: testnet.bootstrap, database: false, seed })
const identity = home => home.call('identity').then(({ key }) => key)
const files = home => fs.readdirSync(home.env.STATE_DIRECTORY)
const holds = (folder, bytes) => fs.readdirSync(folder, { recursive: true, withFileTypes: true }).filter(entry => entry.isFile())
  .some(entry => fs.readFileSync(path.join(entry.parentPath, entry.name)).includes(bytes))

test('a box that is restored by its words has the keys that other homes know', async t => {
  const one = await open(WORDS)
  t.after(() => one.close())
  const key = await identity(one)
  const { key: core } = await one.call('createCore', ['log'], 'notes')
  // It is stored nowhere, in no form.
  assert.equal(files(one).includes('seed'), false)
  for (const form of [Buffer.from(WORDS, 'hex'), WORDS]) assert.equal(holds(one.env.STATE_DIRECTORY, form), false)
  await one.restart()
  assert.equal(await identity(one), key)

  const restored = await open(WORDS)
  t.after(() => restored.close())
  assert.equal(await identity(restored), key)
  assert.equal((await restored.call('createCore', ['log'], 'notes')).key, core)
  const stranger = await open(OTHER)
  t.after(() => stranger.close())
  assert.notEqual(await identity(stranger), key)
})

test('a box that had a seed of its own keeps it when it gets words', async t => {
  const home = await open(null)
  t.after(() => home.close())
  const key = await identity(home)
  assert.ok(files(home).includes('seed'))
  home.seed = WORDS
  await home.restart()
  assert.equal(await identity(home), key)
})

test('other words than those of the keys here are refused, and a host that does not tell is asked again', async t => {
  const home = await open(WORDS)
  t.after(() => home.close())
  const key = await identity(home)
  for (const seed of [OTHER, null, 'a7']) {
    await home.service.close()
    home.seed = seed
    await assert.rejects(start(home.env), /not those that|must have 32 bytes/)
  }
  home.seed = undefined
  const later = start(home.env)
  await new Promise(resolve => { const { services } = home; home.services = (request, response) => { home.services = services; home.seed = WORDS; response.writeHead(502).end('no'); resolve() } })
  home.service = await later
  assert.equal(await identity(home), key)
  assert.equal(files(home).includes('seed'), false)
})
