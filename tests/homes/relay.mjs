// Runs atek-connect, and lets the test reach what it opens by a socket file, since a file is reached from any
// network namespace: relay.mjs INSTALLED SOCKET BOOTSTRAP. The link is in ATEK_CONNECT_LINK, and
// INSTALLED is the folder into which npm has installed it.
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'

const [installed, socket, bootstrap, ...more] = process.argv.slice(2)
const bin = fs.realpathSync(path.join(installed, 'node_modules/.bin/atek-connect'))

const started = Date.now()
process.argv.splice(2, Infinity, '--port', '8989', '--bootstrap', bootstrap, ...more)
const say = console.log
console.log = () => {}
// It returns when the box has answered, and ends this process when it does not.
await import(bin)
fs.rmSync(socket, { force: true })
const server = net.createServer({ allowHalfOpen: true }, client => {
  const there = net.connect({ port: 8989, host: '127.0.0.1', allowHalfOpen: true })
  client.pipe(there).pipe(client)
  for (const end of [client, there]) end.on('error', () => { client.destroy(); there.destroy() })
  there.on('close', () => client.destroy())
})
server.listen(socket, () => say(`open ${Date.now() - started}`))
