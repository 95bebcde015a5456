// Alice and Bob have a box each, behind routers of their own. She invites him by a link; both confirm. Each follows the other in
// a small social app, posts and comments. She takes it back, and he is refused from that moment on.

import assert from 'node:assert/strict'
import { tell } from '../lib/box.mjs'
import { looksRight } from '../lib/checks.mjs'
import { readQr } from '../lib/qr.mjs'
import { story } from '../lib/story.mjs'
import { until } from '../lib/until.mjs'
import { callInPage, openPage, row, signIn } from '../lib/words.mjs'

const FEED = 'example.test/feed-api'

story(async ({ box, browser, step }) => {
  const there = box.other
  const alice = await browser.person('alice')
  const bob = await browser.person('bob', { at: there })
  const dialog = person => person.page.getByRole('dialog')
  const press = (person, name) => dialog(person).getByRole('button', { name, exact: true }).last().click()
  const contactOf = async person => (await callInPage(person, 'hypercore-api', 'contacts', [])).result[0]

  let link
  await step('alice invites Bob', async () => {
    await signIn(alice, box)
    await openPage(alice, box, '/p/sharing', 'Sharing')
    await alice.page.getByRole('button', { name: 'Invite a person' }).click()
    await dialog(alice).getByLabel('Who it is (only you see this)').fill('Bob')
    await dialog(alice).getByLabel('Your name, as the other person sees it').fill('Alice')
    await looksRight(alice, 'invite')
    await press(alice, 'Create the link')
    // Bob takes the link as a camera sees it.
    link = await readQr(dialog(alice).getByRole('img', { name: 'The invitation as a QR code' }))
    assert.equal(link, await dialog(alice).getByRole('textbox', { name: 'Link', exact: true }).inputValue())
    assert.match(link, /^atek:\/\/person\/\w{52}$/)
    await looksRight(alice, 'invitation')
    await press(alice, 'Close')
  })
  await step('bob opens her link at his box', async () => {
    await signIn(bob, there)
    await openPage(bob, there, '/p/sharing', 'Sharing')
    await bob.page.getByLabel('Invitation from another person').fill(link)
    await bob.page.getByRole('button', { name: 'Add the contact' }).click()
    await row(bob, 'Alice').waitFor()
    await looksRight(bob, 'waiting')
  })
  await step('alice confirms, and both see the same number', async () => {
    await row(alice, 'Bob').getByText('wants to be your contact').waitFor()
    await looksRight(alice, 'asks')
    await alice.page.getByRole('button', { name: 'Confirm Bob' }).click()
    for (const [person, other] of [[alice, 'Bob'], [bob, 'Alice']]) await row(person, other).getByText('confirmed', { exact: true }).waitFor()
    const { number } = await contactOf(alice)
    assert.match(number, /^\d{4} \d{4} \d{4}$/)
    for (const [person, other] of [[alice, 'Bob'], [bob, 'Alice']]) await row(person, other).getByText(number).waitFor()
  })
  await step('each lets the other call the feed', async () => {
    for (const [person, other] of [[alice, 'Bob'], [bob, 'Alice']]) {
      await person.page.getByRole('button', { name: `Allow ${other} to call apps` }).click()
      await press(person, 'Allow')
      await dialog(person).getByRole('button', { name: `Take back ${FEED}` }).waitFor()
      await press(person, 'Close')
      await row(person, other).getByText(FEED).waitFor()
    }
    await looksRight(alice, 'contact')
  })
  await step('they follow each other, and each sees what the other writes', async () => {
    await alice.open(box.appUrl('feed'))
    await bob.open(there.appUrl('feed'))
    for (const [person, other, text] of [[alice, 'Bob', 'Hello from Alice'], [bob, 'Alice', 'Hello from Bob']]) {
      await person.page.getByLabel('New post').fill(text)
      await person.page.getByRole('button', { name: 'Post' }).click()
      await person.page.getByRole('button', { name: `Follow ${other}` }).click()
    }
    await post(bob, 'Hello from Alice').waitFor()
    await post(alice, 'Hello from Bob').waitFor()
  })
  await step('bob comments, and both see it under her post', async () => {
    const at = post(bob, 'Hello from Alice')
    await at.getByLabel('Comment').fill('Welcome')
    await at.getByRole('button', { name: 'Comment' }).click()
    await post(alice, 'Hello from Alice').getByText('Bob: Welcome').waitFor()
    await post(bob, 'Hello from Alice').getByText('You: Welcome').waitFor()
  })
  await step('alice takes it back while bob writes, and nothing of his comes in from then on', async () => {
    const refused = bob.page.evaluate(commentUntilRefused)
    await until('comments of Bob', () => bob.page.evaluate(() => globalThis.letIn > 2))
    const managing = await alice.context.newPage()
    await managing.goto(box.url('/p/sharing'))
    await managing.getByRole('button', { name: 'Allow Bob to call apps' }).click()
    const button = managing.getByRole('dialog').getByRole('button', { name: `Take back ${FEED}` })
    await button.waitFor()
    const answered = managing.waitForResponse(response => response.request().postData()?.includes('denyContact'))
    const pressed = Date.now()
    await button.click()
    await answered
    const over = Date.now()
    const { last, first, error } = await refused
    assert.match(error, /does not let you call|was taken back/)
    tell({ figure: 'a permission that is taken back, from the press to the first refusal at the other home', value: `${first - pressed} ms` })
    // Both browsers have the clock of this machine.
    assert.ok(last <= over, `a call that began ${last - over} ms after it was taken back was let in`)
  })
  await step('alice removes him, and he is no contact any more', async () => {
    await openPage(alice, box, '/p/sharing', 'Sharing')
    await alice.page.getByRole('button', { name: 'Remove Bob' }).click()
    await press(alice, 'Remove')
    await alice.page.getByText('You have no contact yet.').waitFor()
    await openPage(bob, there, '/p/sharing', 'Sharing')
    await row(bob, 'Alice').getByText('not connected').waitFor()
  })
})

/** The post with this text, with its comments. */
function post({ page }, text) {
  return page.getByRole('article').filter({ has: page.getByText(text, { exact: true }) })
}

/** In the page of the app: comments on Alice's post until that is refused. When the last one that was let in began, and the refusal came. */
async function commentUntilRefused() {
  const ask = async (task, values) => (await fetch(`/${task}`, { method: 'POST', body: JSON.stringify(values) })).json()
  const { done } = await ask('timeline', {})
  const { author, post } = done.posts.find(({ name }) => name === 'Alice')
  globalThis.letIn = 0
  for (let last = 0; ; ) {
    const began = Date.now()
    const { error } = await ask('comment', { author, post, text: 'Still here' })
    if (error) return { last, first: Date.now(), error }
    last = began
    globalThis.letIn += 1
  }
}
