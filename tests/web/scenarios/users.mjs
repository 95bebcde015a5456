// An administrator adds somebody, changes them, and deletes them; each has apps of their own.

import assert from 'node:assert/strict'
import { looksRight } from '../lib/checks.mjs'
import { story } from '../lib/story.mjs'
import { PASSWORD, addUser, atHome, callInPage, giveNameAndPassword, openPage, part, row, signIn } from '../lib/words.mjs'

story(async ({ box, browser, step }) => {
  await addUser(box, 'alice', 'admin')
  const alice = await browser.person('alice')
  const bob = await browser.person('bob')
  const dialog = person => person.page.getByRole('dialog')
  const names = () => alice.page.getByRole('rowheader').allInnerTexts()

  await step('alice adds bob', async () => {
    await signIn(alice, box)
    await openPage(alice, box, '/p/users', 'Users')
    await alice.page.getByRole('button', { name: 'Add somebody' }).click()
    await dialog(alice).getByLabel('Name', { exact: true }).fill('bob')
    await dialog(alice).getByLabel('Password', { exact: true }).fill(PASSWORD)
    await dialog(alice).getByText('Strong').waitFor()
    await looksRight(alice, 'users-add')
    await dialog(alice).getByRole('button', { name: 'Add somebody' }).click()
    await row(alice, 'bob').waitFor()
    await looksRight(alice, 'users')
  })
  await step('a name that is taken is refused in words', async () => {
    await alice.page.getByRole('button', { name: 'Add somebody' }).click()
    await dialog(alice).getByLabel('Name', { exact: true }).fill('bob')
    await dialog(alice).getByLabel('Password', { exact: true }).fill(PASSWORD)
    await dialog(alice).getByRole('button', { name: 'Add somebody' }).click()
    await dialog(alice).getByText('This username has already been taken').waitFor()
    await alice.page.keyboard.press('Escape')
  })
  await step('bob has a home of his own, and no part of the administration', async () => {
    await signIn(bob, box)
    assert.equal(await bob.page.getByRole('link', { name: 'Users' }).count(), 0)
    await openPage(bob, box, '/p/users', 'Users')
    await bob.page.getByText('Not authorized').waitFor()
    await openPage(bob, box, '/p/system', 'System')
    assert.equal(await part(bob, 'Power').count(), 0)
  })
  await step('neither sees the other’s apps, and bob cannot open alice’s', async () => {
    await box.install('hello-node', 'alice', 'diary')
    await box.install('hello-node', 'bob', 'sketches')
    await openPage(bob, box, '/', 'Your apps')
    await bob.page.locator('a[href="/p/apps/sketches"]').waitFor()
    assert.equal(await bob.page.locator('a[href*=diary]').count(), 0)
    bob.expect(/(diary\S* 403|bind-session\?service=diary\S* 400)$/)
    bob.expect(/services-api 40\d$/)
    await bob.open(box.appUrl('diary'))
    assert.doesNotMatch(await bob.page.locator('body').innerText(), /^hello$/)
    // The positive control: his own opens.
    await bob.open(box.appUrl('sketches'))
    assert.equal(await bob.page.locator('body').innerText(), 'hello')
    for (const [method, ...params] of [['get', 'diary'], ['stop', 'diary'], ['status', 'diary'], ['metrics', 'diary']]) {
      await bob.open(box.url('/p/account'))
      const answer = await callInPage(bob, 'services-api', method, params)
      assert.equal(answer.error?.message, 'Not authorized', method)
    }
  })
  await step('a new password from alice throws bob out', async () => {
    await openPage(alice, box, '/p/users', 'Users')
    await row(alice, 'bob').getByRole('button', { name: 'Change bob' }).click()
    await dialog(alice).getByLabel('New password', { exact: true }).fill('another horse battery staple')
    await looksRight(alice, 'users-change')
    await dialog(alice).getByRole('button', { name: 'Save' }).click()
    await alice.page.getByText('bob was changed').waitFor()
    await bob.open(box.url())
    await bob.page.waitForURL(/\/_atek\/login/)
    await giveNameAndPassword(bob, 'bob', 'another horse battery staple')
    await atHome(bob)
  })
  await step('bob becomes an administrator, and is one no more', async () => {
    for (const [role, words] of [['admin', 'Administrator'], ['user', 'User']]) {
      await row(alice, 'bob').getByRole('button', { name: 'Change bob' }).click()
      await dialog(alice).getByLabel('Role').selectOption(role)
      await dialog(alice).getByRole('button', { name: 'Save' }).click()
      await row(alice, 'bob').getByText(words, { exact: true }).waitFor()
    }
  })
  await step('the last administrator stays one', async () => {
    await row(alice, 'alice').getByRole('button', { name: 'Change alice' }).click()
    await dialog(alice).getByLabel('Role').selectOption('user')
    await dialog(alice).getByRole('button', { name: 'Save' }).click()
    await dialog(alice).getByText('this is the only administrator').waitFor()
    await alice.page.keyboard.press('Escape')
    assert.equal(await row(alice, 'alice').getByRole('button', { name: 'Delete' }).count(), 0)
  })
  await step('alice deletes bob and takes his app over', async () => {
    await row(alice, 'bob').getByRole('button', { name: 'Delete bob' }).click()
    await dialog(alice).getByText('Their apps: sketches').waitFor()
    await looksRight(alice, 'users-delete')
    const erase = dialog(alice).getByRole('button', { name: 'Delete', exact: true })
    assert.ok(await erase.isDisabled())
    await dialog(alice).getByLabel('Type “bob” to confirm').fill('bob')
    await erase.click()
    await alice.page.getByText('bob was deleted').waitFor()
    await row(alice, 'bob').waitFor({ state: 'detached' })
    assert.deepEqual((await names()).map(name => name.trim().split(/\s/)[0]), ['alice'])
    const { services } = await box.call('services-api', 'list')
    const apps = services.filter(({ settings }) => !settings.id.startsWith('core.'))
    assert.deepEqual(apps.map(({ settings, owner }) => [settings.id, owner]).sort(), [['diary', 'alice'], ['sketches', 'alice']])
    await bob.open(box.url())
    await bob.page.waitForURL(/\/_atek\/login/)
  })
})
