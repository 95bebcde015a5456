// Signs in and goes to where the visitor came from.
import { create } from '/_atek/js/rpc.js'

const sessions = create('/_atek/gateway?api=atek.cloud/user-sessions-api')
const form = document.getElementById('login')
const problem = document.getElementById('problem')
const button = form.querySelector('button')

form.addEventListener('submit', async (event) => {
  event.preventDefault()
  problem.textContent = ''
  button.disabled = true
  try {
    const { username, password } = form.elements
    await sessions.login({ username: username.value, password: password.value })
    location.assign(destination())
  } catch (error) {
    problem.textContent = error.message
    form.elements.password.select()
  } finally {
    button.disabled = false
  }
})

// A path of this host and nothing else: '//evil.test' and '/\evil.test' lead elsewhere.
function destination () {
  const wanted = new URLSearchParams(location.search).get('redirect') || '/'
  const url = new URL(wanted, location.origin)
  const isLocal = /^\/(?![/\\])/.test(wanted) && url.origin === location.origin
  return isLocal ? url.pathname + url.search : '/'
}
