// Prints unsigned transactions as ethers makes them: [name, hexadecimal, words that must be shown].
import { Transaction, parseEther, Interface } from 'ethers'

const to = '0x3535353535353535353535353535353535353535'
const transfer = new Interface(['function transfer(address to, uint256 amount)'])
const all = [
  ['legacy', { type: 0, chainId: 1, nonce: 9, gasPrice: 20_000_000_000n, gasLimit: 21000n, to, value: parseEther('1') }, 'send 1 on Ethereum to ' + to],
  ['EIP-1559', { type: 2, chainId: 8453, nonce: 0, maxFeePerGas: 5n, maxPriorityFeePerGas: 1n, gasLimit: 21000n, to, value: parseEther('0.25') }, 'send 0.25 on Base to ' + to],
  ['token', { type: 2, chainId: 137, nonce: 1, maxFeePerGas: 5n, maxPriorityFeePerGas: 1n, gasLimit: 90000n, to, data: transfer.encodeFunctionData('transfer', [to, 1000n]) }, 'transfer 1000 units of a token to ' + to],
  ['contract', { type: 0, chainId: 5, nonce: 0, gasPrice: 1n, gasLimit: 900000n, data: '0x6000' }, 'make a contract on chain 5']
]
console.log(JSON.stringify(all.map(([name, fields, words]) => [name, Transaction.from(fields).unsignedSerialized, words])))
