// node server.js ADDRESS PORT FOLDER USER KEY CERTIFICATE: an S3 server over TLS with the bucket `backups`, whose user's
// secret is in the environment. Objects are files of the folder.
//
// s3rver does not look at signatures of version 4. Those in addresses, as Atek makes them, are compared with what aws4 makes.
'use strict'

const fs = require('node:fs')
const aws4 = require('aws4')
const S3rver = require('s3rver')
const { DUMMY_ACCOUNT } = require('s3rver/lib/models/account')

const [address, port, directory, user, key, certificate] = process.argv.slice(2)
const secret = process.env.SECRET
DUMMY_ACCOUNT.createKeyPair(user, secret)

const server = new S3rver({
  address,
  port: Number(port),
  directory,
  silent: true,
  vhostBuckets: false,
  configureBuckets: [{ name: 'backups' }],
  key: fs.readFileSync(key),
  cert: fs.readFileSync(certificate)
})

function isRight ({ method, url, headers }) {
  const [path, query] = url.split('?')
  const sent = new URLSearchParams(query)
  const signature = sent.get('X-Amz-Signature')
  const [, , region] = sent.get('X-Amz-Credential').split('/')
  sent.delete('X-Amz-Signature')
  const request = { service: 's3', region, method, path: `${path}?${sent}`, headers: { host: headers.host }, signQuery: true }
  aws4.sign(request, { accessKeyId: user, secretAccessKey: secret })
  return new URLSearchParams(request.path.split('?')[1]).get('X-Amz-Signature') === signature
}

server.middleware.unshift(async (ctx, next) => {
  const isSigned = 'X-Amz-Signature' in ctx.query || 'authorization' in ctx.headers
  const isFine = 'X-Amz-Signature' in ctx.query ? isRight(ctx.req) : isSigned
  if (isFine) return next()
  const code = isSigned ? 'SignatureDoesNotMatch' : 'AccessDenied'
  ctx.status = 403
  ctx.type = 'application/xml'
  ctx.body = `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>no</Message></Error>`
})
server.run()
