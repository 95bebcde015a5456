// The home page's one button.
import { create } from '/_atek/js/rpc.js'

const sessions = create('/_atek/gateway?api=atek.cloud/user-sessions-api')

document.getElementById('logout').addEventListener('click', async () => {
  try {
    await sessions.logout()
    location.assign('/_atek/login')
  } catch (error) {
    document.getElementById('problem').textContent = error.message
  }
})
