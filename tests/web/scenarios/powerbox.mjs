// An app asks for "one of these": an API, a folder of another app, a database, a device. The person picks which, and that
// is the grant.

import assert from 'node:assert/strict'
import { looksRight } from '../lib/checks.mjs'
import { story } from '../lib/story.mjs'
import { until } from '../lib/until.mjs'
import { addUser, openPage, part, signIn } from '../lib/words.mjs'

const HELLO = 'example.test/hello'

story(async ({ box, browser, step }) => {
  await addUser(box, 'alice', 'admin')
  for (const [app, id] of [['caller-node', 'viewer'], ['hello-node', 'hello'], ['album-node', 'album']]) await box.install(app, 'alice', id)
  const greeter = { name: 'Greeter', exports: [{ api: HELLO, path: '/_api/hello' }] }
  await box.publish('greeter', 'v1.0.0', 'hello-node', { 'atek.json': JSON.stringify(greeter) })
  await box.call('services-api', 'install', { sourceUrl: box.remotes.greeter, id: 'greeter', user: 'alice' })
  const keyOf = async id => (await box.call('services-api', 'get', id)).key
  const [album, greets] = [await keyOf('album'), await keyOf('greeter')]
  const alice = await browser.person('alice')
  const { page } = alice
  const question = part(alice, 'An app is asking for your permission')
  const grants = async () => (await box.call('permissions-api', 'list')).grants.filter(({ service }) => service === 'viewer').map(({ permission }) => permission)
  const visit = async path => {
    await alice.open(box.appUrl('viewer', path))
    return page.locator('body').innerText()
  }
  const call = (api, method, params) => visit(`/call?api=${encodeURIComponent(api)}&method=${method}&params=${encodeURIComponent(JSON.stringify(params))}`)
  /** Has the app ask, and picks for it. */
  const picks = async (permission, words, label, picture) => {
    assert.match(await call('atek.cloud/permissions-api', 'request', [{ permission, reason: 'to show it' }]), /pending/)
    await openPage(alice, box, '/', 'Your apps')
    await question.getByText(words).waitFor()
    await question.getByLabel('Use this one').selectOption({ label })
    await looksRight(alice, picture)
    await question.getByRole('button', { name: 'Always allow', exact: true }).click()
    await question.waitFor({ state: 'detached' })
  }

  await step('of two apps that provide an API she picks the second', async () => {
    await signIn(alice, box)
    await picks(`provider:${HELLO}`, `use an app that provides ${HELLO}`, 'Greeter', 'pick-api')
    assert.deepEqual(await grants(), [`provider:${HELLO}=${greets}`])
    assert.match(await call(HELLO, 'hello', ['alice']), /hello alice/)
  })
  await step('she picks a folder of another app, which is then there to read', async () => {
    await alice.open(box.appUrl('album', '/put?name=a.txt&text=sunset'))
    await picks('folder:read', 'read a folder of another of your apps', 'photos (Album)', 'pick-folder')
    const folder = `${album}/photos`
    assert.ok((await grants()).includes(`folder:${folder}:read`))
    await until('the app to run again', async () => (await box.call('services-api', 'get', 'viewer')).state === 'running')
    assert.equal(await visit(`/file?path=/run/atek-folders/${folder}/a.txt`), '{"text":"sunset"}')
    assert.match(await visit(`/file?path=/run/atek-folders/${folder}/a.txt&text=x`), /"error"/)
  })
  await step('she picks a database of another app', async () => {
    await alice.open(box.url('/'))
    await page.evaluate(async () => {
      const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'dbCreate', params: [{ access: 'private', alias: 'recipes' }] })
      await fetch('/_atek/gateway?api=atek.cloud/adb-api', { method: 'POST', headers: { 'content-type': 'application/json' }, body })
    })
    await picks('database:read', 'read one of your databases', 'recipes', 'pick-database')
    assert.ok((await grants()).some(permission => /^database:[0-9a-f]{64}:read$/.test(permission)))
  })
  await step('she picks a device, as the box lists them', async () => {
    assert.match(await call('atek.cloud/permissions-api', 'request', [{ permission: 'device:any', reason: 'to read the meter' }]), /pending/)
    const [{ choices }] = (await box.call('permissions-api', 'pending')).requests
    await openPage(alice, box, '/', 'Your apps')
    await question.getByText('use a device of this box').waitFor()
    await looksRight(alice, 'pick-device')
    if (choices.length > 0) {
      await question.getByLabel('Use this one').selectOption({ label: choices[0].title })
      await question.getByRole('button', { name: 'Always allow', exact: true }).click()
      await question.waitFor({ state: 'detached' })
      assert.ok((await grants()).includes(choices[0].permission))
    } else {
      await question.getByText('There is nothing on this box for it to use.').waitFor()
      await question.getByRole('button', { name: 'Don’t allow', exact: true }).click()
    }
  })
  await step('what she picked is named among the permissions, and taken back', async () => {
    await openPage(alice, box, '/p/permissions', 'Permissions')
    await page.getByRole('row').filter({ hasText: 'read the folder photos (Album)' }).waitFor()
    await looksRight(alice, 'picked')
    await page.getByRole('row').filter({ hasText: 'read the folder photos (Album)' }).getByRole('button', { name: /^Revoke/ }).click()
    await page.getByRole('row').filter({ hasText: 'read the folder photos (Album)' }).waitFor({ state: 'detached' })
    assert.ok(!(await grants()).some(permission => permission.startsWith('folder:')))
  })
})
