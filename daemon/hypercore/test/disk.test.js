// The disk is full, and has room again; and the power is cut at any moment. Each home is on a disk of its own: an ext4 file system in a
// file, which is what a power cut leaves of it. In a mount namespace of its own, which needs root.

import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import createTestnet from 'hyperdht/testnet.js'
import { Home, noDatabase, until } from './home.js'

const MAIN = fileURLToPath(new URL('../main.js', import.meta.url))
/** `ATEK_LONG=1`: the power is cut at each step, too. */
const isLong = process.env.ATEK_LONG === '1'
const CUTS = isLong ? 12 : 2
const MIB = 1 << 20
/** MiB of a disk, of which the database leaves some free for the host. */
const DISK = 400
const BOOT = '/proc/sys/kernel/random/boot_id'

const canMount = process.getuid() === 0 && spawnSync('unshare', ['--mount', 'sh', '-c', 'cd "$(mktemp -d)" && truncate -s 16M disk && mke2fs -q disk && mkdir at && mount -o loop disk at']).status === 0
const skip = noDatabase || (!canMount && 'no file can be mounted here')

/** A home on a disk of its own. */
async function onDisk (bootstrap) {
  const at = fs.mkdtempSync(path.join(os.tmpdir(), 'atek-disk-'))
  let [image, generation] = [`${at}/disk`, 0]
  const folder = `${at}/home`
  fs.mkdirSync(folder)
  execFileSync('truncate', ['-s', `${DISK}M`, image])
  execFileSync('mke2fs', ['-q', '-t', 'ext4', '-J', 'size=4', image])
  // What was not synced is not written by the kernel's own clock in the time of a test.
  const mount = () => execFileSync('mount', ['-o', 'loop,commit=600', image, folder])
  mount()
  const home = await Home.open({ bootstrap, folder })
  home.env.QUOTA = String(512 * MIB)
  await home.service.close()
  home.begin = async () => {
    home.child = spawn(process.execPath, [MAIN], { env: { ...process.env, ...home.env }, stdio: ['ignore', 'ignore', 'pipe'] })
    home.child.stderr.resume()
    await until(() => home.call('status').then(() => true, () => false))
  }
  home.kill = async () => {
    const ended = new Promise(resolve => home.child.once('exit', resolve))
    home.child.kill('SIGKILL')
    await ended
  }
  home.killDatabase = async () => {
    const ended = new Promise(resolve => home.process.once('exit', resolve))
    home.process.kill('SIGKILL')
    await ended
  }
  home.cut = async () => {
    // What the disk has at this moment, and nothing that was only in memory.
    const then = `${at}/disk-${++generation}`
    execFileSync('cp', ['--sparse=always', image, then])
    await Promise.all([home.kill(), home.killDatabase()])
    execFileSync('umount', [folder])
    fs.rmSync(image)
    image = then
  }
  home.power = async () => {
    // Another boot.
    fs.writeFileSync(`${at}/boot`, `boot ${generation}\n`)
    execFileSync('mount', ['--bind', `${at}/boot`, BOOT])
    mount()
    await home.startDatabase()
    await home.begin()
  }
  home.end = async () => {
    await home.kill()
    await home.killDatabase()
    home.service = { close: async () => {} }
    home.process = null
    home.gateway.close()
    home.gateway.closeAllConnections()
    execFileSync('umount', [folder])
    while (spawnSync('umount', ['--lazy', BOOT], { stdio: 'ignore' }).status === 0);
    fs.rmSync(at, { recursive: true, force: true })
  }
  await home.begin()
  return home
}

