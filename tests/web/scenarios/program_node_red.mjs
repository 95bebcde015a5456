// A person draws a flow in Node-RED's editor, deploys it, and uses it.

import { openProgram, restartAndOpen } from '../lib/programs.mjs'
import { story } from '../lib/story.mjs'
import { until } from '../lib/until.mjs'

const FLOW = JSON.stringify([
  { id: 'tab', type: 'tab', label: 'Greetings' },
  { id: 'in', type: 'http in', z: 'tab', url: '/greet', method: 'get', wires: [['text']] },
  {
    id: 'text',
    type: 'template',
    z: 'tab',
    field: 'payload',
    fieldType: 'msg',
    syntax: 'mustache',
    template: 'Hello {{payload.name}}',
    wires: [['out']]
  },
  { id: 'out', type: 'http response', z: 'tab', wires: [] }
])

story(async ({ box, browser, step }) => {
  const alice = await browser.person('alice')
  const { page } = alice
  // It looks for news of its own in the internet, which the browser of this story does not reach.
  alice.expect(/nodered\.org|node-red\.org|github/)

  await step('the editor is there, with its connection', async () => {
    await openProgram(alice, box, 'node-red')
    await page.locator('#red-ui-palette-container .red-ui-palette-node').first().waitFor()
    await page.getByRole('button', { name: 'No, do not enable notifications' }).click()
    // The tour of what is new: Node-RED 4.1 fails when it is closed before a button of it has the focus.
    const tour = page.locator('.red-ui-tourGuide-popover')
    await tour.locator('.red-ui-tourGuide-toolbar button:focus').waitFor()
    await tour.locator('button, a').first().click()
  })
  await step('a flow is imported and deployed', async () => {
    await page.locator('#red-ui-workspace-chart').click({ position: { x: 300, y: 300 } })
    await page.keyboard.press('Control+i')
    const text = page.locator('#red-ui-clipboard-dialog-import-text')
    await text.fill(FLOW)
    // The editor reads the text when a key is let go.
    await text.press('End')
    await page.locator('#red-ui-clipboard-dialog-ok').click()
    // The imported nodes are put down with a click.
    await page.locator('#red-ui-header-button-deploy').click()
    await page.getByText('Successfully deployed').waitFor()
  })
  await step('it answers', async () => {
    alice.expect(/greet.* 404/)
    await answers(page, box)
  })
  await step('the editor still shows it after a restart', async () => {
    alice.expect(/comms|ERR_CONNECTION|WebSocket/)
    await restartAndOpen(alice, box, 'node-red')
    await page.locator('#red-ui-workspace-tabs').getByText('Greetings').waitFor()
    await answers(page, box)
  })
})

/** Opens what the flow serves; Node-RED starts its flows a moment after it answers. */
async function answers(page, box) {
  const greeted = async () => {
    await page.goto(box.appUrl('node-red', '/greet?name=Ada'))
    return (await page.locator('body').innerText()) === 'Hello Ada'
  }
  await until('the flow to answer', greeted)
}
