// An app asks for signatures: a person sees at home what would be signed, value for value, and answers.

import assert from 'node:assert/strict'
import { PHONE } from '../lib/browser.mjs'
import { looksRight } from '../lib/checks.mjs'
import { story } from '../lib/story.mjs'
import { until } from '../lib/until.mjs'
import { addUser, callInPage, openPage, part, signIn } from '../lib/words.mjs'

const TOKEN = '0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed'
const SPENDER = '0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359'
const member = (name, type) => ({ name, type })
const PERMIT = {
  types: {
    EIP712Domain: [member('name', 'string'), member('chainId', 'uint256'), member('verifyingContract', 'address')],
    Permit: [member('owner', 'address'), member('spender', 'address'), member('value', 'uint256'), member('deadline', 'uint256')]
  },
  primaryType: 'Permit',
  domain: { name: 'A token', chainId: 1, verifyingContract: TOKEN },
  message: { owner: TOKEN, spender: SPENDER, value: `0x${'f'.repeat(64)}`, deadline: 1_900_000_000 }
}

story(async ({ box, browser, step }) => {
  await addUser(box, 'alice', 'admin')
  await box.install('caller-node', 'alice', 'wallet')
  const alice = await browser.person('alice', { viewport: PHONE })
  const app = await browser.person('app')
  const { page } = alice
  const question = part(alice, 'An app wants to use one of your keys')
  const asks = async (method, params) => {
    const path = `/call?api=atek.cloud/keys-api&method=${method}&params=${encodeURIComponent(JSON.stringify([params]))}`
    await app.open(box.appUrl('wallet', path))
    return JSON.parse(JSON.parse(await app.page.locator('body').innerText()).body)
  }
  const answers = name => question.getByRole('button', { name, exact: true }).click()
  let key

  await step('alice has a key, and an app asks to sign with it', async () => {
    await signIn(app, box, 'alice')
    await signIn(alice, box, 'alice')
    await until('the keys are open', async () => (await callInPage(alice, 'keys-api', 'list', [])).result.locked === false)
    key = (await callInPage(alice, 'keys-api', 'create', [{ kind: 'secp256k1', name: 'savings' }])).result.id
    const told = await asks('sign', { key, format: 'ethereum-typed-data', payload: PERMIT })
    assert.equal(told.error.data.reason, 'pending')
  })
  await step('a permit is said plainly, and each value of it is there', async () => {
    await openPage(alice, box, '/', 'Your apps')
    await question.getByText(`let ${SPENDER} spend an unlimited amount of the token A token`).waitFor()
    await question.getByText('the key “savings”').waitFor()
    for (const shown of ['message.spender', SPENDER, 'message.deadline', '1900000000', 'Ethereum']) await question.getByText(shown, { exact: true }).first().waitFor()
    await question.getByText('Allow this only if you began it yourself').waitFor()
    assert.equal(await question.getByRole('button', { name: 'Always allow' }).count(), 0)
    await looksRight(alice, 'key-request-permit')
  })
  await step('she allows it once, and the app has its signature', async () => {
    const [request] = (await callInPage(alice, 'keys-api', 'pending', [])).result.requests
    await answers('Allow this once')
    await question.waitFor({ state: 'detached' })
    const { result } = await asks('result', { request: request.id })
    assert.match(result.signature, /^[0-9a-f]{128}$/)
    const again = await asks('sign', { key, format: 'ethereum-typed-data', payload: PERMIT })
    assert.equal(again.error.data.reason, 'pending')
  })
  await step('asked again she says no, and the app is told', async () => {
    await question.waitFor()
    await answers('Don’t allow')
    await question.waitFor({ state: 'detached' })
    const denied = await asks('sign', { key, format: 'ethereum-typed-data', payload: PERMIT })
    assert.equal(denied.error.data.reason, 'denied')
  })
  await step('a text is allowed for an hour, and is not asked for again', async () => {
    const text = { key, format: 'ethereum-message', payload: 'hello from the wallet' }
    assert.equal((await asks('sign', text)).error.data.reason, 'pending')
    await question.getByText('hello from the wallet').waitFor()
    await looksRight(alice, 'key-request-text')
    await answers('Allow for an hour')
    await question.waitFor({ state: 'detached' })
    assert.match((await asks('sign', { ...text, payload: 'another' })).result.signature, /^[0-9a-f]{128}$/)
  })
})
