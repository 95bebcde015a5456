/** After a sign-out no page of the person is shown again: in no tab, and not by the browser's Back. */

const CHANNEL = 'atek-session'
const LOGIN = '/_atek/login'

/** Called once, before anything is shown. */
export function watchForSignOut() {
  // A page that comes out of the back/forward cache shows what it showed: it is emptied and asks again who is here.
  addEventListener('pageshow', (event) => {
    if (!event.persisted) return
    clear()
    location.reload()
  })
  new BroadcastChannel(CHANNEL).addEventListener('message', leave)
}

/** Tells every tab of this browser, and leaves this one. */
export function announceSignOut() {
  new BroadcastChannel(CHANNEL).postMessage('signed out')
  leave()
}

function leave() {
  clear()
  location.replace(LOGIN)
}

function clear() {
  document.getElementById('app')?.replaceChildren()
  document.title = 'Atek'
}
