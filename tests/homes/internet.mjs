// An internet of a few nodes of a DHT, each at an address of its own: internet.mjs MODULES ADDRESS…
// The first address is the bootstrap node's. Says `ready` when all are there.
import { createRequire } from 'node:module'

const [modules, first, ...others] = process.argv.slice(2)
const HyperDHT = createRequire(`${modules}/`)('hyperdht')
const PORT = 49737
const bootstrap = [{ host: first, port: PORT }]

const node = HyperDHT.bootstrapper(PORT, first)
await node.fullyBootstrapped()
for (const host of others) {
  const node = new HyperDHT({ bootstrap, host, port: PORT, ephemeral: false, firewalled: false })
  await node.fullyBootstrapped()
}
console.log('ready')
