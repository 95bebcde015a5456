// A person opens the box, mistypes, signs in, and is at home.

import { looksRight } from '../lib/checks.mjs'
import { story } from '../lib/story.mjs'

story(async ({ box, browser, step }) => {
  await box.call('users-api', 'create', { username: 'alice', password: 'correct horse battery', role: 'admin' })
  const alice = await browser.person('alice')
  const signIn = async password => {
    await alice.page.getByLabel('User name').fill('alice')
    await alice.page.getByLabel('Password', { exact: true }).fill(password)
    await alice.page.getByRole('button', { name: 'Sign in' }).click()
  }
  await step('alice opens the box and is asked who she is', async () => {
    await alice.open(box.url())
    await alice.page.waitForURL(/\/_atek\/login/)
    await looksRight(alice, 'sign-in')
  })
  await step('a wrong password is told apart from nothing else', async () => {
    await signIn('correct horse')
    await alice.page.getByRole('alert').getByText('incorrect').waitFor()
  })
  await step('the right one brings her home', async () => {
    await signIn('correct horse battery')
    await alice.page.waitForURL(box.url())
    await looksRight(alice, 'home')
  })
})
