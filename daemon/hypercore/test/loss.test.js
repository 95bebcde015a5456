// Two homes over a network that loses packets, and one that is parted: in a network namespace of its own, which needs root.

import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import createTestnet from 'hyperdht/testnet.js'
import { Home, noDatabase, until } from './home.js'

const canUnshare = process.getuid() === 0 && spawnSync('unshare', ['--net', 'true']).status === 0
const skip = noDatabase || (!canUnshare && 'a network namespace needs root')
/** How many records each home writes while packets are lost. Long, they become contacts under loss, too, and are parted after it. */
const isLong = process.env.ATEK_LONG === '1'
const RECORDS = isLong ? 20 : 5

/** Packets of UDP, which are those between homes, are dropped at random; 100: all. */
function lose (percent) {
  const rules = percent === 0 ? '' : `table inet lossy { chain in { type filter hook input priority 0; meta l4proto udp ${percent < 100 ? `numgen random mod 100 < ${percent} ` : ''}drop; }; }`
  execFileSync('nft', ['-f', '-'], { input: `table inet lossy {}\ndelete table inet lossy\n${rules}\n` })
}

if (process.env.ATEK_LOSSY) {
  test(`with 30 % loss ${isLong ? 'and after a partition ' : ''}two homes end with the same, and nothing is lost`, async t => {
    execFileSync('ip', ['link', 'set', 'lo', 'up'])
    const testnet = await createTestnet(3)
    const homes = [await Home.open({ bootstrap: testnet.bootstrap }), await Home.open({ bootstrap: testnet.bootstrap })]
    const [one, two] = homes
    t.after(async () => {
      lose(0)
      for (const home of homes) await home.close()
      await testnet.destroy()
    })
    if (isLong) lose(30)
    const begin = Date.now()
    const { link } = await one.call('inviteContact')
    await two.call('addContact', [link])
    const asks = await until(async () => (await one.call('contacts')).find(({ status }) => status === 'asks'))
    await one.call('confirmContact', [asks.id])
    await until(async () => (await two.call('contacts'))[0]?.status === 'confirmed')
    console.log(`${isLong ? '30' : 'no'} % loss: contacts after ${Date.now() - begin} ms`)
    const { id } = await one.call('createShared')
    await one.call('inviteWriter', [id, asks.key])
    await until(async () => (await two.call('sharedDatabases')).length)
    await two.call('joinShared', [id])
    const list = async home => {
      const { dbId } = (await home.call('sharedDatabases'))[0]
      return JSON.stringify((await home.adb('recordList', [dbId, '/', { limit: 500 }])).records.map(({ path, value }) => [path, value]))
    }
    const write = async (home, name, count) => {
      for (let n = 0; n < count; n++) await home.call('sharedPut', [id, `/${name}/${n}`, { n }])
    }
    const agree = async count => {
      await until(async () => (await list(one)) === (await list(two)) && JSON.parse(await list(one)).length === count)
    }
    lose(30)
    const lossy = Date.now()
    await Promise.all([write(one, 'a', RECORDS), write(two, 'b', RECORDS)])
    await agree(2 * RECORDS)
    console.log(`30 % loss: ${2 * RECORDS} records of two writers are the same in both homes after ${Date.now() - lossy} ms`)
    // The partition parts the nodes of the DHT, too. That homes are announced again at once after it is shown by reachability.test.js.
    if (!isLong) return
    // Parted for longer than a connection lives.
    lose(100)
    await Promise.all([write(one, 'c', 10), write(two, 'd', 10)])
    await until(async () => !(await one.call('contacts'))[0].connected)
    assert.notEqual(await list(one), await list(two))
    lose(0)
    const healed = Date.now()
    await agree(2 * RECORDS + 20)
    console.log(`after a partition: the same in both homes ${Date.now() - healed} ms after its end`)
  })
} else {
  test('loss, in a network of its own; ATEK_LONG=1: from the first meeting on, and with a partition', { skip }, () => {
    const run = spawnSync('unshare', ['--net', process.execPath, '--test', '--test-force-exit', '--test-reporter=tap', fileURLToPath(import.meta.url)], {
      env: { ...process.env, ATEK_LOSSY: '1', NODE_TEST_CONTEXT: undefined }, encoding: 'utf8', timeout: 400_000
    })
    console.log(run.stdout)
    assert.equal(run.status, 0, run.stdout + run.stderr)
  })
}
