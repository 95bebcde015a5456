// The npm packages as `npm publish` would send them: from their tarballs, in a folder of their own.

import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import fs from 'node:fs'
import http from 'node:http'
import os from 'node:os'
import path from 'node:path'
import { createRequire } from 'node:module'
import { fileURLToPath } from 'node:url'
import { test } from 'node:test'
import createTestnet from 'hyperdht/testnet.js'
import { Home } from './home.js'

const here = fileURLToPath(new URL('..', import.meta.url))

/** Unpacks what `npm pack` makes; its dependencies are those of the lockfile here. */
function packed (t, client) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'atek-pack-'))
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }))
  const [{ filename, files }] = JSON.parse(execFileSync('npm', ['pack', '--json', '--pack-destination', folder], { cwd: path.join(here, 'clients', client), encoding: 'utf8' }))
  execFileSync('tar', ['-xzf', path.join(folder, filename), '-C', folder])
  fs.symlinkSync(path.join(here, 'node_modules'), path.join(folder, 'package/node_modules'))
  const manifest = JSON.parse(fs.readFileSync(path.join(folder, 'package/package.json')))
  // Each dependency is one that was tested here, in the same version.
  const lock = JSON.parse(fs.readFileSync(path.join(here, 'package-lock.json'))).packages
  for (const [name, version] of Object.entries(manifest.dependencies ?? {})) assert.equal(version.replace(/^[\^~]/, '').split('.')[0], lock[`node_modules/${name}`].version.split('.')[0], name)
  assert.ok(manifest.license && manifest.version && manifest.engines?.node && !manifest.private, 'what a registry asks for')
  return { folder: path.join(folder, 'package'), files: files.map(({ path }) => path), manifest }
}

test('atek-connect from its tarball opens a box', async t => {
  const { folder, files, manifest } = packed(t, 'connect')
  assert.deepEqual(files.sort(), ['README.md', 'bin.js', 'index.js', 'package.json', 'watch.js'])
  const testnet = await createTestnet(3)
  const pages = http.createServer((request, response) => response.end('the box'))
  await new Promise(resolve => pages.listen(0, '127.0.0.1', resolve))
  const home = await Home.open({ bootstrap: testnet.bootstrap, database: false, pages: pages.address().port })
  const { link } = await home.call('pairDevice')
  const [{ host, port }] = testnet.bootstrap
  const bin = path.join(folder, Object.values(manifest.bin)[0])
  const child = spawn(process.execPath, [bin, '--port', '18989', '--bootstrap', `${host}:${port}`], { env: { ...process.env, ATEK_CONNECT_LINK: link }, stdio: ['ignore', 'pipe', 'inherit'] })
  t.after(async () => {
    child.kill('SIGKILL')
    await home.close()
    pages.close()
    await testnet.destroy()
  })
  const said = await new Promise(resolve => child.stdout.once('data', data => resolve(String(data))))
  assert.match(said, /18989/)
  const answer = await fetch('http://127.0.0.1:18989/')
  assert.equal(await answer.text(), 'the box')
})

test('the stand-in for hyperswarm is there from its tarball', async t => {
  const { folder, files } = packed(t, 'hyperswarm')
  assert.ok(files.includes('index.js') && files.includes('README.md'))
  const Hyperswarm = createRequire(path.join(folder, 'x.js'))(folder)
  for (const method of ['join', 'leave', 'joinPeer', 'leavePeer', 'flush', 'listen', 'destroy', 'status']) assert.equal(typeof Hyperswarm.prototype[method], 'function', method)
})
