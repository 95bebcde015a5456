// Shows who is signed in, lists the apps with a button to start or stop each, and signs out, by calls from the page
// as the original's home makes them: its own API for apps, the host's path at its own site for the session.
let last = 0

const call = async (path, method, ...params) => {
  const response = await fetch(path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: ++last, method, params })
  })
  const { result, error } = await response.json()
  if (error) throw new Error(error.message)
  return result
}
const session = method => call('/_atek/gateway?api=atek.cloud%2Fuser-sessions-api', method)
const say = error => { document.getElementById('problem').textContent = error.message }

const port = location.port ? `:${location.port}` : ''
const address = ({ id, manifest }) =>
  manifest?.frame ? `http://localhost${port}/app/${id}` : `http://${id}.localhost${port}/`

const show = async () => {
  const { services } = await call('/_api', 'services_list')
  const rows = services.filter(({ settings }) => !settings.id.startsWith('core.')).map(({ settings, status }) => {
    const row = document.createElement('li')
    const link = Object.assign(document.createElement('a'), {
      href: address(settings),
      textContent: settings.manifest?.name ?? settings.id
    })
    const action = status === 'active' ? 'stop' : 'start'
    const button = Object.assign(document.createElement('button'), { textContent: `${action} ${settings.id}` })
    button.addEventListener('click', () => call('/_api', `services_${action}`, settings.id).then(show, say))
    row.append(link, ' ', button)
    return row
  })
  document.getElementById('apps').replaceChildren(...rows)
}

document.getElementById('leave').addEventListener('click', () =>
  session('logout').then(() => location.assign('/_atek/login'), say)
)
try {
  document.getElementById('who').textContent = (await session('whoami')).username
  await show()
} catch (error) {
  say(error)
}
