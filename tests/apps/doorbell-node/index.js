// Answers devices of the home at tcp/7000 and udp/53 with their address, and echoes what they say. GET /reach?host=HOST&port=PORT
// answers the outcome of a connection of its own; GET /bell whether it may listen on udp/53. When it is told to stop it
// notes the time and stays for two seconds more.
const dgram = require('dgram')
const fs = require('fs')
const http = require('http')
const net = require('net')

net
  .createServer(socket => {
    socket.on('error', () => {})
    socket.write(`${socket.remoteAddress}\n`)
    socket.pipe(socket)
  })
  .listen(7000)

let bell = 'listens'
const socket = dgram.createSocket({ type: 'udp6', ipv6Only: false })
socket.on('error', error => { bell = error.code })
socket.on('message', (text, peer) => socket.send(peer.address, peer.port, peer.address))
socket.bind(53)

const reach = (host, port) =>
  new Promise(resolve => {
    const socket = net.connect({ host, port, timeout: 10_000 })
    socket.on('connect', () => resolve('connected'))
    socket.on('timeout', () => resolve('timeout'))
    socket.on('error', error => resolve(error.code))
  })

http
  .createServer(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://localhost')
    response.end(pathname === '/reach' ? await reach(searchParams.get('host'), searchParams.get('port')) : bell)
  })
  .listen(process.env.PORT, process.env.HOST)

process.on('SIGTERM', () => {
  fs.writeFileSync(`${process.env.STATE_DIRECTORY}/told`, `${Date.now()}`)
  setTimeout(() => process.exit(0), 2000)
})
