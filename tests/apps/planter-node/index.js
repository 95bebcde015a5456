// Plants traps in its state folder for a host that copies, restores, gives away or removes it: GET /plant answers what it
// could make; GET /read?path=PATH answers what it reads there, or the code of the error.
const { spawnSync } = require('child_process')
const fs = require('fs')
const http = require('http')
const net = require('net')
const path = require('path')

const attempt = work => {
  try {
    return work() ?? 'made'
  } catch (error) {
    return error.code
  }
}

const targets = ['/etc/shadow', '/var/lib/atek/config.json', '/run/atek/control.sock', '../../atek', '/']

const traps = {
  note: () => fs.writeFileSync('note', 'mine'),
  links: () => targets.forEach((target, nth) => fs.symlinkSync(target, `link-${nth}`)),
  loop: () => fs.symlinkSync('loop', 'loop'),
  hard: () => fs.linkSync('note', 'note-again'),
  // Of files that are not its own, as far as it sees any.
  'hard-of-the-system': () => fs.linkSync('/etc/passwd', 'passwd'),
  'hard-of-the-package': () => fs.linkSync('/app/index.js', 'index.js'),
  pipe: () => spawnSync('/usr/bin/mkfifo', ['pipe']).status,
  device: () => spawnSync('/usr/bin/mknod', ['device', 'c', '1', '5']).status,
  socket: () => { net.createServer().listen('socket') },
  sparse: () => fs.truncateSync(fs.openSync('sparse', 'w'), 1 << 40),
  setuid: () => {
    fs.writeFileSync('setuid', '#!/bin/sh\n')
    fs.chmodSync('setuid', 0o4755)
  },
  closed: () => {
    fs.mkdirSync('closed')
    fs.writeFileSync('closed/inside', 'hidden')
    fs.chmodSync('closed', 0)
  },
  names: () => ['\n', ' ', '-rf', '%s', '\u202e', 'a'.repeat(255)].forEach(name => fs.writeFileSync(name, '')),
  deep: () => { fs.mkdirSync(path.join(...Array(100).fill('d')), { recursive: true }) }
}

http
  .createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://localhost')
    const answers = {
      '/plant': () => Object.fromEntries(Object.entries(traps).map(([name, trap]) => [name, attempt(trap)])),
      '/read': () => ({ read: attempt(() => fs.readFileSync(searchParams.get('path'), 'utf8')) })
    }
    response.end(JSON.stringify(answers[pathname]?.() ?? {}))
  })
  .listen(process.env.PORT, process.env.HOST)
