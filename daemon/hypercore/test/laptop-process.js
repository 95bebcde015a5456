// A laptop that reads the box's pages over a tunnel: laptop-process.js LINK BOOTSTRAP. It opens them again when they end, as a browser does, and
// says how long nothing came, in milliseconds, when something comes again.

import http from 'node:http'
import { Tunnel } from '../clients/connect/index.js'

const [link, bootstrap] = process.argv.slice(2)
const tunnel = new Tunnel(link, { bootstrap: JSON.parse(bootstrap) })
const port = await tunnel.listen(0)
let last = 0

function read () {
  const again = () => setTimeout(read, 50)
  http.get({ port, host: '127.0.0.1', agent: false }, response => {
    response.on('data', () => {
      const now = Date.now()
      if (last === 0) console.log('open')
      else if (now - last > 500) console.log(now - last)
      last = now
    })
    response.once('close', again)
    response.on('error', () => {})
  }).once('error', again)
}
read()
