// Makes the visitor who holds the box its administrator.
import { create } from '/_atek/js/rpc.js'

const setup = create('/_atek/gateway?api=atek.cloud/setup-api')
const form = document.getElementById('setup')
const problem = document.getElementById('problem')
const button = form.querySelector('button')
const here = Intl.DateTimeFormat().resolvedOptions().timeZone || 'UTC'

setup.status().then(({ needed, name }) => {
  if (!needed) location.replace('/')
  form.elements.name.value ||= name
}).catch((error) => { problem.textContent = error.message })

form.addEventListener('submit', async (event) => {
  event.preventDefault()
  problem.textContent = ''
  button.disabled = true
  try {
    const { code, name, username, password } = form.elements
    await setup.complete({
      code: code.value,
      name: name.value,
      username: username.value,
      password: password.value,
      timezone: here
    })
    location.replace('/')
  } catch (error) {
    problem.textContent = error.message
    form.elements[error.data?.field]?.focus()
  } finally {
    button.disabled = false
  }
})
