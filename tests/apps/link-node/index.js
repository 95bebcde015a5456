// Does on its network what it is told to by POST, {task, …}, and answers what came of it. With a word on the command
// line it does one task and prints it: the same program outside of the host.
const dgram = require('dgram')
const dns = require('dns')
const http = require('http')
const net = require('net')
const os = require('os')

const LONG = 3_000

const tasks = {
  interfaces: () => Object.keys(os.networkInterfaces()),

  // {host, port}: `possible`, or the code of the error.
  connect: ({ host, port }) => new Promise(resolve => {
    const socket = net.connect({ host, port, timeout: LONG })
    const end = word => { socket.destroy(); resolve(word) }
    socket.on('connect', () => end('possible'))
    socket.on('timeout', () => end('ETIMEDOUT'))
    socket.on('error', error => end(error.code))
  }),

  // {port}: listens on all addresses, for as long as the program runs.
  listen: ({ port }) => new Promise(resolve => {
    const server = net.createServer(socket => socket.end())
    server.on('error', error => resolve(error.code))
    server.listen(port, '::', () => resolve('possible'))
  }),

  // {name}: its address, or the code of the error.
  resolve: ({ name }) => dns.promises.resolve4(name).catch(error => error.code),

  // {from, to: [{host, port}, …]}: what each says in answer to one datagram, all from one socket.
  ask: async ({ from, to }) => {
    const socket = await bound(from)
    const answers = []
    for (const { host, port } of to) answers.push(await ask(socket, host, port))
    socket.close()
    return answers
  },

  // {from, meet: {host, port}, name}: tells a meeting point where it is, gets the other's address, and greets it until
  // it has been greeted and answered. `open`, or `closed`.
  punch: async ({ from, meet, name }) => {
    const socket = await bound(from)
    const end = Date.now() + 60_000
    let other = null
    let heard = false
    let answered = false
    socket.on('message', (text, peer) => {
      const word = text.toString()
      if (word.startsWith('at ')) {
        const [, host, port] = word.split(' ')
        other = { host, port: Number(port) }
      } else if (word === 'hello') {
        heard = true
        socket.send('welcome', peer.port, peer.address)
      } else if (word === 'welcome') answered = true
    })
    while (!(heard && answered) && Date.now() < end) {
      socket.send(name, meet.port, meet.host)
      if (other) socket.send('hello', other.port, other.host)
      await new Promise(resolve => setTimeout(resolve, 50))
    }
    socket.close()
    return heard && answered ? 'open' : 'closed'
  }
}

function bound (port) {
  const socket = dgram.createSocket('udp4')
  socket.on('error', () => {})
  return new Promise(resolve => socket.bind(port, () => resolve(socket)))
}

function ask (socket, host, port) {
  return new Promise(resolve => {
    const done = word => { clearTimeout(timer); socket.off('message', heard); resolve(word) }
    const heard = (text, peer) => peer.address === host && done(text.toString())
    const timer = setTimeout(() => done('silence'), LONG)
    socket.on('message', heard)
    socket.send('where am I', port, host, error => error && done(error.code))
  })
}

const run = async ({ task, ...what }) => JSON.stringify(await tasks[task](what))

if (process.argv[2]) {
  run(JSON.parse(process.argv[2])).then(answer => { console.log(answer); process.exit() })
} else {
  http.createServer(async (request, response) => {
    let text = ''
    for await (const chunk of request) text += chunk
    response.end(text ? await run(JSON.parse(text)) : 'link')
  }).listen(Number(process.env.PORT), process.env.HOST)
}
