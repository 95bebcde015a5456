// An administrator looks after the box itself.

import assert from 'node:assert/strict'
import http from 'node:http'
import { looksRight } from '../lib/checks.mjs'
import { story } from '../lib/story.mjs'
import { until } from '../lib/until.mjs'
import { addUser, openPage, part, row, signIn } from '../lib/words.mjs'

/** The status of the sign-in page for a browser that calls the box by this name. */
function statusAt(box, name) {
  return new Promise((resolve, reject) => {
    const asked = { host: box.address, path: '/_atek/login', headers: { host: name } }
    http.get(asked, answer => resolve(answer.resume().statusCode)).on('error', reject)
  })
}

story(
  async ({ box, browser, step }) => {
    await addUser(box, 'alice', 'admin')
    await addUser(box, 'bob')
    await box.install('hello-node', 'alice')
    const alice = await browser.person('alice')
    const bob = await browser.person('bob')
    const { page } = alice
    const dialog = () => page.getByRole('dialog')

    await step('the box says what it is and how it is', async () => {
      await signIn(alice, box)
      await openPage(alice, box, '/p/system', 'System')
      const facts = part(alice, 'This box')
      await facts.getByText(box.name, { exact: true }).waitFor()
      await facts.getByRole('link', { name: box.url() }).waitFor()
      for (const meter of ['Disk', 'Memory']) await page.getByRole('meter', { name: meter }).waitFor()
    })
    await step('every service’s sandbox is judged in words', async () => {
      const card = part(alice, 'How well each service is confined')
      await card.getByRole('table').waitFor()
      const text = await row(alice, 'Hello').innerText()
      const exposure = Number(/\d+(\.\d+)?\s*$/.exec(text)?.[0])
      assert.ok(exposure < 3, text)
      await looksRight(alice, 'system')
    })
    await step('bob sees the box, and nothing that he may not change', async () => {
      await signIn(bob, box)
      await openPage(bob, box, '/p/system', 'System')
      await part(bob, 'This box').getByText(box.name, { exact: true }).waitFor()
      for (const name of ['Usage', 'Power', 'Data of uninstalled apps', 'Mail when something is wrong', 'Move the data to another disk']) assert.equal(await part(bob, name).count(), 0)
      assert.equal(await bob.page.getByRole('button', { name: 'Change name and time zone' }).count(), 0)
      await looksRight(bob, 'system-user')
    })
    await step('the time zone is changed', async () => {
      await page.getByRole('button', { name: 'Change name and time zone' }).click()
      await dialog().getByLabel('Time zone').selectOption('Pacific/Auckland')
      await looksRight(alice, 'system-change')
      await dialog().getByRole('button', { name: 'Save' }).click()
      await part(alice, 'This box').getByText('Pacific/Auckland').waitFor()
      assert.match(await box.run('readlink', '/etc/localtime'), /Pacific\/Auckland/)
      // The browser is in Europe: what is shown is the clock of the box.
      const now = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'short', timeZone: 'Pacific/Auckland' })
      const around = [Date.now() - 60_000, Date.now()].map(time => now.format(time))
      const facts = await part(alice, 'This box').innerText()
      assert.ok(around.some(time => facts.includes(time)), `${facts}: expected ${around}`)
    })
    await step('a name that is none is refused before it is asked', async () => {
      await page.getByRole('button', { name: 'Change name and time zone' }).click()
      await dialog().getByLabel('Name', { exact: true }).fill('not a name')
      await dialog().getByRole('button', { name: 'Save' }).click()
      assert.ok(await dialog().isVisible())
      await page.keyboard.press('Escape')
      assert.equal((await box.run('hostnamectl', 'hostname')).trim(), box.name)
    })
    await step('the box answers to a name that alice adds, and no longer when she removes it', async () => {
      const name = 'nas.example.org'
      const answered = () => statusAt(box, name)
      assert.equal(await answered(), 421)
      const card = part(alice, 'Other names')
      await card.getByLabel('Name').fill(`http://${name}/`)
      await card.getByRole('button', { name: 'Add name' }).click()
      await card.getByRole('alert').getByText('Enter only the name').waitFor()
      await card.getByLabel('Name').fill(`rss.${box.host}`)
      await card.getByRole('button', { name: 'Add name' }).click()
      await card.getByRole('alert').getByText('is reserved for an app').waitFor()
      await card.getByLabel('Name').fill(name)
      await card.getByRole('button', { name: 'Add name' }).click()
      await card.getByRole('listitem').getByText(name).waitFor()
      await until('an answer', async () => (await answered()) === 200)
      await looksRight(alice, 'system-names')
      await card.getByRole('button', { name: `Remove ${name}` }).click()
      await card.getByRole('listitem').waitFor({ state: 'detached' })
      await until('no answer', async () => (await answered()) === 421)
    })
    await step('mail is set up, and what is wrong with it is said', async () => {
      const card = part(alice, 'Mail when something is wrong')
      await card.getByRole('button', { name: 'Set up mail' }).click()
      await card.getByLabel('Mail server').fill('127.0.0.1')
      await card.getByLabel('Port').fill('1')
      await card.getByLabel('User name there').fill('alice')
      await card.getByLabel('Password there', { exact: true }).fill('a secret of alice')
      await card.getByLabel('Sender’s address').fill('box@example.org')
      await card.getByRole('button', { name: 'Send a test mail' }).click()
      await card.getByRole('alert').getByText('cannot be reached').waitFor()
      await looksRight(alice, 'system-mail-form')
      await card.getByRole('button', { name: 'Save' }).click()
      await card.getByText('box@example.org').waitFor()
      const told = await box.call('system-api', 'mail')
      assert.deepEqual(told.settings.to, ['box@example.org'])
      assert.equal(told.hasPassword, true)
      await card.getByRole('button', { name: 'Send a test mail' }).click()
      await card.getByRole('alert').getByText('cannot be reached').waitFor()
      await looksRight(alice, 'system-mail')
      await card.getByRole('button', { name: 'Turn off' }).click()
      await card.getByRole('button', { name: 'Set up mail' }).waitFor()
    })
    await step('data of an uninstalled app is kept, shown, and deleted', async () => {
      await box.call('services-api', 'uninstall', 'hello-node', { keepData: true })
      await openPage(alice, box, '/p/system', 'System')
      const card = part(alice, 'Data of uninstalled apps')
      await card.getByRole('button', { name: 'Delete' }).click()
      await looksRight(alice, 'system-kept')
      await dialog().getByRole('button', { name: 'Delete' }).click()
      await card.getByText('There is none.').waitFor()
    })
    await step('turning the box off asks first', async () => {
      await part(alice, 'Power').getByRole('button', { name: 'Turn off' }).click()
      await dialog().getByText('To switch it on again').waitFor()
      await looksRight(alice, 'system-power-off')
      await dialog().getByRole('button', { name: 'Cancel' }).click()
      await box.ready()
    })
    await step('turned off, it is off', async () => {
      alice.expect(/failed: net::ERR_|50\d$/)
      bob.expect(/failed: net::ERR_|50\d$/)
      await part(alice, 'Power').getByRole('button', { name: 'Turn off' }).click()
      await dialog().getByRole('button', { name: 'Turn off' }).click()
      await page.getByText('The box is turning itself off.').waitFor()
      await box.isOff()
    })
  },
  { relayed: true }
)
