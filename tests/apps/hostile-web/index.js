// What a hostile author would serve. What its pages try is in tests/web/scenarios/hostile.mjs.
const fs = require('fs')
const http = require('http')
const path = require('path')

const html = (response, body) => {
  response.setHeader('content-type', 'text/html; charset=utf-8')
  response.end(`<!doctype html><html lang="en"><head><title>evil</title></head><body>${body}</body></html>`)
}

// The host's log must stay one line an entry, and its viewer must show text.
const shout = () => {
  console.log(`<img src=x onerror="window.pwned='log'"> \u001b[2J\u001b[31mred\u001b[0m \u202Egnp.exe`)
  console.error(`${'long '.repeat(4000)}end`)
}

const server = http.createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url, 'http://app')
  if (pathname === '/headers') {
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify(request.headers))
  } else if (pathname === '/icon.svg') {
    response.setHeader('content-type', 'image/svg+xml')
    response.end(fs.readFileSync(path.join(__dirname, 'icon.svg')))
  } else if (pathname === '/kept') {
    response.setHeader('cache-control', 'public, max-age=31536000, immutable')
    response.end('by the first app')
  } else if (pathname === '/toss') {
    // A cookie for the box itself, from the server's side.
    response.setHeader('set-cookie', `${searchParams.get('cookie')}; Path=/; Domain=${searchParams.get('domain')}`)
    html(response, '<p>tossed</p>')
  } else {
    shout()
    html(response, '<h1>evil</h1>')
  }
})

server.listen(process.env.ATEK_ASSIGNED_SOCKET_FILE, shout)
process.on('SIGTERM', () => process.exit(0))
