// A person looks into what their apps keep, and mends it.

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { looksRight } from '../lib/checks.mjs'
import { story } from '../lib/story.mjs'
import { addUser, openPage, row, signIn } from '../lib/words.mjs'

const NASTY = '<img src=x onerror=alert(1)>'

story(async ({ box, browser, step }) => {
  await addUser(box, 'alice', 'admin')
  await addUser(box, 'bob')
  const alice = await browser.person('alice')
  const bob = await browser.person('bob')
  const { page } = alice
  const dialog = () => page.getByRole('dialog')
  const editor = () => dialog().getByLabel('Record (JSON)')
  const save = () => dialog().getByRole('button', { name: 'Save' }).click()

  await step('alice has no database, and is told so kindly', async () => {
    await signIn(bob, box)
    await openPage(bob, box, '/p/databases', 'Databases')
    await bob.page.getByRole('heading', { name: 'No databases yet' }).waitFor()
    await looksRight(bob, 'databases-none')
  })
  let dbId
  await step('the list shows what there is', async () => {
    await signIn(alice, box)
    dbId = await makeDatabase(bob, 'recipes', [
      ...Array.from({ length: 60 }, (_, at) => ['soups', `soup ${String(at).padStart(2, '0')}`]),
      ['cakes', 'sweet', 'apple'],
      ['note'],
      [NASTY, 'x']
    ])
    await openPage(alice, box, '/p/system', 'System')
    await page.getByRole('link', { name: 'Show databases' }).click()
    await row(alice, 'recipes').getByText('63').waitFor()
    // Its records cannot be changed by hand: its row leads nowhere.
    assert.equal(await row(alice, 'The box itself').getByRole('link').count(), 0)
    await looksRight(alice, 'databases')
  })
  await step('folders are walked like folders', async () => {
    await row(alice, 'recipes').getByRole('link').click()
    await page.getByRole('heading', { level: 1, name: 'recipes' }).waitFor()
    const list = page.getByRole('region', { name: 'Records' })
    await list.getByRole('link', { name: 'soups' }).waitFor()
    assert.deepEqual(await list.getByRole('link').allInnerTexts(), [NASTY, 'cakes', 'soups'])
    await looksRight(alice, 'database')
    await list.getByRole('link', { name: 'soups' }).click()
    await list.getByRole('button', { name: 'soup 49' }).waitFor()
    assert.equal(await list.getByRole('button', { name: 'soup 50' }).count(), 0)
    await list.getByRole('button', { name: 'Show more' }).click()
    await list.getByRole('button', { name: 'soup 59' }).waitFor()
    await page.goBack()
    await list.getByRole('link', { name: 'cakes' }).click()
    await list.getByRole('link', { name: 'sweet' }).click()
    await list.getByRole('button', { name: 'apple' }).waitFor()
    await page.reload()
    await list.getByRole('button', { name: 'apple' }).waitFor()
  })
  await step('a record is changed, and what is not JSON is not saved', async () => {
    await page.getByRole('button', { name: 'apple' }).click()
    await editor().fill('{"name": ')
    await dialog().getByText(/This is not JSON yet/).waitFor()
    assert.ok(await dialog().getByRole('button', { name: 'Save' }).isDisabled())
    await looksRight(alice, 'database-record')
    await editor().fill('[1]')
    await dialog().getByText(/A record is a JSON object/).waitFor()
    await editor().fill('{"name": "Apple cake"}')
    await save()
    await page.getByText('{"name":"Apple cake"}').waitFor()
    const record = await box.call('adb-api', 'recordGet', dbId, ['cakes', 'sweet', 'apple'])
    assert.deepEqual(record.value, { name: 'Apple cake' })
  })
  await step('another person’s change is not overwritten', async () => {
    await page.getByRole('button', { name: 'apple' }).click()
    await box.call('adb-api', 'recordPut', dbId, ['cakes', 'sweet', 'apple'], { name: 'Pear cake' })
    await editor().fill('{"name": "Plum cake"}')
    await save()
    await dialog().getByText('Someone else has changed this record.').waitFor()
    await dialog().getByRole('button', { name: 'Cancel' }).click()
    const record = await box.call('adb-api', 'recordGet', dbId, ['cakes', 'sweet', 'apple'])
    assert.deepEqual(record.value, { name: 'Pear cake' })
  })
  await step('a record is added and deleted', async () => {
    await page.getByRole('button', { name: 'Add record' }).click()
    await dialog().getByLabel('Key').fill('tarts/lemon')
    await editor().fill('{"name": "Lemon tart"}')
    await save()
    await page.getByRole('link', { name: 'tarts' }).click()
    await page.getByRole('button', { name: 'lemon' }).click()
    await dialog().getByRole('button', { name: 'Delete' }).click()
    await page.getByRole('heading', { name: 'Delete this record?' }).waitFor()
    await looksRight(alice, 'database-delete')
    await page.getByRole('dialog', { name: 'Delete this record?' }).getByRole('button', { name: 'Delete' }).click()
    await page.getByText('There is nothing here.').waitFor()
  })
  await step('the export has every record', async () => {
    const waiting = page.waitForEvent('download')
    await page.getByRole('button', { name: 'Export' }).click()
    const download = await waiting
    assert.equal(download.suggestedFilename(), 'recipes.ndjson')
    const lines = (await readFile(await download.path(), 'utf8')).trimEnd().split('\n').map(JSON.parse)
    assert.equal(lines.length, 63)
    assert.ok(lines.some(({ path, value }) => path.join('/') === 'cakes/sweet/apple' && value.name === 'Pear cake'))
  })
  await step('bob shares his database with carol to read, and she sees it until he ends that', async () => {
    await addUser(box, 'carol')
    const carol = await browser.person('carol')
    await signIn(carol, box)
    await openPage(bob, box, `/p/databases/${dbId}`, 'recipes')
    const sharing = bob.page.getByRole('region', { name: 'Shared with' })
    await sharing.getByText('You are not sharing this database with anyone.').waitFor()
    await sharing.getByLabel('With', { exact: true }).selectOption({ label: 'carol' })
    await sharing.getByLabel('They may').selectOption('view')
    await sharing.getByRole('button', { name: 'Share', exact: true }).click()
    await sharing.getByRole('row').filter({ hasText: 'read it' }).waitFor()
    await looksRight(bob, 'database-shared')
    await openPage(carol, box, `/p/databases/${dbId}`, 'recipes')
    await carol.page.getByRole('region', { name: 'Records' }).getByRole('link', { name: 'cakes' }).waitFor()
    assert.equal(await carol.page.getByRole('button', { name: 'Delete database' }).count(), 0)
    await sharing.getByRole('button', { name: 'Stop sharing with carol' }).click()
    await sharing.getByText('You are not sharing this database with anyone.').waitFor()
    await carol.page.reload()
    await carol.page.getByText(/not yours to see/).first().waitFor()
  })
  await step('bob does not see what is not his', async () => {
    const { serverDbId } = await box.call('inspect-api', 'getConfig')
    await bob.open(box.url(`/p/databases/${serverDbId}`))
    await bob.page.getByText('It is not yours to see.').or(bob.page.getByText(/not yours to see/)).first().waitFor()
    await looksRight(bob, 'database-foreign')
  })
  await step('a database is deleted', async () => {
    await page.getByRole('button', { name: 'Delete database' }).click()
    await page.getByRole('dialog').getByRole('button', { name: 'Delete database' }).click()
    await page.getByText('The database was deleted').waitFor()
    await page.getByRole('heading', { level: 1, name: 'Databases' }).waitFor()
    await row(alice, 'The box itself').waitFor()
    assert.equal(await row(alice, 'recipes').count(), 0)
  })
})

// Bob makes a database in person, through his own page.
function makeDatabase({ page }, alias, paths) {
  return page.evaluate(
    async ([alias, paths]) => {
      const call = async (method, ...params) => {
        const response = await fetch('/_atek/gateway?api=atek.cloud/adb-api', {
          method: 'POST',
          headers: { 'content-type': 'application/json' },
          body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
        })
        const { result, error } = await response.json()
        if (error) throw new Error(error.message)
        return result
      }
      const { dbId } = await call('adminCreateDb', { alias, access: 'private' })
      await call('recordBatch', dbId, paths.map(path => ({ type: 'put', path, value: { name: path.at(-1) } })))
      return dbId
    },
    [alias, paths]
  )
}