if (process.env.ATEK_DISK) {
  test('a disk that is full is said to be full, loses nothing, and is written again when it has room', async t => {
    const testnet = await createTestnet(3)
    const one = await onDisk(testnet.bootstrap)
    t.after(async () => {
      await one.end()
      await testnet.destroy()
    })
    const call = (method, ...params) => one.call(method, params, 'notes')
    const acknowledged = []
    const append = async text => {
      const { length } = await call('append', 'log', [Buffer.from(text).toString('base64')])
      acknowledged.push([length - 1, text])
    }
    const { id: group, dbId } = await one.call('createShared')
    await append('before')
    await one.call('sharedPut', [group, '/before', { n: 1 }])
    const device = await one.call('pairDevice', [{ label: 'Before' }])
    // Nothing is left.
    const filler = path.join(one.folder, 'filler')
    spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=1M', 'conv=fsync'])
    spawnSync('dd', ['if=/dev/zero', `of=${filler}.small`, 'bs=4k', 'conv=fsync'])
    const large = 'x'.repeat(MIB / 2)
    const refused = await until(() => append(large).then(() => null, error => error))
    const putRefused = await until(() => one.call('sharedPut', [group, '/full', { text: large }]).then(() => null, error => error))
    const pairRefused = await one.call('pairDevice', [{ label: 'Full' }]).then(() => null, error => error)
    console.log('when the disk is full:', [refused, putRefused, pairRefused].map(error => error?.message))
    for (const error of [refused, putRefused]) assert.match(error.message, /disk.*full|no room|No space/i)
    // It goes on to answer.
    await one.call('status')
    // Room again, and everything is as before and can be written.
    fs.rmSync(filler)
    fs.rmSync(`${filler}.small`)
    const begin = Date.now()
    await until(() => append('after').then(() => true, () => false))
    await until(() => one.call('sharedPut', [group, '/after', { n: 2 }]).then(() => true, () => false), undefined, 500)
    console.log(`written again ${Date.now() - begin} ms after there was room`)
    for (const [index, text] of acknowledged) assert.equal(Buffer.from(await call('get', 'log', index), 'base64').toString(), text)
    const value = path => one.adb('recordGet', [dbId, path]).then(({ value }) => value.n, () => null)
    assert.equal(await value('/before'), 1)
    assert.equal(await value('/after'), 2)
    assert.ok((await one.call('devices')).some(({ id }) => id === device.id))
    await one.kill()
    await one.begin()
    for (const [index, text] of acknowledged) assert.equal(Buffer.from(await call('get', 'log', index), 'base64').toString(), text)
  })

  test('the power of each home is cut at any moment: they agree, and nothing acknowledged is lost', async t => {
    const testnet = await createTestnet(3)
    const homes = [await onDisk(testnet.bootstrap), await onDisk(testnet.bootstrap)]
    const [one, two] = homes
    t.after(async () => {
      for (const home of homes) await home.end()
      await testnet.destroy()
    })
    const cut = async home => { await home.cut(); await home.power() }
    const cutNow = isLong ? cut : async () => {}
    const { link } = await one.call('inviteContact')
    await cutNow(one)
    await two.call('addContact', [link])
    await cutNow(two)
    const asks = await until(async () => (await one.call('contacts')).find(({ status }) => status === 'asks'))
    await one.call('confirmContact', [asks.id])
    await cutNow(one)
    await until(async () => (await two.call('contacts'))[0].status === 'confirmed')
    const { id } = await one.call('createShared')
    const bob = await until(async () => (await one.call('contacts')).find(({ status }) => status === 'confirmed')?.key)
    await one.call('inviteWriter', [id, bob])
    await until(async () => (await two.call('sharedDatabases')).length)
    await two.call('joinShared', [id])
    await cutNow(two)
    // An app's log, and a database that the other home follows, besides.
    const { dbId } = await one.adb('dbCreate', [{ replicated: true }])
    const { link: shared } = await one.call('share', [dbId])
    const copy = await two.call('follow', [shared])

    const acknowledged = new Map()
    const appended = []
    let records = 0
    for (let round = 0; round < CUTS; round++) {
      const home = homes[round % 2]
      let isOver = false
      const over = new Promise(resolve => setTimeout(resolve, 200 + Math.random() * 800)).then(() => { isOver = true })
      for (let n = 0; !isOver && n < 500; n++) {
        const at = `/r${round}/${n}`
        await home.call('sharedPut', [id, at, { round, n }])
        acknowledged.set(at, round)
        const text = `${round}/${n}`
        const { length } = await home.call('append', ['log', [Buffer.from(text).toString('base64')]], 'notes')
        appended.push([home, length - 1, text])
        if (home === one) await one.adb('recordPut', [dbId, '/live', { n: ++records }])
      }
      await over
      await cut(home)
    }
    assert.ok(acknowledged.size > CUTS)
    for (const [home, index, text] of appended) assert.equal(Buffer.from(await home.call('get', ['log', index], 'notes'), 'base64').toString(), text)
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
    await one.adb('recordPut', [dbId, '/live', { n: ++records }])
    await until(async () => (await two.adb('recordGet', [copy.dbId, '/live']).then(({ value }) => value.n, () => null)) === records)
    console.log(`${isLong ? CUTS + 4 : CUTS} power cuts, ${acknowledged.size} writes and ${appended.length} blocks acknowledged, all there`)
  })
} else {
  test('full disk and power cuts, on disks of their own', { skip }, () => {
    const run = spawnSync('unshare', ['--mount', process.execPath, '--test', '--test-force-exit', '--test-reporter=tap', fileURLToPath(import.meta.url)], {
      env: { ...process.env, ATEK_DISK: '1', NODE_TEST_CONTEXT: undefined }, encoding: 'utf8', timeout: 600_000
    })
    console.log(run.stdout)
    assert.equal(run.status, 0, run.stdout + run.stderr)
  })
}
