// Alice has forgotten her password: a file on the card, a code on the screen, and she is at home with all her data.

import assert from 'node:assert/strict'
import { looksRight } from '../lib/checks.mjs'
import { story } from '../lib/story.mjs'
import { addUser, atHome, giveNameAndPassword } from '../lib/words.mjs'

const NEW = 'another horse battery staple'

story(async ({ box, browser, step }) => {
  await addUser(box, 'alice', 'admin')
  await addUser(box, 'bob')
  await box.install('hello-node', 'alice')
  const { key } = await box.call('services-api', 'get', 'hello-node')
  const alice = await browser.person('alice')
  const { page } = alice
  const { keyboard } = page
  const heading = name => page.getByRole('heading', { level: 1, name }).waitFor()
  const field = name => page.getByLabel(name, { exact: true })
  const send = () => page.getByRole('button', { name: 'Set the password' }).click()
  const fill = async (code, username, password) => {
    await field('Code').fill(code)
    await field('User name').fill(username)
    await field('New password').fill(password)
  }
  let code

  await step('the sign-in page leads to what she can do', async () => {
    await alice.open(box.url())
    await page.getByRole('link', { name: 'Forgot your password?' }).click()
    await page.waitForURL(box.url('/_atek/reset'))
    await heading('Forgot your password?')
    await page.getByText('atek-reset.txt').first().waitFor()
    await looksRight(alice, '1-how')
  })
  await step('without the file on the card she is told what is missing', async () => {
    await page.getByRole('button', { name: 'I have done this' }).click()
    await page.getByText('The box did not find a file named atek-reset.txt').waitFor()
    await looksRight(alice, '2-not-open')
  })
  await step('with the file on the card, the page asks for the code of the screen', async () => {
    // As atek-firstboot does at the next start of the box.
    const request = JSON.stringify({ user: null, requested_at: '2026-11-28T12:00:00Z' })
    const place = 'cat > /var/lib/atek/password-reset; chown atek:atek /var/lib/atek/password-reset; chmod 600 /var/lib/atek/password-reset'
    await box.runWithInput(request, 'sh', '-c', place)
    await box.run('systemctl', 'restart', 'atekd.service')
    await box.ready()
    code = await box.claimCode()
    await alice.open(box.url('/_atek/reset'))
    await heading('Set a new password')
    await looksRight(alice, '3-form')
  })
  await step('an empty form says what is missing, and sends nothing', async () => {
    await send()
    await page.getByText('The code has eight letters and digits.').waitFor()
    assert.ok(await field('Code').evaluate(input => input === document.activeElement))
  })
  await step('a wrong code, an unknown name and a weak password are told at their fields', async () => {
    await fill('AAAA-AAAA', 'alice', NEW)
    await send()
    await page.getByText('This is not the code that the box shows.').waitFor()
    await looksRight(alice, '4-wrong-code')
    await fill(code, 'nobody-here', NEW)
    await send()
    await page.getByText('There is no user with that name on this box.').waitFor()
    await fill(code, 'alice', 'short')
    await send()
    // The rule of this box, which is not every box's.
    await page.getByText('Use at least 11 characters.').waitFor()
    await fill(code, 'alice', 'ten-chars!')
    await send()
    await page.getByText('Use at least 11 characters.').waitFor()
  })
  await step('with the keyboard she sets a new password, and is at home', async () => {
    await fill(code.toLowerCase().replace('-', ' '), 'alice', NEW)
    await keyboard.press('Enter')
    await heading('Welcome back, alice')
    await looksRight(alice, '5-done')
    await page.getByRole('link', { name: 'Go home' }).click()
    await atHome(alice)
    const app = await box.call('services-api', 'get', 'hello-node')
    assert.deepEqual([app.key, app.state], [key, 'running'])
  })
  await step('the code works once, and the password from now on', async () => {
    const again = await browser.person('again')
    await again.open(box.url('/_atek/reset'))
    await again.page.getByRole('heading', { level: 1, name: 'Forgot your password?' }).waitFor()
    await again.open(box.url())
    await giveNameAndPassword(again, 'alice')
    await again.page.getByRole('alert').first().waitFor()
    await giveNameAndPassword(again, 'alice', NEW)
    await atHome(again)
    await again.leave()
  })
  await step('the page speaks German', async () => {
    const anna = await browser.person('anna', { locale: 'de-DE' })
    await anna.open(box.url('/_atek/reset'))
    await anna.page.getByRole('heading', { level: 1, name: 'Passwort vergessen?' }).waitFor()
    await looksRight(anna, '6-german')
  })
})
