// Runs the client of Holesail as npm has it, and lets the test reach what it opens by a socket file: holesail.mjs INSTALLED SOCKET BOOTSTRAP.
// The key that a person would type into its app is in HOLESAIL_KEY.
import fs from 'node:fs'
import net from 'node:net'
import Module, { createRequire } from 'node:module'

const [installed, socket, bootstrap] = process.argv.slice(2)
const require = createRequire(`${installed}/`)
// It knows the public nodes only: here they are those of the test.
const { BOOTSTRAP_NODES } = require('hyperdht/lib/constants')
BOOTSTRAP_NODES.splice(0, Infinity, bootstrap)
// Phones run it by Bare, and load its module for datagrams: here it is that of Node.
const load = Module._load
Module._load = (name, ...rest) => load(name === 'bare-dgram' ? 'dgram' : name, ...rest)
const HolesailClient = require('holesail-client')

const client = new HolesailClient({ key: process.env.HOLESAIL_KEY, secure: true })
client.connect({}, () => {
  // Where it listens, the box has told it.
  const { host, port } = client.args
  fs.rmSync(socket, { force: true })
  net.createServer(from => {
    const there = net.connect({ host, port })
    from.pipe(there).pipe(from)
    for (const end of [from, there]) end.on('error', () => { from.destroy(); there.destroy() })
  }).listen(socket, () => console.log(`open ${host}:${port}`))
})
