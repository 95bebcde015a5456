// Reads one line of JSON from standard input, checks each signature with the programs that people
// use, and prints "held: NAME" for each that holds.
import assert from 'node:assert/strict'
import crypto from 'node:crypto'
import { readFileSync } from 'node:fs'
import { Transaction, TypedDataEncoder, verifyMessage, verifyTypedData } from 'ethers'
import { verifyEvent } from 'nostr-tools/pure'

const seen = JSON.parse(readFileSync(0, 'utf8'))
const held = (name) => console.log(`held: ${name}`)

const spki = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), Buffer.from(seen.ed25519.publicKey, 'hex')])
const edKey = crypto.createPublicKey({ key: spki, format: 'der', type: 'spki' })
const edSignature = Buffer.from(seen.ed25519.signature, 'hex')
assert(crypto.verify(null, Buffer.from(seen.text), edKey, edSignature))
assert(!crypto.verify(null, Buffer.from(seen.text + '!'), edKey, edSignature))
held('ed25519 by OpenSSL in Node')

const point = crypto.ECDH.convertKey(seen.ecdsa.publicKey, 'secp256k1', 'hex', 'base64url', 'uncompressed')
const raw = Buffer.from(point, 'base64url')
const ecKey = crypto.createPublicKey({
  key: { kty: 'EC', crv: 'secp256k1', x: raw.subarray(1, 33).toString('base64url'), y: raw.subarray(33).toString('base64url') },
  format: 'jwk'
})
const ecdsa = Buffer.from(seen.ecdsa.signature, 'hex')
assert(crypto.verify('sha256', Buffer.from(seen.text), { key: ecKey, dsaEncoding: 'ieee-p1363' }, ecdsa))
held('secp256k1 by OpenSSL in Node')

assert(verifyEvent(structuredClone(seen.nostr.event)))
assert(!verifyEvent({ ...structuredClone(seen.nostr.event), content: 'another' }))
held('nostr event by nostr-tools')

const hexSignature = ({ signature, recovery }) => ({
  r: '0x' + signature.slice(0, 64),
  s: '0x' + signature.slice(64),
  yParity: recovery
})
for (const [name, unsigned, signed] of seen.transactions) {
  const transaction = Transaction.from(unsigned)
  transaction.signature = hexSignature(signed)
  assert.equal(transaction.from, seen.address)
  // What is sent to the network is read back as the same transaction of the same sender.
  assert.equal(Transaction.from(transaction.serialized).from, seen.address)
  held(`${name} by ethers`)
}

const serialized = ({ signature, recovery }) => '0x' + signature + (27 + recovery).toString(16)
for (const [name, { domain, types, message, primaryType }, signed] of seen.typed) {
  const { EIP712Domain, ...own } = types
  assert.equal(TypedDataEncoder.from(own).primaryType, primaryType)
  assert.equal(verifyTypedData(domain, own, message, serialized(signed)), seen.address)
  held(`typed data (${name}) by ethers`)
}

assert.equal(verifyMessage(seen.text, serialized(seen.personal)), seen.address)
held('personal_sign by ethers')
