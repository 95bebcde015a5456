// A relay whose data lies in the state folder. It looks for no peers of its own.
const http = require('http')
const Gun = require('gun')

const server = http.createServer(Gun.serve(require.resolve('gun')))
Gun({ web: server, file: 'data', multicast: false, axe: false, peers: [] })
server.listen(Number(process.env.PORT), process.env.HOST)
