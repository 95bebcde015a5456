// An internet of a few nodes of a DHT, each at an address of its own: internet.mjs MODULES ADDRESS…
// The first address is the bootstrap node's. Says `ready` when all are there.
import { createRequire } from 'node:module'

const [modules, first, ...others] = process.argv.slice(2)
const HyperDHT = createRequire(`${modules}/`)('hyperdht')
const PORT = 49737
const bootstrap = [{ host: first, port: PORT }]

// At its own address: bound to all, it takes the port from the others, and answers from the first address what was asked of another.
const node = HyperDHT.bootstrapper(PORT, first, { host: first })
await node.fullyBootstrapped()
for (const host of others) {
  const node = new HyperDHT({ bootstrap, host, port: PORT, ephemeral: false, firewalled: false })
  await node.fullyBootstrapped()
  if (node.address().port !== PORT) throw new Error(`port ${PORT} of ${host} is taken`)
}
console.log('ready')
