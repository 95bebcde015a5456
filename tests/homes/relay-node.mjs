// A blind relay with an address of its own: relay-node.mjs MODULES BOOTSTRAP HOST SEED. It says its public key.
import { createRequire } from 'node:module'

const [modules, bootstrap, host, seed] = process.argv.slice(2)
const require = createRequire(`${modules}/`)
const HyperDHT = require('hyperdht')
const { Server } = require('blind-relay')

const [bootstrapHost, port] = bootstrap.split(':')
const dht = new HyperDHT({ bootstrap: [{ host: bootstrapHost, port: Number(port) }], host, ephemeral: false, firewalled: false })
const relay = new Server({ createStream: options => dht.createRawStream({ ...options, framed: true }) })
const server = dht.createServer({ shareLocalAddress: false, reusableSocket: true }, socket => {
  socket.on('error', () => {})
  relay.accept(socket, { id: socket.remotePublicKey }).on('error', () => {})
})
const keyPair = HyperDHT.keyPair(Buffer.from(seed, 'hex'))
await server.listen(keyPair)
console.log(keyPair.publicKey.toString('hex'))
