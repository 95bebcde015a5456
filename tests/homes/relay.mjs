// Runs atek-connect, and lets the test reach what it opens by a socket file, since a file is reached from any
// network namespace: relay.mjs MODULES CONNECT SOCKET BOOTSTRAP. The link is in ATEK_CONNECT_LINK.
import fs from 'node:fs'
import net from 'node:net'
import path from 'node:path'

const [modules, connect, socket, bootstrap, ...more] = process.argv.slice(2)
// As npm would install it.
const folder = path.join(path.dirname(socket), 'atek-connect')
fs.mkdirSync(folder, { recursive: true })
const { files } = JSON.parse(fs.readFileSync(path.join(connect, 'package.json')))
for (const file of [...files, 'package.json']) fs.copyFileSync(path.join(connect, file), path.join(folder, file))
fs.rmSync(path.join(folder, 'node_modules'), { force: true })
fs.symlinkSync(path.join(modules, 'node_modules'), path.join(folder, 'node_modules'))

const started = Date.now()
process.argv.splice(2, Infinity, '--port', '8989', '--bootstrap', bootstrap, ...more)
const say = console.log
console.log = () => {}
// It returns when the box has answered, and ends this process when it does not.
await import(path.join(folder, 'bin.js'))
fs.rmSync(socket, { force: true })
const server = net.createServer({ allowHalfOpen: true }, client => {
  const there = net.connect({ port: 8989, host: '127.0.0.1', allowHalfOpen: true })
  client.pipe(there).pipe(client)
  for (const end of [client, there]) end.on('error', () => { client.destroy(); there.destroy() })
  there.on('close', () => client.destroy())
})
server.listen(socket, () => say(`open ${Date.now() - started}`))
