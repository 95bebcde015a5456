// Announces a lamp in the home at tcp/7000, another one at a port that it was not given, and answers for the name of a device
// that it is not. GET /printers answers what it found.
const http = require('http')
const net = require('net')
const { Bonjour } = require('bonjour-service')

net.createServer((socket) => socket.end('on\n')).listen(7000)

const printers = new Map()
const bonjour = new Bonjour({}, (error) => console.log(error))
bonjour.publish({ name: 'Kitchen lights', type: 'lamp', port: 7000, txt: { room: 'kitchen' } })
bonjour.publish({ name: 'Back door', type: 'lamp', port: 7001 })
bonjour.find({ type: 'ipp' }, ({ name, host, port }) => printers.set(name, { host, port }))

const { mdns } = bonjour.server
mdns.on('query', ({ questions }) => {
  if (questions.some(({ name }) => name === 'victim.local')) {
    mdns.respond([{ name: 'victim.local', type: 'A', ttl: 120, flush: true, data: '198.51.100.7' }])
  }
})

http
  .createServer((request, response) => response.end(JSON.stringify(Object.fromEntries(printers))))
  .listen(process.env.PORT, process.env.HOST)
process.on('SIGTERM', () => process.exit(0))
