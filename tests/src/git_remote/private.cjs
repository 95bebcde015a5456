// A git server that asks who reads: HTTPS with the certificate in the folder that is named, before the server at
// ORIGIN. Prints its port, then a line for each request: `token` where the Authorization header is the right one,
// `other` where it is another, `none` where it is missing.

const https = require('node:https')
const http = require('node:http')
const { readFileSync } = require('node:fs')
const [, folder, origin, address, token] = process.argv

const wanted = `Basic ${Buffer.from(`git:${token}`).toString('base64')}`
const file = name => readFileSync(`${folder}/${name}`)

const server = https.createServer({ key: file('server.key'), cert: file('server.pem') }, (request, response) => {
  const given = request.headers.authorization
  console.log(given === wanted ? 'token' : given ? 'other' : 'none')
  if (given !== wanted) {
    response.writeHead(401, { 'www-authenticate': 'Basic realm="git"', 'content-length': 0 })
    return response.end()
  }
  const { authorization, ...headers } = request.headers
  const { method, url: path } = request
  const behind = http.request(origin, { method, path, headers }, answer => {
    response.writeHead(answer.statusCode, answer.headers)
    answer.pipe(response)
  })
  behind.on('error', () => response.destroy())
  request.pipe(behind)
})
server.listen(0, address, () => console.log(server.address().port))
