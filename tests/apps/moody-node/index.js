// Comes up as the file "mood" in its state says: "broken" fails, "slow" does not listen until it says something else.
const fs = require('fs')
const http = require('http')
const path = require('path')

const mood = () => {
  try {
    return fs.readFileSync(path.join(process.env.HOME, 'mood'), 'utf8').trim()
  } catch {
    return 'good'
  }
}

const server = http.createServer((_, response) => {
  response.setHeader('content-type', 'text/html')
  response.end('<!doctype html><html lang="en"><title>Moody</title><main><h1>in a good mood</h1></main>')
})

const begin = () => {
  if (mood() === 'slow') setTimeout(begin, 50)
  else server.listen(process.env.ATEK_ASSIGNED_SOCKET_FILE)
}

if (mood() === 'broken') {
  console.error('<b>cannot open the store</b>: the mood is broken')
  process.exit(3)
}
begin()
