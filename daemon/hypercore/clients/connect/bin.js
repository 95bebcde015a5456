#!/usr/bin/env node
import { parseArgs } from 'node:util'
import { Tunnel } from './index.js'

const USAGE = 'usage: atek-connect LINK [--port N] [--bootstrap HOST:PORT,…] [--relay KEY]'

function fail (message, status = 1) {
  console.error(message)
  process.exit(status)
}

let given
try {
  given = parseArgs({
    allowPositionals: true,
    options: { port: { type: 'string', default: '8989' }, bootstrap: { type: 'string' }, relay: { type: 'string' }, help: { type: 'boolean', short: 'h' } }
  })
} catch (error) {
  fail(`${error.message}\n${USAGE}`, 2)
}
const { values, positionals: [link] } = given
if (values.help) {
  console.log(USAGE)
  process.exit(0)
}
// A link on the command line is seen by every user of this computer, so it is also taken from the environment.
const secret = link ?? process.env.ATEK_CONNECT_LINK
if (!secret) fail(USAGE, 2)

try {
  const bootstrap = values.bootstrap?.split(',').map(node => {
    const [, host, port] = /^(.+):(\d+)$/.exec(node) ?? fail(`${node} is not HOST:PORT`, 2)
    return { host, port: Number(port) }
  })
  const relay = values.relay && Buffer.from(values.relay, 'hex')
  const tunnel = new Tunnel(secret, { bootstrap, relay, onerror: error => console.error(`cannot reach the box: ${error.message}`) })
  const port = await tunnel.listen(Number(values.port))
  await tunnel.check()
  console.log(`The box is at http://localhost:${port}`)
} catch (error) {
  fail(error.code === 'EADDRINUSE' ? `port ${values.port} is in use: choose another one with --port` : `cannot reach the box: ${error.message}`)
}
