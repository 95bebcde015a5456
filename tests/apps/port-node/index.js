// An ordinary HTTP server: it knows PORT and HOST, and nothing of Atek. With a socket file instead of a port it is the
// same server, to compare the two.
const dgram = require('dgram')
const dns = require('dns')
const fs = require('fs')
const http = require('http')
const os = require('os')

function attempt (work) {
  try {
    return work()
  } catch (error) {
    return String(error)
  }
}

// What a program finds around itself.
async function surroundings () {
  const started = Date.now()
  const resolved = await dns.promises.lookup('example.org').catch(error => error.code)
  const socket = dgram.createSocket('udp4')
  const datagram = await new Promise(resolve => {
    socket.on('error', error => resolve(error.code))
    socket.on('message', message => resolve(message.toString()))
    socket.bind(0, '127.0.0.1', () => socket.send('hello', socket.address().port, '127.0.0.1'))
  })
  socket.close()
  return {
    interfaces: attempt(() => Object.keys(os.networkInterfaces())),
    user: attempt(() => os.userInfo()),
    uid: process.getuid(),
    home: os.homedir(),
    folder: process.cwd(),
    written: attempt(() => fs.writeFileSync('./data.json', '1') ?? 'written'),
    // The process that runs this one: what of it can be seen.
    parent: attempt(() => fs.statSync(`/proc/${process.ppid}/fd`).uid),
    datagram,
    resolved,
    resolving: Date.now() - started,
    environment: Object.keys(process.env).sort()
  }
}

const server = http.createServer(async (request, response) => {
  if (request.url === '/surroundings') {
    return response.end(JSON.stringify(await surroundings()))
  }
  if (request.url === '/events') {
    response.writeHead(200, { 'content-type': 'text/event-stream' })
    let count = 0
    const timer = setInterval(() => {
      response.write(`data: ${++count}\n\n`)
      if (count === 3) response.end(clearInterval(timer))
    }, 50)
    return
  }
  if (request.url === '/upload') {
    let bytes = 0
    for await (const chunk of request) bytes += chunk.length
    return response.end(String(bytes))
  }
  response.end('hello')
})

server.on('upgrade', (request, socket) => {
  // Whatever comes after the handshake goes back as it is.
  const { createHash } = require('crypto')
  const key = request.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
  const accept = createHash('sha1').update(key).digest('base64')
  socket.write('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
    `Sec-WebSocket-Accept: ${accept}\r\n\r\n`)
  // A frame without a mask that says hello.
  socket.end(Buffer.concat([Buffer.from([0x81, 5]), Buffer.from('hello'), Buffer.from([0x88, 0])]))
})

if (process.env.PORT) server.listen(Number(process.env.PORT), process.env.HOST)
else server.listen(process.env.ATEK_ASSIGNED_SOCKET_FILE)
