// A person sets Zigbee2MQTT up on the page that it shows before its first start.

import { openProgram, restartAndOpen } from '../lib/programs.mjs'
import { story } from '../lib/story.mjs'
import { until } from '../lib/until.mjs'

const BROKER = 'mqtt://broker.home:1883'

story(async ({ box, browser, step }) => {
  const alice = await browser.person('alice')
  const { page } = alice
  const broker = async () => {
    await page.getByRole('button', { name: 'MQTT' }).click()
    return page.locator('input[name="server"]')
  }
  await step('the broker is named', async () => {
    await openProgram(alice, box, 'zigbee2mqtt')
    await (await broker()).fill(BROKER)
    await page.getByRole('button', { name: 'Submit' }).click()
    await page.getByText('Settings saved successfully').waitFor()
  })
  await step('it is there after a restart', async () => {
    await restartAndOpen(alice, box, 'zigbee2mqtt')
    const field = await broker()
    await until('the broker', async () => await field.inputValue() === BROKER)
  })
})
