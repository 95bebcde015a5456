// A home in a process of its own: home-process.js OPTIONS. Says `home FOLDER` when it is there; its sockets are in it. Its pages count for ever.

import http from 'node:http'
import { Home } from './home.js'

const pages = http.createServer((request, response) => {
  let n = 0
  const timer = setInterval(() => response.write(`${n++}\n`), 50)
  response.once('close', () => clearInterval(timer))
})
await new Promise(resolve => pages.listen(0, '127.0.0.1', resolve))
const home = await Home.open({ ...JSON.parse(process.argv[2]), pages: pages.address().port })
home.app = () => 'here'
process.stdin.resume().once('close', async () => { await home.close(); process.exit(0) })
console.log(`home ${home.folder}`)
