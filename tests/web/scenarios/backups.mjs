// An administrator sets up backups, makes one, looks into it, and gets a file, an app and a copy back.

import assert from 'node:assert/strict'
import { looksRight } from '../lib/checks.mjs'
import { story } from '../lib/story.mjs'
import { PASSWORD, addUser, signIn } from '../lib/words.mjs'

story(async ({ box, browser, step }) => {
  await addUser(box, 'anna', 'admin')
  await box.install('hello-node', 'anna')
  const { key } = await box.call('services-api', 'get', 'hello-node')
  const state = `/var/lib/private/atek-app-${key}`
  const sh = script => box.run('sh', '-c', script)
  await sh(`mkdir ${state}/data && echo first > ${state}/data/note && chown -R --reference=${state} ${state}/data`)
  await sh('mkdir -p /mnt/disk && mount -t tmpfs disk /mnt/disk')
  const anna = await browser.person('anna')
  const { page } = anna
  const button = name => page.getByRole('button', { name, exact: true })

  await step('there are no backups yet, and she says where and how often', async () => {
    await signIn(anna, box, 'anna')
    await anna.open(box.url('/p/backups'))
    await page.getByText('There are no backups yet').waitFor()
    await page.getByText('The box sees: /mnt/disk').waitFor()
    await looksRight(anna, '1-none')
    await page.getByLabel('Folder of the disk').fill('/mnt/none')
    await button('Save').click()
    await page.getByText('The settings were not changed').waitFor()
    await page.getByLabel('Folder of the disk').fill('/mnt/disk')
    await page.getByLabel('A backup is made').selectOption('weekly')
    await button('Save').click()
    await page.getByText('/mnt/disk/atek-backup').waitFor()
  })
  await step('she makes a backup and sees it', async () => {
    // The schedule may have begun one by itself.
    await button('Back up now').click()
    await button(/^Look inside: /).first().waitFor()
    await page.getByText('files compared').waitFor()
    await looksRight(anna, '2-made')
  })
  await step('she looks inside, and puts a file beside the present one', async () => {
    await sh(`echo second > ${state}/data/note`)
    await button(/^Look inside: /).first().click()
    await page.getByRole('heading', { name: /^Backup of / }).waitFor()
    await button('Files: Hello').click()
    await button('Open data').click()
    await button('Restore beside: note').click()
    await page.getByText(/data\/note\.\d+T\d+Z is restored/).waitFor()
    assert.equal(await sh(`cat ${state}/data/note`), 'second\n')
    await looksRight(anna, '3-files')
    await button('Restore: note').click()
    await page.getByRole('dialog').getByRole('button', { name: 'Restore', exact: true }).click()
    await page.getByText('data/note is restored').waitFor()
    assert.equal(await sh(`cat ${state}/data/note`), 'first\n')
  })
  await step('she makes a copy of the app', async () => {
    await button('As a copy: Hello').click()
    await page.getByLabel('Name of the copy').fill('hello-old')
    await page.getByRole('dialog').getByRole('button', { name: 'As a copy', exact: true }).click()
    await page.getByText('The copy hello-old is installed.').waitFor()
    await box.call('services-api', 'get', 'hello-old')
  })
  await step('an app that is gone comes back', async () => {
    await box.call('services-api', 'uninstall', 'hello-node')
    await page.reload()
    await button(/^Look inside: /).first().click()
    await button('Bring back: Hello').click()
    await page.getByText('hello-node is here again.').waitFor()
    assert.equal((await box.call('services-api', 'get', 'hello-node')).key, key)
  })
  await step('she is shown what opens the backups', async () => {
    await button('Show the password').click()
    await page.getByText(/^[0-9a-f]{64}$/).waitFor()
    await looksRight(anna, '4-password')
  })
  await step('the page speaks German', async () => {
    const other = await browser.person('german', { locale: 'de-DE' })
    await other.open(box.url('/p/backups'))
    await other.page.getByLabel('Benutzername').fill('anna')
    await other.page.getByLabel('Passwort', { exact: true }).fill(PASSWORD)
    await other.page.getByRole('button', { name: 'Anmelden' }).click()
    await other.page.waitForURL(/\/p\/backups$/)
    await other.page.getByRole('heading', { level: 1, name: 'Sicherungen' }).waitFor()
    await looksRight(other, '5-german')
  })
})
