// Prints unsigned transactions and typed data as ethers makes them: lists of
// [name, payload, words that must be shown].
import { Transaction, TypedDataEncoder, MaxUint256, parseEther, Interface } from 'ethers'

const to = '0x3535353535353535353535353535353535353535'
const transfer = new Interface(['function transfer(address to, uint256 amount)'])
const all = [
  ['legacy', { type: 0, chainId: 1, nonce: 9, gasPrice: 20_000_000_000n, gasLimit: 21000n, to, value: parseEther('1') }, 'send 1 on Ethereum to ' + to],
  ['EIP-1559', { type: 2, chainId: 8453, nonce: 0, maxFeePerGas: 5n, maxPriorityFeePerGas: 1n, gasLimit: 21000n, to, value: parseEther('0.25') }, 'send 0.25 on Base to ' + to],
  ['token', { type: 2, chainId: 137, nonce: 1, maxFeePerGas: 5n, maxPriorityFeePerGas: 1n, gasLimit: 90000n, to, data: transfer.encodeFunctionData('transfer', [to, 1000n]) }, 'transfer 1000 units of a token to ' + to],
  ['contract', { type: 0, chainId: 5, nonce: 0, gasPrice: 1n, gasLimit: 900000n, data: '0x6000' }, 'make a contract on chain 5']
]
const transactions = all.map(([name, fields, words]) => [name, Transaction.from(fields).unsignedSerialized, words])

const domain = { name: 'A token', version: '1', chainId: 137, verifyingContract: to }
const owned = ['owner', 'spender'].map((name) => ({ name, type: 'address' }))
const numbers = ['value', 'nonce', 'deadline'].map((name) => ({ name, type: 'uint256' }))
const person = [{ name: 'name', type: 'string' }, { name: 'wallets', type: 'address[]' }]
const kinds = ['bool', 'int24', 'uint8[2][]', 'bytes', 'bytes3', 'string[]', 'int256', 'Person[1]', 'Empty']
const payloads = [
  ['permit', domain, { Permit: [...owned, ...numbers] },
    { owner: to, spender: to, value: MaxUint256, nonce: 0, deadline: 1_900_000_000 }, 'spend an unlimited amount of the token A token'],
  ['mail', { ...domain, salt: '0x' + 'ab'.repeat(32) }, { Person: person, Mail: [{ name: 'to', type: 'Person[]' }, { name: 'text', type: 'string' }] },
    { to: [{ name: 'Bob', wallets: [to, to] }, { name: 'Zoë', wallets: [] }], text: 'Grüße \u{1f600}' }, 'sign Mail for A token'],
  ['every kind of value', { name: 'All' }, { All: kinds.map((type, at) => ({ name: `m${at}`, type })), Person: person, Empty: [] },
    { m0: true, m1: -8388608, m2: [[1, 2], [3, 4]], m3: '0x00ff', m4: '0x010203', m5: ['', 'b'], m6: -(2n ** 255n), m7: [{ name: '', wallets: [to] }], m8: {} }, 'no contract said on any chain'],
  ['an empty domain', {}, { A: [{ name: 'x', type: 'uint256' }] }, { x: 2n ** 200n }, 'an unnamed contract']
]
const typed = payloads.map(([name, domain, types, message, words]) => [name, TypedDataEncoder.getPayload(domain, types, message), words])
console.log(JSON.stringify({ transactions, typed }))
